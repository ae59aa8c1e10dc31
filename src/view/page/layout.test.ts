import { expect, test } from "vitest";
import { columnsFor, tileWidthMax } from "./layout.ts";

const GAP = 12;

test.each([
  [1, 1, 704, 1],
  [2, 1, 704, 2],
  [3, 1, 704, 3],
  [4, 1, 704, 2],
  [5, 1, 704, 3],
  [6, 1, 704, 3],
  [7, 1, 704, 4],
  [8, 1, 704, 4],
  [9, 1, 704, 3],
  [9, 1, 327, 3],
  [9, 1, 752, 3],
  [9, 1, 884, 3],
  [2, 16 / 9, 704, 2],
  [4, 16 / 9, 704, 2],
  [5, 16 / 9, 474, 3],
  [9, 16 / 9, 474, 3],
  [4, 9 / 16, 704, 4],
  [5, 9 / 16, 327, 3],
  [9, 9 / 16, 474, 3],
  [9, 9 / 16, 704, 5],
  [2, 21 / 9, 704, 1],
])("the grid puts %i images of the ratio %f, %i pixels wide, into %i columns", (count, ratio, width, expected) => {
  expect(columnsFor(count, ratio, width, GAP)).toBe(expected);
});

test("the grid makes no image taller than 512 pixels", () => {
  for (const ratio of [21 / 9, 16 / 9, 1, 9 / 16]) {
    expect(tileWidthMax(ratio) / ratio).toBeCloseTo(512, -1);
  }
});

test("the grid has as many columns as images at most, and no tiny images", () => {
  for (let width = 320; width < 1400; width += 7) {
    for (const ratio of [21 / 9, 1, 9 / 16]) {
      for (let count = 1; count <= 9; count += 1) {
        const columns = columnsFor(count, ratio, width, GAP);
        expect(columns).toBeLessThanOrEqual(count);
        expect((width - GAP * (columns - 1)) / columns).toBeGreaterThan(70);
      }
    }
  }
});
