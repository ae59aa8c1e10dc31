import { readdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { type CallToolResult, CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { toolOutputSchema } from "../src/schemas.ts";
import { refuse } from "../stand-in/behaviours.ts";
import { renderImage } from "../stand-in/image.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { bigJpeg } from "./support/big-jpeg.ts";
import { runServer } from "./support/run-server.ts";
import { assertOnlyJsonRpc, spawnServer, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { StdioTransport } from "./support/stdio-transport.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";

const COMMON = { prompt: "a cat", response_format: "base64", n: 1, prompt_optimizer: false } as const;

const shared = shareServer((api) => spawnServer({ api, env: { MINIMAX_RPM: "0" } }));

test.each([
  [1000, 520],
  [512, 2048],
])("width and height of %i and %i are the pixels on the disk, and no aspect ratio is sent", async (width, height) => {
  const { api, server } = shared.begin({ createImage: renderImage });

  const result = await server.generate({ prompt: "a cat", width, height });

  const { images, file_paths } = toolOutputSchema.parse(result.structuredContent);
  expect(images).toMatchObject([{ width, height }]);
  expect(textOf(result)).toContain(`${width}x${height} pixels`);
  expect(await sharp(file_paths[0]).metadata()).toMatchObject({ width, height, format: "jpeg" });
  expect(api.requests.map(({ body }) => body)).toStrictEqual([{ ...COMMON, model: "image-01", width, height }]);
});

test("filename names the file of one image, and is not sent", async () => {
  const { api, server } = shared.begin();

  const result = await server.generate({ prompt: "a cat", filename: "hero" });

  expectPaths(result, [join(server.outputDir, "hero.jpeg")]);
  expect(await readdir(server.outputDir)).toEqual(["hero.jpeg"]);
  expect(await readFile(join(server.outputDir, "hero.jpeg"))).toEqual(api.deliveredImages[0]);
  expect(api.requests.map(({ body }) => body)).toStrictEqual([{ ...COMMON, model: "image-01", aspect_ratio: "1:1" }]);
});

test("filename is numbered for several images, in their order", async () => {
  const { api, server } = shared.begin();

  const result = await server.generate({ prompt: "a cat", filename: "hero", n: 3 });

  const paths = [1, 2, 3].map((number) => join(server.outputDir, `hero-${number}.jpeg`));
  expectPaths(result, paths);
  expect(await Promise.all(paths.map((path) => readFile(path)))).toEqual(api.deliveredImages);
});

test("filename that is taken goes on with the next free number and overwrites nothing", async () => {
  const { server } = shared.begin();
  await writeFile(join(server.outputDir, "hero.jpeg"), "mine");
  await writeFile(join(server.outputDir, "hero-2.jpeg"), "mine too");

  const one = await server.generate({ prompt: "a cat", filename: "hero" });
  const two = await server.generate({ prompt: "a cat", filename: "hero", n: 2 });

  expectPaths(one, [join(server.outputDir, "hero-3.jpeg")]);
  const { file_paths } = toolOutputSchema.parse(two.structuredContent);
  expect(file_paths).toEqual([join(server.outputDir, "hero-1.jpeg"), join(server.outputDir, "hero-4.jpeg")]);
  expect(await readFile(join(server.outputDir, "hero.jpeg"), "utf8")).toBe("mine");
  expect(await readFile(join(server.outputDir, "hero-2.jpeg"), "utf8")).toBe("mine too");
  expect(await readdir(server.outputDir)).toHaveLength(5);
});

test("filename with the extension of another format gets the one of the bytes", async () => {
  const { server } = shared.begin({ createImage: renderImage });

  const result = await server.generate({ prompt: "a cat", filename: "hero.png" });

  expectPaths(result, [join(server.outputDir, "hero.jpeg")]);
  expect(await sharp(join(server.outputDir, "hero.jpeg")).metadata()).toMatchObject({ format: "jpeg" });
});

test("filename of ten calls at once gives ten files", async () => {
  const { api, server } = shared.begin();

  const results = await Promise.all(
    Array.from({ length: 10 }, () => server.generate({ prompt: "a cat", filename: "hero" })),
  );

  const paths = results.flatMap((result) => toolOutputSchema.parse(result.structuredContent).file_paths);
  const names = ["hero.jpeg", ...[2, 3, 4, 5, 6, 7, 8, 9, 10].map((number) => `hero-${number}.jpeg`)];
  expect(paths.toSorted()).toEqual(names.map((name) => join(server.outputDir, name)).sort());
  expect((await readdir(server.outputDir)).sort()).toEqual(names.toSorted());
  const contents = await Promise.all(paths.map((path) => readFile(path)));
  expect(contents.sort((a, b) => a.compare(b))).toEqual(api.deliveredImages.toSorted((a, b) => a.compare(b)));
});

test.each([
  ["without a style", {}],
  ["with a style", { style: { style_type: "水彩" } }],
  ["with a style and its weight", { style: { style_type: "漫画", style_weight: 0.5 } }],
])("model and style of image-01-live are sent as given, %s", async (_, style) => {
  const { api, server } = shared.begin({ createImage: renderImage });

  const result = await server.generate({ prompt: "a cat", model: "image-01-live", aspect_ratio: "16:9", ...style });

  expect(result.structuredContent).toMatchObject({ saved_count: 1, images: [{ width: 1280, height: 720 }] });
  expect(textOf(result)).toContain("1280x720 pixels");
  expect(api.requests.map(({ body }) => body)).toStrictEqual([
    { ...COMMON, model: "image-01-live", aspect_ratio: "16:9", ...style },
  ]);
});

test.each([{ aigc_watermark: true }, { aigc_watermark: false }, {}])(
  "aigc_watermark is sent only when given: %o",
  async (given) => {
    const { api, server } = shared.begin();

    await server.generate({ prompt: "a cat", ...given });

    expect(api.requests.map(({ body }) => body)).toStrictEqual([
      { ...COMMON, model: "image-01", aspect_ratio: "1:1", ...given },
    ]);
  },
);

test.each(["base64", "url"])(
  "return_images returns the files' bytes in order, delivered as %s",
  async (response_format) => {
    const { api, server } = shared.begin();

    const result = await server.generate({ prompt: "a cat", n: 3, return_images: true, response_format });

    const output = toolOutputSchema.parse(result.structuredContent);
    expect(output).not.toHaveProperty("warnings");
    expect(result.content.map(({ type }) => type)).toEqual(["text", "image", "image", "image"]);
    expect(imagesIn(result)).toEqual(
      await Promise.all(
        output.file_paths.map(async (path) => ({ data: await readFile(path, "base64"), mimeType: "image/jpeg" })),
      ),
    );
    expect(JSON.stringify(api.requests[0]?.body)).not.toContain("return_images");
  },
);

test("return_images leaves out what does not fit into 1 MB, and names it", async () => {
  const { server } = shared.begin({ createImage: () => Promise.resolve(bigJpeg(300_000)) });

  const result = await server.generate({ prompt: "a cat", n: 4, return_images: true });

  const { file_paths, saved_count, warnings } = toolOutputSchema.parse(result.structuredContent);
  expect(saved_count).toBe(4);
  expect(imagesIn(result).map(({ data }) => data)).toEqual(
    await Promise.all(file_paths.slice(0, 2).map((path) => readFile(path, "base64"))),
  );
  expect(warnings).toHaveLength(1);
  for (const path of file_paths.slice(2)) expect(warnings?.[0]).toContain(path);
  for (const path of file_paths.slice(0, 2)) expect(warnings?.[0]).not.toContain(path);
  expect(textOf(result)).toContain(`Warning: ${warnings?.[0] ?? "none"}`);
  expect(Buffer.byteLength(JSON.stringify(result))).toBeLessThan(1_000_000);
});

test("return_images stays under 1 MB when the images just fit", async () => {
  const { server } = shared.begin({ createImage: () => Promise.resolve(bigJpeg(77_777)) });

  const result = await server.generate({ prompt: "a cat", n: 9, return_images: true, response_format: "url" });

  expect(imagesIn(result)).toHaveLength(9);
  expect(result.structuredContent).not.toHaveProperty("warnings");
  expect(Buffer.byteLength(JSON.stringify(result))).toBeLessThan(1_000_000);
});

test("return_images shows nothing of a single image that is too big, and says so", async () => {
  const { server } = shared.begin({ createImage: () => Promise.resolve(bigJpeg(700_001)) });

  const result = await server.generate({ prompt: "a cat", return_images: true });

  const { file_paths, warnings } = toolOutputSchema.parse(result.structuredContent);
  expect(imagesIn(result)).toEqual([]);
  expect(warnings).toEqual([expect.stringContaining(file_paths[0] ?? "none")]);
  expect(textOf(result)).toContain(`Warning: ${warnings?.[0] ?? "none"}`);
});

test("return_images is off unless asked for", async () => {
  const { server } = shared.begin();

  expect(imagesIn(await server.generate({ prompt: "a cat" }))).toEqual([]);
});

describe.skipIf(process.platform === "win32")("a server started in the root directory", () => {
  test("saves in Pictures of the home directory, and says so in both halves", async () => {
    await using api = await startStandIn();
    await using home = await temporaryDirectory();
    const transport = new StdioTransport(process.execPath, [resolve("dist", "index.js")], {
      env: {
        MINIMAX_API_KEY: STAND_IN_KEY,
        MINIMAX_API_HOST: api.url,
        MINIMAX_OUTPUT_DIR: "",
        HOME: home.path,
      },
      cwd: "/",
    });
    const client = new Client({ name: "test", version: "1.0.0" });
    await client.connect(transport);
    const pictures = join(home.path, "Pictures", "minimax-image-mcp");
    expect(client.getInstructions()).toContain(pictures);
    expect(await readdir(home.path)).toEqual([]);

    const result = CallToolResultSchema.parse(
      await client.callTool({ name: "minimax_image_generate", arguments: { prompt: "a cat", filename: "hero" } }),
    );
    await client.close();

    expectPaths(result, [join(pictures, "hero.jpeg")]);
    expect(await readFile(join(pictures, "hero.jpeg"))).toEqual(api.deliveredImages[0]);
    const { warnings } = toolOutputSchema.parse(result.structuredContent);
    expect(warnings).toEqual([expect.stringContaining(`files go to ${pictures}`)]);
    expect(textOf(result)).toContain(`Warning: ${warnings?.[0] ?? "none"}`);
    assertOnlyJsonRpc(transport.stdout);
  });
});

test("MINIMAX_API_HOST is the only host that is asked and that gets the key", async () => {
  await using api = await startStandIn();
  await using other = await startStandIn();
  await using server = await spawnServer({ api, env: { MINIMAX_API_HOST: ` ${api.url}/ ` } });

  const result = await server.generate({ prompt: "a cat" });

  expect(result.structuredContent).toMatchObject({ saved_count: 1 });
  expect(api.requests).toMatchObject([
    { url: "/v1/image_generation", headers: { authorization: `Bearer ${STAND_IN_KEY}` } },
  ]);
  expect(other.requests).toHaveLength(0);
});

test.each([
  ["a path", "http://127.0.0.1:9/v1"],
  ["a user", "http://anna:secret@127.0.0.1:9"],
  ["another short name", "china"],
])("MINIMAX_API_HOST with %s ends the server before it starts", async (_, host) => {
  const { code, stderr } = await runServer({ env: { MINIMAX_API_KEY: STAND_IN_KEY, MINIMAX_API_HOST: host } });

  expect(code).toBe(1);
  expect(stderr).toContain("MINIMAX_API_HOST must be global, cn, or an https:// origin");
  expect(stderr).not.toContain("secret");
});

test.each([1004, 2049])(
  "a key that MiniMax does not take brings the hint that it may be one of the other region: %i",
  async (code) => {
    const { api, server } = shared.begin({ script: [refuse(code)] });

    const result = await server.generate({ prompt: "a cat" });

    expect(result.isError).toBe(true);
    expect(textOf(result)).toContain(`Status code: ${code}`);
    expect(textOf(result)).toMatch(/Recovery: .*the other region's host is api\.minimax\.cn \(MINIMAX_API_HOST=cn\)/);
    expect(api.requests).toHaveLength(1);
  },
);

test("a key that MiniMax does not take is never said, though the stand-in refuses it as MiniMax does", async () => {
  await using api = await startStandIn();
  const MINIMAX_API_KEY = "sk-api-of-another-region-0123456789";
  await using server = await spawnServer({ api, env: { MINIMAX_API_KEY } });

  const result = await server.generate({ prompt: "a cat" });

  expect(textOf(result)).toContain("Status code: 2049");
  expect(textOf(result)).toContain("MINIMAX_API_HOST=global");
  expect(textOf(result)).toContain("MINIMAX_API_HOST=cn");
  expect(textOf(result) + server.transport.stderr + server.transport.stdout).not.toContain(MINIMAX_API_KEY);
  expect(await readdir(server.outputDir)).toEqual([]);
});

function expectPaths(result: CallToolResult, paths: readonly string[]): void {
  const output = toolOutputSchema.parse(result.structuredContent);
  expect(output.file_paths).toEqual(paths);
  expect(output.images.map(({ path }) => path)).toEqual(paths);
  for (const path of paths) expect(textOf(result)).toContain(`- ${path} (`);
}

function imagesIn(result: CallToolResult): { data: string; mimeType: string }[] {
  return result.content.flatMap((part) =>
    part.type === "image" ? [{ data: part.data, mimeType: part.mimeType }] : [],
  );
}
