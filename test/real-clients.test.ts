import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { toolInputSchema } from "../src/schemas.ts";
import { bigJpeg } from "./support/big-jpeg.ts";
import { outputOf, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";

const shared = shareServer();

test("null for every optional parameter means that it was not given", async () => {
  const { api, server } = shared.begin();
  const nulls = Object.fromEntries(Object.keys(toolInputSchema.shape).map((name) => [name, null]));

  const output = outputOf(await server.generate({ ...nulls, prompt: "x" }));

  expect(output).not.toHaveProperty("warnings");
  expect(api.requests).toHaveLength(1);
});

test.each([
  ["weight", { model: "image-01-live", style: { style_type: "水彩", style_weight: null } }],
  ["type and weight", { style: { style_type: null, style_weight: null } }],
])("null for the %s of a style means that it was not given", async (_, args) => {
  const { server } = shared.begin();

  expect(outputOf(await server.generate({ prompt: "x", ...args })).saved_count).toBe(1);
});

test.each([
  ["contradicted by the default", "1:1", 1920, 1080, true],
  ["the ratio of the size", "16:9", 1920, 1080, false],
  ["as near as multiples of 8 allow", "16:9", 1368, 768, false],
  ["overruled by the size", "21:9", 512, 2048, true],
])("a ratio filled in beside a size: %s", async (_, aspect_ratio, width, height, isWarned) => {
  const { api, server } = shared.begin();

  const result = await server.generate({ prompt: "x", width, height, aspect_ratio });

  expect(api.requests[0]?.body).toMatchObject({ width, height });
  expect(api.requests[0]?.body).not.toHaveProperty("aspect_ratio");
  expect(textOf(result).includes(`aspect_ratio ${aspect_ratio} was not used`)).toBe(isWarned);
});

test.each([
  ["a space for a narrow no-break space", "Shot 1.02.03\u202fPM.png", "Shot 1.02.03 PM.png"],
  ["NFC for NFD", "Zoe\u0308.png", "Zo\u00eb.png"],
  ["NFD for NFC", "caf\u00e9.png", "cafe\u0301.png"],
  ["one space for two", "a  b.png", "a b.png"],
])("a reference is found by %s", async (_, onDisk, image_file) => {
  const { server } = shared.begin();
  await writeFile(join(server.outputDir, onDisk), bigJpeg(2000));

  const result = await server.generate({ prompt: "x", subject_reference: [{ type: "character", image_file }] });

  expect(outputOf(result).saved_count).toBe(1);
});
