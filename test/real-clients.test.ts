import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bigJpeg } from "./support/big-jpeg.ts";
import { outputOf, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";

const shared = shareServer();

const reference = (image_file: string): Readonly<Record<string, unknown>> => ({
  prompt: "x",
  subject_reference: [{ type: "character", image_file }],
});

test("null for every optional parameter means that it was not given", async () => {
  const { api, server } = shared.begin();
  const optional =
    "aspect_ratio n seed response_format prompt_optimizer subject_reference output_dir width height filename model style aigc_watermark return_images";

  const nulls = Object.fromEntries(optional.split(" ").map((name) => [name, null]));
  const output = outputOf(await server.generate({ prompt: "x", ...nulls }));

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
  const defaults = {
    n: 1,
    response_format: "base64",
    prompt_optimizer: false,
    model: "image-01",
    return_images: false,
  };

  const result = await server.generate({ prompt: "x", width, height, aspect_ratio, ...defaults });

  expect(api.requests[0]?.body).toMatchObject({ width, height });
  expect(api.requests[0]?.body).not.toHaveProperty("aspect_ratio");
  expect(textOf(result).includes(`aspect_ratio ${aspect_ratio} was not used`)).toBe(isWarned);
});

test.each(["50% off", "cash $", "it's", "a$b", "Größe/猫"])("%s is a directory like any other", async (output_dir) => {
  const { server } = shared.begin();

  expect(outputOf(await server.generate({ prompt: "x", output_dir })).file_paths[0]).toContain(join(output_dir, "x-"));
});

test.each([
  ["a space for a narrow no-break space", "Shot 1.02.03\u202fPM.png", "Shot 1.02.03 PM.png"],
  ["a space for a no-break space", "a\u00a0b.png", "a b.png"],
  ["NFC for NFD", "Zoe\u0308.png", "Zo\u00eb.png"],
  ["NFD for NFC", "caf\u00e9.png", "cafe\u0301.png"],
  ["one space for two", "a  b.png", "a b.png"],
])("a reference is found by %s", async (_, onDisk, given) => {
  const { api, server } = shared.begin();
  await writeFile(join(server.outputDir, onDisk), bigJpeg(2000));

  expect(outputOf(await server.generate(reference(given))).saved_count).toBe(1);
  expect(api.requests).toHaveLength(1);
});

test("a reference is not guessed where two files could be meant", async () => {
  const { api, server } = shared.begin();
  await mkdir(join(server.outputDir, "d"));
  for (const name of ["x\u00a0y.png", "x\u202fy.png"]) {
    await writeFile(join(server.outputDir, "d", name), bigJpeg(2000));
  }

  expect(textOf(await server.generate(reference("d/x y.png")))).toContain("ENOENT");
  expect(api.requests).toHaveLength(0);
});

test.each([
  ["HEIC", Buffer.from("\0\0\0\x18ftypheic\0\0\0\0mif1heic", "latin1")],
  ["AVIF", Buffer.from("\0\0\0\x18ftypavif\0\0\0\0mif1avif", "latin1")],
  ["GIF", Buffer.from("GIF89a______")],
  ["SVG", Buffer.from('<?xml version="1.0"?>\n<svg xmlns="x"/>')],
])("a reference of another kind is to be converted: %s", async (_, bytes) => {
  const { api, server } = shared.begin();
  await writeFile(join(server.outputDir, "face.jpg"), bytes);

  for (const image_file of ["face.jpg", `data:image/jpeg;base64,${bytes.toString("base64")}`]) {
    expect(textOf(await server.generate(reference(image_file)))).toContain("convert");
  }
  expect(api.requests).toHaveLength(0);
});

test("image/jpg is sent as image/jpeg", async () => {
  const { api, server } = shared.begin();

  await server.generate(reference(`data:image/jpg;base64,${bigJpeg(2000).toString("base64")}`));

  expect(JSON.stringify(api.requests[0]?.body)).toContain("data:image/jpeg;base64,");
});
