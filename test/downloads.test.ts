import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { deliver, deliverLinks } from "../stand-in/behaviours.ts";
import {
  type LinkBehaviour,
  linkBreaksOff,
  linkRedirects,
  linkStatus,
  linkWithoutEnd,
} from "../stand-in/object-store.ts";
import { startStandIn } from "../stand-in/server.ts";
import { bigJpeg, smallImage } from "./support/big-jpeg.ts";
import { manualClock } from "./support/manual-clock.ts";
import { begin } from "./support/pending-call.ts";
import { outputOf, startServer, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { waitFor } from "./support/wait-for.ts";

const ONE_LINK = { prompt: "a cat", response_format: "url" };

const shared = shareServer({ speed: 20 });

test.each([
  ["HTTP 500", linkStatus(500)],
  ["HTTP 503", linkStatus(503)],
  ["HTTP 429", linkStatus(429)],
  ["a connection closed in the middle", linkBreaksOff("close")],
])("a download is retried after %s", async (_, fault) => {
  const { api, server } = shared.begin({ linkScript: [fault, fault] });

  const { file_paths } = outputOf(await server.generate(ONE_LINK));

  expect(await readFile(file_paths[0] ?? "")).toEqual(api.deliveredImages[0]);
  expect(api.downloads).toHaveLength(3);
  expect(api.requests).toHaveLength(1);
  expect(await readdir(server.outputDir)).toHaveLength(1);
});

test("silence in the middle of a download is given up, and retried", async () => {
  await using api = await startStandIn({ createImage: smallImage, linkScript: [linkBreaksOff("silence")] });
  const clock = manualClock();
  await using server = await startServer({ api, clock });
  const call = begin(server, ONE_LINK);

  await waitFor("the second download", async () => {
    await clock.advance(1_000);
    return api.downloads.length === 2;
  });

  expect(outputOf(await call.result).saved_count).toBe(1);
  expect(api.requests).toHaveLength(1);
});

test.each([
  ["HTTP 403", linkStatus(403), "HTTP 403"],
  ["HTTP 404", linkStatus(404), "HTTP 404"],
  ["a redirect to plain http", linkRedirects("http://images.example.com/a.jpeg"), "away from https"],
  ["a redirect to a file", linkRedirects("file:///etc/passwd"), "away from https"],
  ["a redirect to nowhere", linkRedirects("http://"), "no URL"],
  ["a redirect without a target", linkStatus(302), "HTTP 302"],
  ["an image without end", linkWithoutEnd(), "larger than 33554432 bytes"],
])("%s is a failure of that image alone", async (_, fault, words) => {
  const { api, server } = shared.begin({ linkScript: [fault] });

  const result = await server.generate({ ...ONE_LINK, n: 2 });

  const output = outputOf(result);
  expect(output).toMatchObject({ image_count: 2, saved_count: 1 });
  expect(output.failures?.map(({ error }) => error).join()).toContain(words);
  expect(output.image_urls).toHaveLength(2);
  expect(textOf(result)).toContain(words);
  expect(api.downloads).toHaveLength(2);
  expect(await readdir(server.outputDir)).toHaveLength(1);
});

const inACircle: LinkBehaviour = ({ request, response }) => {
  response.writeHead(302, { Location: request.url }).end();
};

test.each<readonly [string, LinkBehaviour, string]>([
  ["redirects in a circle", inACircle, "more than 3 redirects"],
  ["a fault that stays", linkStatus(503), "HTTP 503. Tried 4 times."],
])("%s ends after four requests", async (_, linkOtherwise, words) => {
  const { api, server } = shared.begin({ linkOtherwise });

  const result = await server.generate(ONE_LINK);

  expect(textOf(result)).toContain(words);
  expect(textOf(result)).toContain("Saved 0 of 1 image.");
  expect(api.downloads).toHaveLength(4);
  expect(api.requests).toHaveLength(1);
});

test("an error without any image still carries the links", async () => {
  const { server } = shared.begin({ linkOtherwise: linkStatus(403) });

  const result = await server.generate({ ...ONE_LINK, n: 2 });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain("Saved 0 of 2 images.");
  expect(textOf(result).match(/Link \d .*image_inference_output/g)).toHaveLength(2);
  expect(await readdir(server.outputDir)).toEqual([]);
});

test("a download that takes too long does not lose what was saved", async () => {
  await using api = await startStandIn({ createImage: smallImage, linkScript: [linkBreaksOff("silence")] });
  const clock = manualClock();
  await using server = await startServer({ api, clock, callBudgetMs: 8000 });
  const call = begin(server, { ...ONE_LINK, n: 2 });
  await waitFor("the other image", async () =>
    (await readdir(server.outputDir)).some((name) => name.endsWith(".jpeg")),
  );

  await clock.advance(8000);

  const result = await call.result;
  expect(outputOf(result).saved_count).toBe(1);
  expect(textOf(result)).toContain("The image was not downloaded, or the disk did not respond, in time.");
  expect(await readdir(server.outputDir)).toHaveLength(1);
});

test.each(["ftp://example.com/a.jpeg", "not a link", "file:///etc/passwd"])("%s is no usable link", async (link) => {
  const { server } = shared.begin({ script: [deliverLinks([link])] });

  const result = await server.generate(ONE_LINK);

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain("no usable link");
});

test.each([
  ["text that is not base64", "%%%not base64%%%"],
  ["something that is no image", Buffer.from("RIFF\u0024\0\0\0WAVEfmt ".padEnd(64, "\0"))],
  ["a JPEG cut in its header", Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16])],
  ["nothing", ""],
])("one bad image does not lose the others: %s", async (_, bad) => {
  const good = bigJpeg(5000);
  const { server } = shared.begin({
    script: [deliver([good, bad, `data:image/jpeg;base64,${good.toString("base64")}`])],
  });

  const output = outputOf(await server.generate({ prompt: "a cat", n: 3 }));

  expect(output).toMatchObject({ image_count: 3, saved_count: 2, failures: [{ index: 1 }] });
  for (const path of output.file_paths) expect(await readFile(path)).toEqual(good);
  expect(await readdir(server.outputDir)).toHaveLength(2);
});
