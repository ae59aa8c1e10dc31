import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { deliver, deliverLinks } from "../stand-in/behaviours.ts";
import { linkBreaksOff, linkRedirects, linkStatus, linkWithoutEnd } from "../stand-in/object-store.ts";
import { bigJpeg } from "./support/big-jpeg.ts";
import { outputOf, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";

const ONE_LINK = { prompt: "a cat", response_format: "url" };

const shared = shareServer({ speed: 20 });

test.each([
  ["HTTP 503", linkStatus(503)],
  ["a connection closed in the middle", linkBreaksOff("close")],
  ["silence in the middle", linkBreaksOff("silence")],
])("a download is retried after %s", async (_, fault) => {
  const { api, server } = shared.begin({ linkScript: [fault, fault] });

  const { file_paths } = outputOf(await server.generate(ONE_LINK));

  expect(await readFile(file_paths[0] ?? "")).toEqual(api.deliveredImages[0]);
  expect(api.downloads).toHaveLength(3);
  expect(api.requests).toHaveLength(1);
  expect(await readdir(server.outputDir)).toHaveLength(1);
});

test.each([
  ["HTTP 403", linkStatus(403), "HTTP 403"],
  ["a redirect to a file", linkRedirects("file:///etc/passwd"), "away from https"],
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

test("a fault that stays ends after four tries, and leaves the links", async () => {
  const { api, server } = shared.begin({ linkOtherwise: linkStatus(503) });

  const result = await server.generate({ ...ONE_LINK, n: 2 });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain("HTTP 503. Tried 4 times.");
  expect(textOf(result)).toContain("Saved 0 of 2 images.");
  expect(textOf(result).match(/Link \d .*image_inference_output/g)).toHaveLength(2);
  expect(api.downloads).toHaveLength(8);
  expect(api.requests).toHaveLength(1);
  expect(await readdir(server.outputDir)).toEqual([]);
});

test("a link to a file is no usable link, and nothing is fetched", async () => {
  const { api, server } = shared.begin({ script: [deliverLinks(["file:///etc/passwd"])] });

  expect(textOf(await server.generate(ONE_LINK))).toContain("no usable link");

  expect(api.downloads).toHaveLength(0);
});

test("one bad image does not lose the others", async () => {
  const good = bigJpeg(5000);
  const wave = Buffer.from("RIFF\u0024\0\0\0WAVEfmt ".padEnd(64, "\0"));
  const { server } = shared.begin({ script: [deliver([good, wave, good])] });

  const output = outputOf(await server.generate({ prompt: "a cat", n: 3 }));

  expect(output).toMatchObject({ image_count: 3, saved_count: 2, failures: [{ index: 1 }] });
  for (const path of output.file_paths) expect(await readFile(path)).toEqual(good);
  expect(await readdir(server.outputDir)).toHaveLength(2);
});
