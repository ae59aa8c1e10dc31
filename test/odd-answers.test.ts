import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import {
  answer,
  type Behaviour,
  breakOff,
  countWithoutImages,
  deliver,
  deliverWithError,
} from "../stand-in/behaviours.ts";
import { linkEndsEarly, linkStatus } from "../stand-in/object-store.ts";
import { bigJpeg } from "./support/big-jpeg.ts";
import { images } from "./support/pending-call.ts";
import { outputOf, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { waitFor } from "./support/wait-for.ts";

const JPEG = bigJpeg(5000);
const JPEG_HEADER_BYTES = 33;

const shared = shareServer({ speed: 30, env: { MINIMAX_TIMEOUT_MS: "300000" } });

test.each<readonly [string, Behaviour]>([
  ["HTTP 503", deliverWithError([JPEG], { status: 503 })],
  ["a rate limit", deliverWithError([JPEG], { statusCode: 1002 })],
])("images with %s are saved, with a warning", async (_, odd) => {
  const { api, server } = shared.begin({ script: [odd] });

  const output = outputOf(await server.generate({ prompt: "a cat" }));

  expect(await readFile(output.file_paths[0] ?? "")).toEqual(JPEG);
  expect(output.warnings?.join()).toContain("MiniMax delivered images with an error");
  expect(api.requests).toHaveLength(1);
});

test("an image is saved from an answer in an odd form", async () => {
  const odd = answer(`\uFEFF{"data":{"image_base64":" DATA:image/jpeg;BASE64,${JPEG.toString("base64")}"}}`);
  const { server } = shared.begin({ script: [odd] });

  const output = outputOf(await server.generate({ prompt: "a cat" }));

  expect(await readFile(output.file_paths[0] ?? "")).toEqual(JPEG);
});

const NINE = Array.from({ length: 9 }, () => bigJpeg(5000));
const WHOLE = JSON.stringify({
  id: "0123456789abcdef",
  data: { image_base64: NINE.map((image) => image.toString("base64")) },
  base_resp: { status_code: 0, status_msg: "success" },
});
const EIGHT_AND_A_HALF = WHOLE.slice(0, WHOLE.indexOf(NINE[8]?.toString("base64") ?? "") + 3000);
const BROKE_OFF: unknown = expect.stringMatching(
  /^MiniMax's response broke off \(.+\): images that are missing may .* billed\.$/,
);

test.each<readonly [string, number, Behaviour]>([
  ["cut off in its ninth image", 8, breakOff({ after: EIGHT_AND_A_HALF, then: "close" })],
  ["that ends in its ninth image as if whole", 8, answer(EIGHT_AND_A_HALF)],
  ["announced a byte too long", 9, breakOff({ after: WHOLE, then: "silence", length: WHOLE.length + 1 })],
])("of an answer %s %i images are saved", async (_, count, odd) => {
  const { api, server } = shared.begin({ script: [odd] });

  const { file_paths, warnings } = outputOf(await server.generate({ prompt: "a cat", n: 9, filename: "hero" }));

  expect(await Promise.all(file_paths.map((path) => readFile(path)))).toEqual(NINE.slice(0, count));
  expect(warnings?.[0]).toEqual(count === 9 ? undefined : BROKE_OFF);
  expect(api.requests).toHaveLength(1);
});

test.each<readonly [string, Behaviour]>([
  ["success", countWithoutImages(2)],
  ["HTTP 503", countWithoutImages(1, { status: 503 })],
  ["HTTP 500 cut off in its images", answer('{"data":{"image_base64":["/9j/', { status: 500 })],
])("images counted, not held, may be billed: %s", async (_, odd) => {
  const { api, server } = shared.begin({ script: [odd] });

  const result = await server.generate({ prompt: "a cat" });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain("may have been generated and billed");
  expect(textOf(result)).not.toContain("EMPTY_RESPONSE");
  expect(api.requests).toHaveLength(1);
});

test("an image behind 300,000 empty entries is saved", async () => {
  const { server } = shared.begin({ script: [deliver([...Array<string>(300_000).fill(""), JPEG])] });

  const result = await server.generate({ prompt: "a cat" });

  const output = outputOf(result);
  expect(output).toMatchObject({ image_count: 9, saved_count: 1 });
  expect(output.failures).toHaveLength(8);
  expect(output.warnings).toEqual([expect.stringContaining("lists 300001 images; at most 9 are taken")]);
  expect(textOf(result)).toContain("Image 1 was not saved: MiniMax's image cannot be used: it is empty.");
});

test.each([
  ["is repeated", [linkEndsEarly(3000)], undefined],
  ["is kept when the link is no longer there", [linkEndsEarly(3000), linkStatus(404)], 3000],
])("a download that ends too early %s", async (_, linkScript, keptBytes) => {
  const whole = bigJpeg(5000).fill(0, JPEG_HEADER_BYTES, 4998);
  const { api, server } = shared.begin({ linkScript, createImage: () => Promise.resolve(whole) });

  const { file_paths, warnings } = outputOf(await server.generate({ prompt: "a cat", response_format: "url" }));

  expect(await readFile(file_paths[0] ?? "")).toEqual(whole.subarray(0, keptBytes));
  expect(warnings).toEqual(keptBytes && [expect.stringContaining("Image 1 is truncated")]);
  expect(api.downloads).toHaveLength(2);
  expect(api.requests).toHaveLength(1);
});

test("results that wait for a slow reader leave nothing on stderr", async () => {
  const { api, server } = shared.begin({ createImage: () => Promise.resolve(bigJpeg(300_000)) });
  server.transport.process.stdout.pause();
  const calls = Array.from({ length: 20 }, (_, number) =>
    server.generate({ prompt: `a cat ${number}`, return_images: true }),
  );
  await waitFor("all answers", () => api.deliveredImages.length === 20);
  await images(server.outputDir, 20);
  server.transport.process.stdout.resume();

  await Promise.all(calls);

  expect(server.transport.stderr).not.toContain("Warning");
});
