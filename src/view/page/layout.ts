const TILE_HEIGHT_MAX = 512;
const TILE_WIDTH_MIN = 140;
const HEIGHT_PER_WIDTH = 0.55;

/**
 * How many columns show images of one shape best: of all numbers the one whose grid is neither tall nor of tiny images,
 * and leaves few places of its last row empty.
 *
 * @param count - how many images
 * @param ratio - width divided by height of each
 * @param width - of the grid, in pixels
 * @param gap - between two images, in pixels
 */
export function columnsFor(count: number, ratio: number, width: number, gap: number): number {
  const cost = (columns: number): number => {
    const rows = Math.ceil(count / columns);
    const tile = Math.min((width - gap * (columns - 1)) / columns, tileWidthMax(ratio));
    const height = (rows * tile) / ratio + gap * (rows - 1);
    const offGoal = Math.abs(Math.log(height / (HEIGHT_PER_WIDTH * width)));
    const tooSmall = Math.max(0, Math.log(TILE_WIDTH_MIN / tile));
    const empty = 1 - count / (rows * columns);
    return offGoal + 2 * tooSmall + 3 * empty;
  };
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  return numbers.reduce((best, columns) => (cost(columns) < cost(best) ? columns : best));
}

/** The width, in whole pixels, at which an image is as tall as one may be. */
export function tileWidthMax(ratio: number): number {
  return Math.round(TILE_HEIGHT_MAX * ratio);
}
