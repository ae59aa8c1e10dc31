const ROW_HEIGHT_MAX = 512;
const TILE_MIN = { width: 140, height: 150 };
const GRID_HEIGHT = { perWidth: 0.65, max: 380 };

interface Row {
  readonly ratios: readonly number[];
  /** In pixels. */
  readonly height: number;
  /** The part of the width that its images take, at most 1. */
  readonly filled: number;
}

/**
 * Widths that put images into rows: in their order, whole, of one height in each row, and the rows as wide as the grid
 * unless their images would grow taller than 512 pixels. Of all numbers of rows the one is taken that makes the grid
 * neither tall nor its images tiny.
 *
 * @param ratios - width divided by height of each image
 * @param width - of the grid, in pixels
 * @param gap - between two images, in pixels
 * @returns a width in whole pixels for each image
 */
export function tileWidths(ratios: readonly number[], width: number, gap: number): number[] {
  const candidates = ratios.map((_, index) => rowsOf(ratios, index + 1, width, gap));
  const best = candidates.reduce<readonly Row[]>(
    (chosen, rows) => (cost(rows, width) < cost(chosen, width) ? rows : chosen),
    [],
  );
  return best.flatMap(({ ratios: inRow, height }) => inRow.map((ratio) => Math.floor(ratio * height)));
}

/**
 * An image belongs to the row in which the middle of it lies when all images stand in one line that is cut into equal
 * rows.
 */
function rowsOf(ratios: readonly number[], count: number, width: number, gap: number): Row[] {
  const total = sum(ratios);
  const rows = new Map<number, number[]>();
  let before = 0;
  for (const ratio of ratios) {
    const row = Math.floor(((before + ratio / 2) / total) * count);
    rows.set(row, [...(rows.get(row) ?? []), ratio]);
    before += ratio;
  }
  return [...rows.values()].map((inRow) => {
    const space = width - gap * (inRow.length - 1);
    const height = Math.min(ROW_HEIGHT_MAX, space / sum(inRow));
    return { ratios: inRow, height, filled: (sum(inRow) * height) / space };
  });
}

/**
 * The lower the better: 0 for a grid of the height it should have, in even rows that fill its width, with no tiny
 * image.
 */
function cost(rows: readonly Row[], width: number): number {
  if (rows.length === 0) return Infinity;
  const heights = rows.map(({ height }) => height);
  const offGoal = Math.abs(Math.log(sum(heights) / Math.min(GRID_HEIGHT.max, GRID_HEIGHT.perWidth * width)));
  const tooSmall = Math.max(0, ...rows.map(({ ratios, height }) => Math.log(shortfall(Math.min(...ratios), height))));
  const uneven = Math.log(Math.max(...heights) / Math.min(...heights));
  const unfilled = 1 - Math.min(...rows.map(({ filled }) => filled));
  return offGoal + 2 * tooSmall + 1.5 * uneven + unfilled;
}

/** How many times larger a tile should be. */
function shortfall(ratio: number, height: number): number {
  return Math.max(TILE_MIN.height / height, TILE_MIN.width / (ratio * height));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
