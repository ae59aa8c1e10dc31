import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { version } from "../package.json";
import { ASPECT_RATIO_PIXELS, ASPECT_RATIOS } from "../src/constants.ts";
import { toolOutputSchema } from "../src/schemas.ts";
import { succeed } from "../stand-in/behaviours.ts";
import { renderImage } from "../stand-in/image.ts";
import { STAND_IN_KEY } from "../stand-in/server.ts";
import { DEFAULT_REQUEST } from "./support/default-request.ts";
import { spawnServer, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";

const PIXEL =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

const shared = shareServer((api) => spawnServer({ api, env: { MINIMAX_RPM: "0" } }));

test("the tool introduces itself with name, version and instructions, and lists one tool under 7 kB", async () => {
  const { server } = shared.begin();
  const { tools } = await server.client.listTools();

  expect(server.client.getServerVersion()).toEqual({ name: "minimax-image-mcp", version });
  expect(server.client.getInstructions()).toContain(server.outputDir);
  expect(tools.map(({ name }) => name)).toEqual(["minimax_image_generate"]);
  expect(tools[0]?.annotations).toEqual({
    readOnlyHint: false,
    destructiveHint: false,
    idempotentHint: false,
    openWorldHint: true,
  });
  expect(Buffer.byteLength(JSON.stringify({ tools }))).toBeLessThan(7000);
  expect(server.transport.stderr).toBe("MiniMax Image MCP server running on stdio\n");
});

test.each(ASPECT_RATIOS)("the tool saves an image of %s with the pixels MiniMax documents", async (aspect_ratio) => {
  const { api, server } = shared.begin({ createImage: renderImage });

  const result = await server.generate({ prompt: "a cat", aspect_ratio });

  const { images } = toolOutputSchema.parse(result.structuredContent);
  const path = images[0]?.path ?? "";
  const expected = ASPECT_RATIO_PIXELS[aspect_ratio];
  expect(images).toMatchObject([{ ...expected, mime_type: "image/jpeg" }]);
  expect(await sharp(path).metadata()).toMatchObject({ ...expected, format: "jpeg" });
  expect(await readFile(path)).toEqual(api.deliveredImages[0]);
});

test.each(["base64", "url"] as const)(
  "the tool saves nine images in order, byte by byte, delivered as %s",
  async (format) => {
    const { api, server } = shared.begin();

    const result = await server.generate({ prompt: "nine lives", n: 9, response_format: format });

    const output = toolOutputSchema.parse(result.structuredContent);
    expect(output).toMatchObject({
      image_count: 9,
      saved_count: 9,
      metadata: { success_count: "9", failed_count: "0" },
    });
    expect(output).not.toHaveProperty("failures");
    expect(output).not.toHaveProperty("warnings");
    expect(api.deliveredImages).toHaveLength(9);
    expect(await Promise.all(output.file_paths.map((path) => readFile(path)))).toEqual(api.deliveredImages);
    expect(await readdir(server.outputDir)).toHaveLength(9);
    expect(api.requests).toHaveLength(1);
  },
);

test("the tool returns links in url mode, and fetches them without the key and to the letter", async () => {
  const { api, server } = shared.begin();

  const result = await server.generate({ prompt: "a cat", n: 2, response_format: "url" });

  const { image_urls } = toolOutputSchema.parse(result.structuredContent);
  expect(image_urls).toHaveLength(2);
  expect(image_urls?.[0]).toMatch(/image_inference_output%2Ftalkie%2F.*Signature=.*%3D$/);
  expect(api.downloads.map(({ url }) => `${api.url}${url ?? ""}`).sort()).toEqual(image_urls?.toSorted());
  for (const { headers } of api.downloads) expect(JSON.stringify(headers)).not.toContain(STAND_IN_KEY);
});

test("the tool gives files a name of prompt, time, index and eight hexadecimal digits", async () => {
  const { server } = shared.begin();

  await server.generate({ prompt: "Élan vital: 猫 & dog!", n: 2 });

  const names = (await readdir(server.outputDir)).sort((a, b) => indexIn(a) - indexIn(b));
  expect(names).toEqual([
    expect.stringMatching(/^Élan-vital-猫-dog-\d{13}-1-[0-9a-f]{8}\.jpeg$/),
    expect.stringMatching(/^Élan-vital-猫-dog-\d{13}-2-[0-9a-f]{8}\.jpeg$/),
  ]);
});

test("the tool makes the same images for the same seed, 0 included", async () => {
  const { api, server } = shared.begin({ createImage: renderImage });

  const first = await server.generate({ prompt: "a cat", seed: 0 });
  await server.generate({ prompt: "a cat", seed: 0 });

  expect(toolOutputSchema.parse(first.structuredContent).seed).toBe(0);
  expect(api.requests.map(({ body }) => body)).toEqual([
    expect.objectContaining({ seed: 0 }),
    expect.objectContaining({ seed: 0 }),
  ]);
  expect(api.deliveredImages[0]).toEqual(api.deliveredImages[1]);
});

test("the request to MiniMax carries the key, the documented defaults and nothing else", async () => {
  const { api, server } = shared.begin();

  await server.generate({ prompt: "a cat" });

  expect(api.requests[0]).toMatchObject({ method: "POST", url: "/v1/image_generation" });
  expect(api.requests[0]?.headers).toMatchObject({
    authorization: `Bearer ${STAND_IN_KEY}`,
    "content-type": "application/json",
  });
  expect(api.requests[0]?.body).toStrictEqual(DEFAULT_REQUEST);
});

test("the request to MiniMax carries every parameter that was given", async () => {
  const { api, server } = shared.begin();
  const subject_reference = [
    { type: "character", image_file: "https://example.com/a%2Fb.png?x=1" },
    { type: "character", image_file: PIXEL },
  ];

  await server.generate({
    prompt: "  a cat\n",
    aspect_ratio: "21:9",
    n: 2,
    seed: 4294967295,
    response_format: "url",
    prompt_optimizer: true,
    subject_reference,
    output_dir: "cats",
  });

  expect(api.requests[0]?.body).toStrictEqual({
    model: "image-01",
    prompt: "  a cat\n",
    aspect_ratio: "21:9",
    response_format: "url",
    n: 2,
    prompt_optimizer: true,
    seed: 4294967295,
    subject_reference,
  });
});

test("output_dir may be relative to the base or absolute inside it", async () => {
  const { server } = shared.begin();

  const relative = await server.generate({ prompt: "a cat", output_dir: join("site", "img") });
  const absolute = await server.generate({ prompt: "a cat", output_dir: join(server.outputDir, "site", "img") });

  const paths = [relative, absolute].flatMap((result) => toolOutputSchema.parse(result.structuredContent).file_paths);
  const directory = join(server.outputDir, "site", "img");
  expect((await readdir(directory)).map((name) => join(directory, name)).sort()).toEqual(paths.toSorted());
});

test("a result says the same in its text as in its structure", async () => {
  const { server } = shared.begin({ script: [succeed({ withheld: 1 })] });

  const result = await server.generate({
    prompt: "a cat",
    n: 3,
    seed: 12345,
    response_format: "url",
    negative_prompt: "dogs",
    wait_for_previous: true,
  });

  const output = toolOutputSchema.parse(result.structuredContent);
  expect(output).toMatchObject({
    image_count: 2,
    saved_count: 2,
    metadata: { success_count: "2", failed_count: "1" },
  });
  expect(output.warnings).toEqual([
    "Ignored unknown parameters: negative_prompt.",
    expect.stringContaining("returned 2 of the 3 images asked for"),
  ]);
  for (const fact of leaves(output)) expect(textOf(result)).toContain(fact);
});

function indexIn(name: string): number {
  return Number(/-(\d)-[0-9a-f]{8}\./.exec(name)?.[1]);
}

function leaves(value: unknown): string[] {
  if (typeof value === "object" && value !== null) return Object.values(value).flatMap(leaves);
  return [String(value)];
}
