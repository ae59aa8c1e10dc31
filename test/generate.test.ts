import { readdir, readFile } from "node:fs/promises";
import sharp from "sharp";
import { expect, test } from "vitest";
import { version } from "../package.json";
import { ASPECT_RATIO_PIXELS, ASPECT_RATIOS, TOOL_NAME } from "../src/constants.ts";
import { succeed } from "../stand-in/behaviours.ts";
import { renderImage } from "../stand-in/image.ts";
import { STAND_IN_KEY } from "../stand-in/server.ts";
import { outputOf, STARTED, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";

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
  const links = api.downloads.map(({ url }) => `${api.url}${url ?? ""}`);
  expect(output.image_urls?.toSorted() ?? []).toEqual(links.sort());
  expect(links).toHaveLength(response_format === "url" ? 9 : 0);
  expect(JSON.stringify(api.downloads)).not.toContain(STAND_IN_KEY);
});

test("a result says the same in its text as in its structure", async () => {
  const { server } = shared.begin({ script: [succeed({ withheld: 1 })] });

  const result = await server.generate({
    ...CAT,
    n: 3,
    seed: 0,
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
