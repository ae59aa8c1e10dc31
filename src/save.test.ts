import fs, { access, readdir, readFile, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import process from "node:process";
import { setImmediate as immediate, setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { bigJpeg } from "../test/support/big-jpeg.ts";
import { deferred } from "../test/support/deferred.ts";
import { fastClock } from "../test/support/fast-clock.ts";
import { manualClock } from "../test/support/manual-clock.ts";
import { temporaryDirectory } from "../test/support/temporary-directory.ts";
import { waitFor } from "../test/support/wait-for.ts";
import { startWebServer } from "../test/support/web-server.ts";
import { Call } from "./calls/call.ts";
import { MiniMaxClient } from "./client.ts";
import { OutputDirectoryError } from "./errors.ts";
import type { GeneratedImage } from "./minimax/reply-images.ts";
import { type ImageOutcome, saveAll, type Saving } from "./save.ts";
import type { Clock } from "./timing/clock.ts";
import { RateLimiter } from "./timing/rate-limiter.ts";
import { DEFAULT_POLICY } from "./timing/retry.ts";
import { numberedNames, promptNames } from "./utils/file-names.ts";

const BUDGET_MS = 15_000;
const LONGER_THAN_CLEANING_UP_MS = 400;
const JPEG_HEADER_BYTES = 33;
const FILES = Array.from({ length: 9 }, () => bigJpeg(5_000));
const IMAGES = FILES.map((bytes, index): GeneratedImage => ({ index, bytes }));

type Destination = Awaited<Parameters<typeof saveAll>[1]>;

function saving(clock: Clock = manualClock()): Saving & { readonly lines: readonly string[] } {
  const lines: string[] = [];
  const timing = { clock, random: () => 0, policy: DEFAULT_POLICY };
  return {
    call: new Call({ key: "key", title: "a cat", clock, budgetMs: BUDGET_MS }, () => new Promise(() => undefined)),
    client: new MiniMaxClient("key", "http://127.0.0.1:8", timing, new RateLimiter(clock, 0, 60_000)),
    timing,
    log: (line) => lines.push(line),
    lines,
  };
}

function numbered(directory: string, count = FILES.length): Destination {
  return { directory, baseNames: numberedNames("hero", count), isNumbered: true };
}

function pathsOf(outcomes: readonly ImageOutcome[]): (string | undefined)[] {
  return outcomes.map((outcome) => ("saved" in outcome ? outcome.saved.path : undefined));
}

function linksTo(url: string, count = FILES.length): GeneratedImage[] {
  return Array.from({ length: count }, (_, index) => ({ index, link: `${url}/${index}` }));
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Expects the files to be the images in their order, under these numbers. */
async function expectFiles(directory: string, numbers: readonly number[]): Promise<void> {
  const saved = await Promise.all(numbers.map((number) => readFile(join(directory, `hero-${number}.jpeg`))));
  expect(saved).toEqual(FILES);
}

test("images are saved under their names, in their order", async () => {
  await using directory = await temporaryDirectory();

  const outcomes = await saveAll(IMAGES, Promise.resolve(numbered(directory.path)), saving());

  const names = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((number) => `hero-${number}.jpeg`);
  expect(outcomes).toEqual(
    names.map((name, index) => ({
      index,
      saved: { path: join(directory.path, name), width: 1024, height: 1024, bytes: 5_000, mime_type: "image/jpeg" },
      isTruncated: false,
    })),
  );
  await expectFiles(directory.path, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(await readdir(directory.path)).toEqual(names);
});

test("images are saved though the deadline strikes in between", async () => {
  await using directory = await temporaryDirectory();
  const clock = manualClock();
  const parts = saving(clock);
  const slow = deferred<Destination>();
  const saved = saveAll(IMAGES, slow.promise, parts);

  await clock.advance(BUDGET_MS);
  await immediate();
  expect(parts.call.signal.aborted).toBe(true);
  await sleep(LONGER_THAN_CLEANING_UP_MS);
  slow.resolve(numbered(directory.path));

  expect(pathsOf(await saved)).not.toContain(undefined);
  await expectFiles(directory.path, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("a download follows the deadline, and loses no other image", async () => {
  await using directory = await temporaryDirectory();
  await using web = await startWebServer((request, response) => {
    if (request.url === "/0") response.end(FILES[0]);
  });
  const clock = manualClock();
  const parts = saving(clock);
  const saved = saveAll(linksTo(web.url, 2), Promise.resolve(numbered(directory.path, 2)), parts);
  await waitFor("the first image", () => exists(join(directory.path, "hero-1.jpeg")));

  await clock.advance(BUDGET_MS);

  expect(await saved).toMatchObject([
    { index: 0, isTruncated: false },
    {
      index: 1,
      failure:
        "The call ran out of time (limit 15 s). The image was not downloaded, or the disk did not respond, in time.",
    },
  ]);
  expect(await readdir(directory.path)).toEqual(["hero-1.jpeg"]);
});

test("names follow the order of the images, whichever comes first", async () => {
  await using directory = await temporaryDirectory();
  for (const number of [1, 2, 3, 4]) await writeFile(join(directory.path, `hero-${number}.jpeg`), "taken");
  const responses: ServerResponse[] = [];
  await using web = await startWebServer((request, response) => {
    responses[Number(request.url?.slice(1))] = response;
    if (Object.keys(responses).length === FILES.length) void answerInReverse(responses);
  });

  await saveAll(linksTo(web.url), Promise.resolve(numbered(directory.path)), saving());

  await expectFiles(directory.path, [5, 6, 7, 8, 9, 10, 11, 12, 13]);
  expect(await readFile(join(directory.path, "hero-4.jpeg"), "utf8")).toBe("taken");
});

test("nine downloads at once bring no warning of a leak", async () => {
  await using directory = await temporaryDirectory();
  await using web = await startWebServer((request, response) => response.end(FILES[Number(request.url?.slice(1))]));
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on("warning", onWarning);

  await saveAll(linksTo(web.url), Promise.resolve(numbered(directory.path)), saving());

  process.off("warning", onWarning);
  expect(warnings).toEqual([]);
});

test("names go on in order behind one that is taken in between", async () => {
  await using directory = await temporaryDirectory();
  await using web = await startWebServer((request, response) => {
    const index = Number(request.url?.slice(1));
    void (async () => {
      if (index === 1) {
        await waitFor("the first image", () => exists(join(directory.path, "hero-1.jpeg")));
        await writeFile(join(directory.path, "hero-2.jpeg"), "another program's");
      }
      response.end(FILES[index]);
    })();
  });

  await saveAll(linksTo(web.url), Promise.resolve(numbered(directory.path)), saving());

  await expectFiles(directory.path, [1, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(await readFile(join(directory.path, "hero-2.jpeg"), "utf8")).toBe("another program's");
});

test("an image that fails does not lose the others", async () => {
  await using directory = await temporaryDirectory();
  const parts = saving();
  const numberedTo = numbered(directory.path, 5);
  const destination = {
    ...numberedTo,
    baseNames: (position: number) => {
      if (position === 3) throw new TypeError("x is not a function");
      return numberedTo.baseNames(position);
    },
  };
  const images: GeneratedImage[] = [
    { index: 0, bytes: bigJpeg(500) },
    { index: 1, problem: "it is empty" },
    { index: 2, bytes: Buffer.from("<html>") },
    { index: 3, bytes: bigJpeg(500) },
    { index: 7, bytes: bigJpeg(500) },
  ];

  expect(await saveAll(images, Promise.resolve(destination), parts)).toMatchObject([
    { index: 0, saved: { path: join(directory.path, "hero-1.jpeg") } },
    { index: 1, failure: "MiniMax's image cannot be used: it is empty." },
    { index: 2, failure: "What MiniMax delivered is not a JPEG, PNG or WebP image." },
    { index: 3, failure: "Something unexpected went wrong while it was being saved." },
    { index: 7, saved: { path: join(directory.path, "hero-5.jpeg") } },
  ]);
  expect(parts.lines).toEqual(["Unexpected error: x is not a function"]);
  expect(await readdir(directory.path)).toEqual(["hero-1.jpeg", "hero-5.jpeg"]);
});

test("without a directory every image fails for that reason", async () => {
  const gone = Promise.reject(new OutputDirectoryError("The directory is gone.", ""));

  expect(await saveAll(IMAGES.slice(0, 2), gone, saving())).toEqual([
    { index: 0, failure: "The directory is gone." },
    { index: 1, failure: "The directory is gone." },
  ]);
});

test("a cancellation ends saving with its reason, and leaves no file", async () => {
  await using directory = await temporaryDirectory();
  await using web = await startWebServer((request, response) => {
    const index = Number(request.url?.slice(1));
    if (index === 0) response.write(FILES[0]?.subarray(0, 1_000));
    else response.end(FILES[index]);
  });
  const parts = saving();
  const saved = saveAll(linksTo(web.url), Promise.resolve(numbered(directory.path)), parts);
  await waitFor("nine files", async () => (await readdir(directory.path)).length === FILES.length);

  parts.call.cancel("AbortError: user-cancel");

  await expect(saved).rejects.toBe("AbortError: user-cancel");
  expect(parts.lines).toEqual([]);
  await waitFor("an empty directory", async () => (await readdir(directory.path)).length === 0);
});

test.each([
  ["a whole one comes", [3_000, 4_000, 5_000], 5_000, false],
  ["none is whole, and the longest is kept", [2_000, 4_000, 3_000, 1_000], 4_000, true],
])("a truncated download is tried again until %s", async (_what, lengths, bytes, isTruncated) => {
  const whole = bigJpeg(5_000).fill(0, JPEG_HEADER_BYTES, 4_998);
  await using directory = await temporaryDirectory();
  await using web = await startWebServer((_, response) => {
    response.write(whole.subarray(0, lengths[web.requests.length - 1]));
    response.end();
  });
  const destination = { directory: directory.path, baseNames: promptNames("a cat", 0), isNumbered: false };

  const outcomes = await saveAll(linksTo(web.url, 1), Promise.resolve(destination), saving(fastClock(20)));

  expect(outcomes).toMatchObject([{ saved: { bytes }, isTruncated }]);
  expect(web.requests).toHaveLength(lengths.length);
  expect(await readdir(directory.path)).toHaveLength(1);
});

test("images wait while the process has too many files open", async () => {
  await using directory = await temporaryDirectory();
  const { open } = fs;
  let refused = 0;
  Object.assign(fs, {
    open: (...args: Parameters<typeof open>) => {
      if (!String(args[0]).startsWith(directory.path) || refused >= 12) return open(...args);
      refused += 1;
      return Promise.reject(Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" }));
    },
  });
  syncBuiltinESMExports();
  try {
    const outcomes = await saveAll(IMAGES, Promise.resolve(numbered(directory.path)), saving(fastClock(100)));

    expect(pathsOf(outcomes)).not.toContain(undefined);
  } finally {
    Object.assign(fs, { open });
    syncBuiltinESMExports();
  }
  expect(refused).toBe(12);
  await expectFiles(directory.path, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("names of images in base64 follow their order behind names that are taken", async () => {
  await using directory = await temporaryDirectory();
  for (const number of [1, 2, 3, 4]) await writeFile(join(directory.path, `hero-${number}.jpeg`), "taken");

  await saveAll(IMAGES, Promise.resolve(numbered(directory.path)), saving());

  await expectFiles(directory.path, [5, 6, 7, 8, 9, 10, 11, 12, 13]);
});

async function answerInReverse(responses: readonly ServerResponse[]): Promise<void> {
  for (const [index, response] of [...responses.entries()].toReversed()) {
    await new Promise<void>((resolve) => response.end(FILES[index], resolve));
  }
}
