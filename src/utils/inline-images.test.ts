import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import type { SavedImage } from "../schemas.ts";
import { type InlineImage, readInlineImages } from "./inline-images.ts";

const FORMATS = ["image/jpeg", "image/png", "image/webp"] as const;

async function inlineOf(sizes: readonly number[], maxBytes: number): Promise<InlineImage[]> {
  await using directory = await temporaryDirectory();
  const saved = await Promise.all(
    sizes.map(async (bytes, index): Promise<SavedImage> => {
      const path = join(directory.path, `${index}.jpeg`);
      await writeFile(path, imageOf(bytes, index));
      return { path, width: 8, height: 8, bytes, mime_type: FORMATS[index % 3] ?? "image/jpeg" };
    }),
  );
  return await readInlineImages(saved, maxBytes);
}

function imageOf(bytes: number, index: number): Buffer {
  return Buffer.alloc(bytes, index + 200);
}

test("inline images are the saved bytes in base64, in order, each with its type", async () => {
  expect(await inlineOf([10, 20, 30], 1000)).toEqual(
    [10, 20, 30].map((bytes, index) => ({
      data: imageOf(bytes, index).toString("base64"),
      mimeType: FORMATS[index],
    })),
  );
});

test("inline images may fill the limit to the last byte", async () => {
  expect(await inlineOf([400, 600], 1000)).toHaveLength(2);
});

test.each([
  ["the one that goes a byte past the limit", [400, 601], 1],
  ["all when the first is too large", [1001], 0],
  ["those behind it, even when they would fit", [400, 900, 5], 1],
])("inline images leave out %s", async (_case, sizes, expected) => {
  const inline = await inlineOf(sizes, 1000);

  expect(inline.map(({ data }) => data)).toEqual(
    sizes.slice(0, expected).map((bytes, index) => imageOf(bytes, index).toString("base64")),
  );
});

test("inline images are none when nothing was saved", async () => {
  expect(await inlineOf([], 1000)).toEqual([]);
});
