import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { version } from "../package.json";
import { ASPECT_RATIO_PIXELS, ASPECT_RATIOS, TOOL_NAME } from "../src/constants.ts";
import { succeed } from "../stand-in/behaviours.ts";
import { renderImage } from "../stand-in/image.ts";
import { STAND_IN_KEY } from "../stand-in/server.ts";
import { DEFAULT_REQUEST } from "./support/default-request.ts";
import { outputOf, STARTED, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";

const PIXEL =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const CAT = { prompt: "a cat" };

const shared = shareServer();

test("the server introduces itself with name, version and instructions", async () => {
  const { server } = shared.begin();
  const { tools } = await server.client.listTools();

  expect(server.client.getServerVersion()).toEqual({ name: "minimax-image-mcp", version });
  expect(server.client.getInstructions()).toContain(server.outputDir);
  expect(server.client.getInstructions()).toContain("If a call times out, make exactly the same call again");
  expect(tools.map(({ name }) => name)).toEqual([TOOL_NAME]);
  expect(server.transport.stderr).toBe(STARTED);
});

test.each(ASPECT_RATIOS)("an image of %s has the pixels MiniMax documents", async (aspect_ratio) => {
  const { api, server } = shared.begin({ createImage: renderImage });

  const { images } = outputOf(await server.generate({ ...CAT, aspect_ratio }));

  const path = images[0]?.path ?? "";
  const expected = ASPECT_RATIO_PIXELS[aspect_ratio];
  expect(images).toMatchObject([{ ...expected, mime_type: "image/jpeg" }]);
  expect(await sharp(path).metadata()).toMatchObject({ ...expected, format: "jpeg" });
  expect(await readFile(path)).toEqual(api.deliveredImages[0]);
});

test.each(["base64", "url"])("nine images are saved in order, to the byte: %s", async (response_format) => {
  const { api, server } = shared.begin();

  const output = outputOf(await server.generate({ prompt: "nine lives", n: 9, response_format }));

  expect(output).toMatchObject({ image_count: 9, saved_count: 9, metadata: { success_count: "9", failed_count: "0" } });
  expect(output).not.toHaveProperty("failures");
  expect(output).not.toHaveProperty("warnings");
  expect(await Promise.all(output.file_paths.map((path) => readFile(path)))).toEqual(api.deliveredImages);
  expect(await readdir(server.outputDir)).toHaveLength(9);
  expect(api.requests).toHaveLength(1);
});

test("links are returned, and fetched without the key and to the letter", async () => {
  const { api, server } = shared.begin();

  const { image_urls } = outputOf(await server.generate({ ...CAT, n: 2, response_format: "url" }));

  expect(image_urls).toHaveLength(2);
  expect(image_urls?.[0]).toMatch(/image_inference_output%2Ftalkie%2F.*Signature=.*%3D$/);
  expect(api.downloads.map(({ url }) => `${api.url}${url ?? ""}`).sort()).toEqual(image_urls?.toSorted());
  for (const { headers } of api.downloads) expect(JSON.stringify(headers)).not.toContain(STAND_IN_KEY);
});

test("files are named by prompt, time, index and eight hexadecimal digits", async () => {
  const { server } = shared.begin();

  await server.generate({ prompt: "Élan vital: 猫 & dog!", n: 2 });

  const indexIn = (name: string): number => Number(/-(\d)-[0-9a-f]{8}\./.exec(name)?.[1]);
  const names = (await readdir(server.outputDir)).sort((a, b) => indexIn(a) - indexIn(b));
  expect(names).toEqual([
    expect.stringMatching(/^Élan-vital-猫-dog-\d{13}-1-[0-9a-f]{8}\.jpeg$/),
    expect.stringMatching(/^Élan-vital-猫-dog-\d{13}-2-[0-9a-f]{8}\.jpeg$/),
  ]);
});

test("a request carries the key, the documented defaults and nothing else", async () => {
  const { api, server } = shared.begin();

  await server.generate(CAT);

  expect(api.requests[0]).toMatchObject({ method: "POST", url: "/v1/image_generation" });
  expect(api.requests[0]?.headers).toMatchObject({
    authorization: `Bearer ${STAND_IN_KEY}`,
    "content-type": "application/json",
  });
  expect(api.requests[0]?.body).toStrictEqual(DEFAULT_REQUEST);
});

test("a request carries every parameter that was given", async () => {
  const { api, server } = shared.begin();
  const given = {
    prompt: "  a cat\n",
    aspect_ratio: "21:9",
    n: 2,
    seed: 4294967295,
    response_format: "url",
    prompt_optimizer: true,
    subject_reference: [
      { type: "character", image_file: "https://example.com/a%2Fb.png?x=1" },
      { type: "character", image_file: PIXEL },
    ],
  };

  await server.generate({ ...given, output_dir: "cats" });

  expect(api.requests[0]?.body).toStrictEqual({ model: "image-01", ...given });
});

test("a seed of 0 is a seed", async () => {
  const { api, server } = shared.begin();

  expect(outputOf(await server.generate({ ...CAT, seed: 0 })).seed).toBe(0);

  expect(api.requests[0]?.body).toMatchObject({ seed: 0 });
});

test("output_dir may be relative to the base or absolute inside it", async () => {
  const { server } = shared.begin();
  const directory = join(server.outputDir, "site", "img");

  const relative = await server.generate({ ...CAT, output_dir: join("site", "img") });
  const absolute = await server.generate({ ...CAT, output_dir: directory });

  const paths = [relative, absolute].flatMap((result) => outputOf(result).file_paths);
  expect((await readdir(directory)).map((name) => join(directory, name)).sort()).toEqual(paths.toSorted());
});

test("a result says the same in its text as in its structure", async () => {
  const { server } = shared.begin({ script: [succeed({ withheld: 1 })] });

  const result = await server.generate({
    ...CAT,
    n: 3,
    seed: 12345,
    response_format: "url",
    no_parameter: "dogs",
    wait_for_previous: true,
  });

  const output = outputOf(result);
  expect(output).toMatchObject({ image_count: 2, saved_count: 2, metadata: { success_count: "2", failed_count: "1" } });
  expect(output.warnings).toEqual([
    "Ignored unknown parameters: no_parameter.",
    expect.stringContaining("returned 2 of the 3 images asked for"),
  ]);
  for (const fact of leaves(output)) expect(textOf(result)).toContain(fact);
});

function leaves(value: unknown): string[] {
  if (typeof value === "object" && value !== null) return Object.values(value).flatMap(leaves);
  return [String(value)];
}
