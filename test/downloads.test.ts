import { readdir, readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { expect, test } from "vitest";
import { toolOutputSchema } from "../src/schemas.ts";
import { deliver, deliverLinks } from "../stand-in/behaviours.ts";
import { linkBreaksOff, linkRedirects, linkStatus, linkWithoutEnd } from "../stand-in/object-store.ts";
import { startStandIn } from "../stand-in/server.ts";
import { bigJpeg } from "./support/big-jpeg.ts";
import { spawnQuickServer, startServer, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";

const ONE_LINK = { prompt: "a cat", response_format: "url" };

const shared = shareServer((api) => spawnQuickServer({ api, speed: 10, env: { MINIMAX_RPM: "0" } }));

test.each([
  ["HTTP 500", linkStatus(500)],
  ["HTTP 503", linkStatus(503)],
  ["HTTP 429", linkStatus(429)],
  ["a connection closed in the middle", linkBreaksOff("close")],
])("a download that fails is retried, because it costs nothing: %s", async (_, fault) => {
  await using api = await startStandIn({ linkScript: [fault, fault] });
  await using server = await startServer({ api, speed: 10 });

  const result = await server.generate(ONE_LINK);

  const { file_paths } = toolOutputSchema.parse(result.structuredContent);
  expect(await readFile(file_paths[0] ?? "")).toEqual(api.deliveredImages[0]);
  expect(api.downloads).toHaveLength(3);
  expect(api.requests).toHaveLength(1);
  expect(await readdir(server.outputDir)).toHaveLength(1);
});

test("a download that fails is retried, because it costs nothing: silence in the middle", async () => {
  await using api = await startStandIn({ linkScript: [linkBreaksOff("silence")] });
  await using server = await startServer({ api, speed: 10 });

  const result = await server.generate(ONE_LINK);

  expect(result.structuredContent).toMatchObject({ saved_count: 1 });
  expect(api.downloads).toHaveLength(2);
});

test.each([
  ["HTTP 403", linkStatus(403), "HTTP 403"],
  ["HTTP 404", linkStatus(404), "HTTP 404"],
  ["a redirect to plain http", linkRedirects("http://images.example.com/a.jpeg"), "away from https"],
  ["a redirect to a file", linkRedirects("file:///etc/passwd"), "away from https"],
  ["a redirect to nowhere", linkRedirects("http://"), "no URL"],
  ["a redirect without a target", linkStatus(302), "HTTP 302"],
  ["an image without end", linkWithoutEnd(), "larger than 33554432 bytes"],
])("%s is a failure of that image alone, with its reason and its link", async (_, fault, words) => {
  const { api, server } = shared.begin({ linkScript: [fault] });

  const result = await server.generate({ ...ONE_LINK, n: 2 });

  const output = toolOutputSchema.parse(result.structuredContent);
  expect(output).toMatchObject({ image_count: 2, saved_count: 1 });
  expect(output.failures?.map(({ error }) => error).join()).toContain(words);
  expect(output.image_urls).toHaveLength(2);
  expect(textOf(result)).toContain(words);
  expect(api.downloads).toHaveLength(2);
  expect(await readdir(server.outputDir)).toHaveLength(1);
});

test("a download that cannot work because it redirects in a circle, which is followed only so often", async () => {
  const circle = ({ request, response }: { request: IncomingMessage; response: ServerResponse }): void => {
    response.writeHead(302, { Location: request.url }).end();
  };
  await using api = await startStandIn({ linkScript: Array<typeof circle>(9).fill(circle) });
  await using server = await startServer({ api, speed: 10 });

  const result = await server.generate(ONE_LINK);

  expect(textOf(result)).toContain("more than 3 redirects");
  expect(api.downloads).toHaveLength(4);
});

test("a download that cannot work however often it is tried is a failure of that image", async () => {
  await using api = await startStandIn({ linkScript: Array<ReturnType<typeof linkStatus>>(4).fill(linkStatus(503)) });
  await using server = await startServer({ api, speed: 10 });

  const result = await server.generate(ONE_LINK);

  expect(textOf(result)).toContain("HTTP 503. Tried 4 times.");
  expect(textOf(result)).toContain("Saved 0 of 1 image.");
  expect(api.downloads).toHaveLength(4);
});

test("a download that cannot work to no image at all is an error that still carries the links", async () => {
  await using api = await startStandIn({ linkOtherwise: linkStatus(403) });
  await using server = await startServer({ api, speed: 10 });

  const result = await server.generate({ ...ONE_LINK, n: 2 });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain("Saved 0 of 2 images.");
  expect(textOf(result).match(/Link \d .*image_inference_output/g)).toHaveLength(2);
  expect(await readdir(server.outputDir)).toEqual([]);
});

test("a download that cannot work in the call's time is a failure, not the end of what was saved", async () => {
  await using api = await startStandIn({ linkScript: [linkBreaksOff("silence")] });
  await using server = await startServer({ api, speed: 10, callBudgetMs: 8000 });

  const result = await server.generate({ ...ONE_LINK, n: 2 });

  expect(result.structuredContent).toMatchObject({ saved_count: 1 });
  expect(textOf(result)).toContain("The image was not downloaded, or the disk did not answer, in time.");
  expect(await readdir(server.outputDir)).toHaveLength(1);
});

test.each(["ftp://example.com/a.jpeg", "not a link", "file:///etc/passwd"])(
  "a download that cannot work because %s is no link of MiniMax's",
  async (link) => {
    await using api = await startStandIn({ script: [deliverLinks([link])] });
    await using server = await startServer({ api, speed: 10 });

    const result = await server.generate(ONE_LINK);

    expect(result.isError).toBe(true);
    expect(textOf(result)).toContain("no usable link");
  },
);

test.each([
  ["text that is not base64", "%%%not base64%%%"],
  ["something that is no image", Buffer.from("RIFF\u0024\0\0\0WAVEfmt ".padEnd(64, "\0"))],
  ["a JPEG that stops in its header", Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16])],
  ["nothing", ""],
])("one bad image does not lose the others: %s", async (_, bad) => {
  const good = bigJpeg(5000);
  const { server } = shared.begin({
    script: [deliver([good, bad, `data:image/jpeg;base64,${good.toString("base64")}`])],
  });

  const result = await server.generate({ prompt: "a cat", n: 3 });

  const output = toolOutputSchema.parse(result.structuredContent);
  expect(output).toMatchObject({ image_count: 3, saved_count: 2, failures: [{ index: 1 }] });
  for (const path of output.file_paths) expect(await readFile(path)).toEqual(good);
  expect(await readdir(server.outputDir)).toHaveLength(2);
});
