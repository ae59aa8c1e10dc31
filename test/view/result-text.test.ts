import { expect, test } from "vitest";
import { readToolResult } from "../../src/view/page/tool-call.ts";
import { deliver } from "../../stand-in/behaviours.ts";
import { bigJpeg } from "../support/big-jpeg.ts";
import { textOf } from "../support/server.ts";
import { shareServer } from "../support/share-server.ts";

const shared = shareServer();

test.each([
  ["absent", undefined],
  ["null", null],
])("the view reads the same from the text when the structure is %s", async (_name, structuredContent) => {
  const { server } = shared.begin({ script: [deliver([bigJpeg(900), "bm90IGFuIGltYWdl", bigJpeg(70_000)])] });

  const result = await server.generate({
    prompt: "a cat",
    n: 4,
    filename: "a cat (8x8 pixels, 8 bytes)",
    wait_a_bit: "no",
    return_images: true,
  });

  const fromStructure = readToolResult(result);
  expect(fromStructure.images).toHaveLength(2);
  expect(fromStructure.failures).toHaveLength(1);
  expect(fromStructure.warnings).toHaveLength(2);
  expect(readToolResult({ ...result, structuredContent })).toEqual(fromStructure);
  expect(readToolResult({ ...result, content: textOf(result), structuredContent })).toMatchObject({
    images: fromStructure.images.map(({ path, width, height, bytes }) => ({ path, width, height, bytes })),
    failures: fromStructure.failures,
    warnings: fromStructure.warnings,
  });
});
