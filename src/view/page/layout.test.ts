import { expect, test } from "vitest";
import { tileWidths } from "./layout.ts";

const GAP = 12;

/** How many images stand in each row of a grid of this width. */
function rows(ratios: readonly number[], width: number): number[] {
  const counts: number[] = [];
  let left = 0;
  for (const tile of tileWidths(ratios, width, GAP)) {
    if (left < tile) {
      counts.push(0);
      left = width;
    }
    counts.push((counts.pop() ?? 0) + 1);
    left -= tile + GAP;
  }
  return counts;
}

const alike = (count: number, ratio: number): number[] => Array.from({ length: count }, () => ratio);

test.each([
  [1, 1, 712, [1]],
  [2, 1, 712, [2]],
  [3, 1, 712, [3]],
  [4, 1, 712, [2, 2]],
  [5, 1, 712, [2, 3]],
  [9, 1, 712, [3, 3, 3]],
  [9, 1, 482, [3, 3, 3]],
  [4, 1, 1092, [4]],
  [2, 16 / 9, 712, [2]],
  [2, 16 / 9, 482, [1, 1]],
  [9, 16 / 9, 482, [3, 3, 3]],
  [4, 9 / 16, 712, [4]],
  [9, 9 / 16, 482, [3, 3, 3]],
  [2, 21 / 9, 712, [1, 1]],
])(
  "the grid of images puts %i images of the ratio %f into rows when it is %i pixels wide",
  (count, ratio, width, expected) => {
    expect(rows(alike(count, ratio), width)).toEqual(expected);
  },
);

test("the grid of images gives the images of a row one height, whatever their shapes", () => {
  const ratios = [1, 16 / 9, 3 / 4, 4 / 3, 9 / 16, 3 / 2, 21 / 9, 2 / 3, 1];
  const widths = tileWidths(ratios, 712, GAP);
  const heights = widths.map((width, index) => width / (ratios[index] ?? 1));

  expect(rows(ratios, 712)).toEqual([3, 3, 3]);
  for (const start of [0, 3, 6]) {
    const inRow = heights.slice(start, start + 3);
    expect(Math.max(...inRow) - Math.min(...inRow)).toBeLessThan(2);
    expect(widths.slice(start, start + 3).reduce((total, width) => total + width, 2 * GAP)).toBeGreaterThan(705);
  }
});

test("the grid of images never makes a row wider than it is, nor an image taller than 512 pixels", () => {
  for (let width = 200; width < 1400; width += 7) {
    for (const ratio of [21 / 9, 1, 9 / 16]) {
      for (let count = 1; count <= 9; count += 1) {
        const [tile = 0] = tileWidths(alike(count, ratio), width, GAP);
        expect(tile).toBeLessThanOrEqual(width);
        expect(tile / ratio).toBeLessThanOrEqual(512);
        expect(tile).toBeGreaterThan(20);
      }
    }
  }
});
