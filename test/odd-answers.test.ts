import { readdir, readFile } from "node:fs/promises";
import sharp from "sharp";
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
import { startStandIn } from "../stand-in/server.ts";
import { bigJpeg } from "./support/big-jpeg.ts";
import { images } from "./support/pending-call.ts";
import { outputOf, startServer, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { waitFor } from "./support/wait-for.ts";

const JPEG = bigJpeg(5000);
const BASE64 = JPEG.toString("base64");
const OK = '"base_resp":{"status_code":0,"status_msg":"success"}';
const BILLED = "may have been generated and billed";

const shared = shareServer({ speed: 30, env: { MINIMAX_TIMEOUT_MS: "300000" } });

test.each<readonly [string, Behaviour]>([
  ["HTTP 500", deliverWithError([JPEG], { status: 500 })],
  ["HTTP 429", deliverWithError([JPEG], { status: 429 })],
  ["HTTP 404", deliverWithError([JPEG], { status: 404 })],
  ["HTTP 504", deliverWithError([JPEG], { status: 504 })],
  ["a code that is retried otherwise", deliverWithError([JPEG], { statusCode: 1000 })],
  ["a rate limit", deliverWithError([JPEG], { statusCode: 1002 })],
  ["a refusal", deliverWithError([JPEG], { statusCode: 1026 })],
  ["a timeout", deliverWithError([JPEG], { statusCode: 1001 })],
])("images with %s are saved, with a warning", async (_, odd) => {
  const { api, server } = shared.begin({ script: [odd] });

  const output = outputOf(await server.generate({ prompt: "a cat" }));

  expect(await readFile(output.file_paths[0] ?? "")).toEqual(JPEG);
  expect(output.warnings?.join()).toContain("MiniMax delivered images with an error");
  expect(api.requests).toHaveLength(1);
});

test.each([
  ["one text in place of a list", `{"data":{"image_base64":"${BASE64}"},${OK}}`],
  ["links that are data URLs", `{"data":{"image_urls":["data:image/jpeg;base64,${BASE64}"]},${OK}}`],
  ["a byte order mark in front", `\uFEFF{"data":{"image_base64":["${BASE64}"]},${OK}}`],
  ["white space in front of data:", `{"data":{"image_base64":[" \\n data:image/jpeg;base64,${BASE64}"]},${OK}}`],
  [
    "long white space before data:",
    `{"data":{"image_base64":["${" ".repeat(9000)}data:image/jpeg;base64,${BASE64}"]},${OK}}`,
  ],
  ["capitals in data:", `{"data":{"image_base64":["DATA:image/jpeg;BASE64,${BASE64}"]},${OK}}`],
  ["a message in the other envelope", `{"data":{"image_base64":["${BASE64}"]},"error":{"message":"no (1008)"}}`],
  ["empty base64 beside it", `{"data":{"image_base64":["",null,"${BASE64}"]},${OK}}`],
])("images are saved from an answer with %s", async (_, body) => {
  const { api, server } = shared.begin({ script: [answer(body)] });

  const result = await server.generate({ prompt: "a cat" });

  const output = outputOf(result);
  expect(await readFile(output.file_paths[0] ?? "")).toEqual(JPEG);
  expect(api.requests).toHaveLength(1);
});

const NINE = Array.from({ length: 9 }, () => bigJpeg(5000));
const WHOLE = JSON.stringify({
  id: "0123456789abcdef",
  data: { image_base64: NINE.map((image) => image.toString("base64")) },
  metadata: { failed_count: "0", success_count: "9" },
  base_resp: { status_code: 0, status_msg: "success" },
});
const EIGHT_AND_A_HALF = WHOLE.slice(0, WHOLE.indexOf(NINE[8]?.toString("base64") ?? "") + 3000);

test.each<readonly [string, number, Behaviour]>([
  ["cut off in its ninth image", 8, breakOff({ after: EIGHT_AND_A_HALF, then: "close" })],
  ["cut off, in chunks", 8, breakOff({ after: EIGHT_AND_A_HALF, then: "close", length: "in chunks" })],
  ["cut off 60 bytes before its end", 9, breakOff({ after: WHOLE.slice(0, -60), then: "close" })],
  ["that ends in its ninth image as if whole", 8, answer(EIGHT_AND_A_HALF)],
])("of an answer %s %i images are saved, with a warning", async (_, count, odd) => {
  const { api, server } = shared.begin({ script: [odd] });

  const result = await server.generate({ prompt: "a cat", n: 9, filename: "hero" });

  const { file_paths, saved_count, warnings } = outputOf(result);
  expect(saved_count).toBe(count);
  expect(await Promise.all(file_paths.map((path) => readFile(path)))).toEqual(NINE.slice(0, count));
  expect(warnings?.[0]).toMatch(/^MiniMax's response broke off \(.+\): images that are missing may .* billed\.$/);
  expect(textOf(result)).toContain("broke off");
  expect(api.requests).toHaveLength(1);
});

test.each<readonly [string, Behaviour]>([
  ["is announced a byte too long, and silence", breakOff({ after: WHOLE, then: "silence", length: WHOLE.length + 1 })],
  ["is announced too long, and cut", breakOff({ after: WHOLE, then: "close" })],
  ["lacks the last chunk's mark", breakOff({ after: WHOLE, then: "close", length: "in chunks" })],
  ["lacks the last chunk's mark, and silence", breakOff({ after: WHOLE, then: "silence", length: "in chunks" })],
])("a whole answer that %s is taken", async (_, odd) => {
  const { api, server } = shared.begin({ script: [odd] });

  const output = outputOf(await server.generate({ prompt: "a cat", n: 9 }));

  expect(output).toMatchObject({ saved_count: 9, id: "0123456789abcdef" });
  expect(output.warnings).toBeUndefined();
  expect(api.requests).toHaveLength(1);
});

test("an answer that falls silent in its ninth image gives eight at the deadline", async () => {
  await using api = await startStandIn({ script: [breakOff({ after: EIGHT_AND_A_HALF, then: "silence" })] });
  await using server = await startServer({ api, speed: 100, callBudgetMs: 30_000 });

  const output = outputOf(await server.generate({ prompt: "a cat", n: 9 }));

  expect(output.saved_count).toBe(8);
  expect(output.warnings?.[0]).toContain("no complete response came within the call's 30 s");
  expect(api.requests).toHaveLength(1);
});

test.each<readonly [string, Behaviour]>([
  ["success", countWithoutImages(2)],
  ["HTTP 500", countWithoutImages(1, { status: 500 })],
  ["HTTP 503", countWithoutImages(1, { status: 503 })],
  ["a count that is a number", answer(`{"data":{},"metadata":{"success_count":2},${OK}}`)],
  ["an absurd count", answer(`{"data":{},"metadata":{"success_count":"99999999999"},${OK}}`)],
  ["a count in data", answer(`{"data":{"success_count":1},${OK}}`)],
  ["a transient code", answer('{"metadata":{"success_count":"1"},"base_resp":{"status_code":1000}}')],
  ["a refusal", answer('{"metadata":{"success_count":"1"},"base_resp":{"status_code":1026,"status_msg":"no"}}')],
  ["a list of objects", answer(`{"data":{"image_urls":[{"url":"https://e.com/a"}]},${OK}}`)],
  ["images in place of data", answer(`{"data":[{"url":"https://e.com/a"}],${OK}}`)],
  ["HTTP 500 cut off in its images", answer('{"data":{"image_base64":["/9j/', { status: 500 })],
  ["HTTP 503 cut off after its count", answer('{"metadata":{"success_count":"1"},', { status: 503 })],
])("images counted, not held: %s", async (_, odd) => {
  const { api, server } = shared.begin({ script: [odd] });

  const result = await server.generate({ prompt: "a cat" });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain(BILLED);
  expect(textOf(result)).not.toContain("EMPTY_RESPONSE");
  expect(api.requests).toHaveLength(1);
});

test("of 1001 images the first nine are saved, and the rest is named", async () => {
  const { api, server } = shared.begin({ script: [deliver(Array<Buffer>(1001).fill(JPEG))] });

  const result = await server.generate({ prompt: "a cat", n: 9 });

  const output = outputOf(result);
  expect(output).toMatchObject({ image_count: 9, saved_count: 9 });
  expect(output.warnings?.join()).toContain("lists 1001 images");
  expect(output.warnings?.join()).toContain("992 were left out");
  expect(await readdir(server.outputDir)).toHaveLength(9);
  expect(api.requests).toHaveLength(1);
});

test("an image behind 300,000 empty entries is saved", async () => {
  const { server } = shared.begin({ script: [deliver([...Array<string>(300_000).fill(""), JPEG])] });

  const result = await server.generate({ prompt: "a cat" });

  const output = outputOf(result);
  expect(output).toMatchObject({ image_count: 9, saved_count: 1 });
  expect(output.failures).toHaveLength(8);
  expect(output.failures?.[0]?.index).toBe(0);
  expect(textOf(result)).toContain("Image 1 was not saved: MiniMax's image cannot be used: it is empty.");
});

test("300,000 empty entries are no image, and no file", async () => {
  const { api, server } = shared.begin({ script: [deliver(Array<string>(300_000).fill(""))] });

  const result = await server.generate({ prompt: "a cat" });

  expect(textOf(result)).toContain(BILLED);
  expect(api.requests).toHaveLength(1);
  expect(await readdir(server.outputDir)).toEqual([]);
});

test("a download that ends too early is repeated", async () => {
  const whole = await photo();
  const { api, server } = shared.begin({
    linkScript: [linkEndsEarly(6000)],
    createImage: () => Promise.resolve(whole),
  });

  const result = await server.generate({ prompt: "a cat", response_format: "url" });

  const output = outputOf(result);
  expect(await readFile(output.file_paths[0] ?? "")).toEqual(whole);
  expect(output.warnings).toBeUndefined();
  expect(api.downloads).toHaveLength(2);
  expect(api.requests).toHaveLength(1);
});

test.each([
  ["ends too early each time", Array<ReturnType<typeof linkEndsEarly>>(4).fill(linkEndsEarly(6000))],
  ["is no longer there", [linkEndsEarly(6000), linkStatus(404)]],
  [
    "ends earlier still",
    [linkEndsEarly(6000), ...Array<ReturnType<typeof linkEndsEarly>>(3).fill(linkEndsEarly(3000))],
  ],
])("the longest part of an image is kept if it %s", async (_, linkScript) => {
  const whole = await photo();
  const { api, server } = shared.begin({ linkScript, createImage: () => Promise.resolve(whole) });

  const output = outputOf(await server.generate({ prompt: "a cat", response_format: "url" }));

  expect(await readFile(output.file_paths[0] ?? "")).toEqual(whole.subarray(0, 6000));
  expect(output.warnings).toEqual([expect.stringContaining("Image 1 is truncated")]);
  expect(api.downloads).toHaveLength(linkScript.length);
  expect(api.requests).toHaveLength(1);
});

test.each(["jpeg", "png", "webp"] as const)("half a %s in base64 is kept, with a warning", async (format) => {
  const whole = await photo(format);
  const { api, server } = shared.begin({ script: [deliver([whole, whole.subarray(0, whole.length / 2)])] });

  const output = outputOf(await server.generate({ prompt: "a cat", n: 2 }));

  expect(output.saved_count).toBe(2);
  expect(output.warnings).toEqual([expect.stringContaining("Image 2 is truncated")]);
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

async function photo(format: "jpeg" | "png" | "webp" = "jpeg"): Promise<Buffer> {
  const noise = { type: "gaussian", mean: 128, sigma: 40 } as const;
  return sharp({ create: { width: 200, height: 200, channels: 3, background: "grey", noise } })
    .toFormat(format)
    .toBuffer();
}
