import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import sharp from "sharp";
import { expect, test } from "vitest";
import { renderImage } from "../stand-in/image.ts";
import { startStandIn } from "../stand-in/server.ts";
import { bigJpeg, smallImage } from "./support/big-jpeg.ts";
import { DEFAULT_REQUEST } from "./support/default-request.ts";
import { outputOf, spawnServer, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";

const CAT = { prompt: "a cat" };
const PIXEL =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

const shared = shareServer();

const reference = (image_file: string): unknown => ({ type: "character", image_file });

test.each<Readonly<Record<string, unknown>>>([
  {},
  { aspect_ratio: "21:9", n: 2, seed: 4294967295, response_format: "url", prompt_optimizer: true },
  { subject_reference: [reference("https://example.com/a%2Fb.png?x=1"), reference(PIXEL)] },
  { model: "image-01-live", style: { style_type: "漫画", style_weight: 0.5 } },
  { aigc_watermark: true },
  { aigc_watermark: false },
])("a request carries what was given, the defaults, and nothing else: %j", async (given) => {
  const { api, server } = shared.begin();

  await server.generate({ ...CAT, output_dir: "cats", filename: "hero", return_images: true, ...given });

  expect(api.requests.map(({ body }) => body)).toStrictEqual([{ ...DEFAULT_REQUEST, ...given }]);
});

test("a size is the pixels on the disk, and no ratio is sent", async () => {
  const { api, server } = shared.begin({ createImage: renderImage });
  const size = { width: 1000, height: 520 };

  const result = await server.generate({ ...CAT, ...size });

  const { images, file_paths } = outputOf(result);
  expect(images).toMatchObject([size]);
  expect(textOf(result)).toContain("1000x520 pixels");
  expect(await sharp(file_paths[0]).metadata()).toMatchObject({ ...size, format: "jpeg" });
  const { aspect_ratio, ...others } = DEFAULT_REQUEST;
  expect(aspect_ratio).toBe("1:1");
  expect(api.requests.map(({ body }) => body)).toStrictEqual([{ ...others, ...size }]);
});

test("filename names the file, with the extension of the bytes", async () => {
  const { api, server } = shared.begin();

  const result = await server.generate({ ...CAT, filename: "hero.png" });

  expectPaths(result, [join(server.outputDir, "hero.jpeg")]);
  expect(await readFile(join(server.outputDir, "hero.jpeg"))).toEqual(api.deliveredImages[0]);
  expect(imagesIn(result)).toEqual([]);
});

test("a client that writes every key in camel case gets what it asked for", async () => {
  const { api, server } = shared.begin();
  const face = bigJpeg(5000);
  await writeFile(join(server.outputDir, "anna.jpg"), face);

  const result = await server.generate({
    Prompt: "a cat",
    aspectRatio: "16:9 ",
    outputDir: "public/img\n",
    fileName: "hero",
    promptOptimizer: true,
    subjectReference: [{ Type: "character", imageFile: "anna.jpg " }],
  });

  expectPaths(result, [join(server.outputDir, "public", "img", "hero.jpeg")]);
  expect(outputOf(result).warnings).toBeUndefined();
  expect(api.requests.map(({ body }) => body)).toMatchObject([
    {
      prompt: "a cat",
      aspect_ratio: "16:9",
      prompt_optimizer: true,
      subject_reference: [{ type: "character", image_file: `data:image/jpeg;base64,${face.toString("base64")}` }],
    },
  ]);
});

test("filename of ten calls at once gives ten files", async () => {
  const { api, server } = shared.begin();

  const results = await Promise.all(Array.from({ length: 10 }, () => server.generate({ ...CAT, filename: "hero" })));

  const paths = results.flatMap((result) => outputOf(result).file_paths);
  const names = ["hero.jpeg", ...[2, 3, 4, 5, 6, 7, 8, 9, 10].map((number) => `hero-${number}.jpeg`)];
  expect(paths.toSorted()).toEqual(names.map((name) => join(server.outputDir, name)).sort());
  expect((await readdir(server.outputDir)).sort()).toEqual(names.toSorted());
  const contents = await Promise.all(paths.map((path) => readFile(path)));
  expect(contents.sort((a, b) => a.compare(b))).toEqual(api.deliveredImages.toSorted((a, b) => a.compare(b)));
});

test.each(["base64", "url"])("return_images gives the files' bytes in order: %s", async (response_format) => {
  const { server } = shared.begin();

  const result = await server.generate({ ...CAT, n: 3, return_images: true, response_format });

  const output = outputOf(result);
  expect(output).not.toHaveProperty("warnings");
  expect(result.content.map(({ type }) => type)).toEqual(["text", "image", "image", "image"]);
  expect(imagesIn(result)).toEqual(
    await Promise.all(
      output.file_paths.map(async (path) => ({ data: await readFile(path, "base64"), mimeType: "image/jpeg" })),
    ),
  );
});

test.each([
  [4, 300_000, 2],
  [9, 77_777, 9],
  [1, 700_001, 0],
])("of %i images of %i bytes return_images gives %i, and names the rest", async (n, bytes, shown) => {
  const { server } = shared.begin({ createImage: () => Promise.resolve(bigJpeg(bytes)) });

  const result = await server.generate({ ...CAT, n, return_images: true });

  const { file_paths, saved_count, warnings = [] } = outputOf(result);
  expect(saved_count).toBe(n);
  expect(imagesIn(result).map(({ data }) => data)).toEqual(
    await Promise.all(file_paths.slice(0, shown).map((path) => readFile(path, "base64"))),
  );
  expect(warnings).toHaveLength(shown === n ? 0 : 1);
  for (const path of file_paths.slice(shown)) expect(warnings[0]).toContain(path);
  for (const path of file_paths.slice(0, shown)) expect(warnings.join()).not.toContain(path);
  for (const warning of warnings) expect(textOf(result)).toContain(`Warning: ${warning}`);
  expect(Buffer.byteLength(JSON.stringify(result))).toBeLessThan(1_000_000);
});

test.skipIf(process.platform === "win32")("a server started in the root directory saves in Pictures", async () => {
  await using api = await startStandIn({ createImage: smallImage });
  await using home = await temporaryDirectory();
  const pictures = join(home.path, "Pictures", "minimax-image-mcp");
  await using server = await spawnServer({ api, env: { MINIMAX_OUTPUT_DIR: "", HOME: home.path }, cwd: "/" });
  expect(server.client.getInstructions()).toContain(pictures);
  expect(await readdir(home.path)).toEqual([]);

  const result = await server.generate({ ...CAT, filename: "hero" });

  expectPaths(result, [join(pictures, "hero.jpeg")]);
  expect(await readFile(join(pictures, "hero.jpeg"))).toEqual(api.deliveredImages[0]);
  const { warnings } = outputOf(result);
  expect(warnings).toEqual([expect.stringContaining(`files go to ${pictures}`)]);
  expect(textOf(result)).toContain(`Warning: ${warnings?.[0] ?? "none"}`);
});

function expectPaths(result: CallToolResult, paths: readonly string[]): void {
  const output = outputOf(result);
  expect(output.file_paths).toEqual(paths);
  expect(output.images.map(({ path }) => path)).toEqual(paths);
  for (const path of paths) expect(textOf(result)).toContain(`- ${path} (`);
}

function imagesIn(result: CallToolResult): { data: string; mimeType: string }[] {
  return result.content.flatMap((part) =>
    part.type === "image" ? [{ data: part.data, mimeType: part.mimeType }] : [],
  );
}
