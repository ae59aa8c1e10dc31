import fs, { readdir, readFile, writeFile } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import process from "node:process";
import { setImmediate as immediate, setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
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
import { type ImageOutcome, saveAll } from "./save.ts";
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

function saving(clock: Clock = manualClock()) {
  const lines: string[] = [];
  const timing = { clock, random: () => 0, policy: DEFAULT_POLICY };
  const call = new Call({ key: "key", title: "a cat", clock, budgetMs: BUDGET_MS }, () => new Promise(() => undefined));
  let activity: Parameters<Call["report"]>[0] | undefined;
  call.join({ signal: new AbortController().signal, report: (words) => (activity = words) });
  return {
    call,
    client: new MiniMaxClient("key", "http://127.0.0.1:8", timing, new RateLimiter(clock, 0, 60_000)),
    timing,
    log: (line: string) => lines.push(line),
    lines,
    /** What the call is doing, in its own words. */
    activity: () => activity?.(0),
  };
}

function numbered(directory: string, count = FILES.length): Destination {
  return { directory, baseNames: numberedNames("hero", count), isNumbered: true };
}

function linksTo(url: string, count = FILES.length): GeneratedImage[] {
  return Array.from({ length: count }, (_, index) => ({ index, link: `${url}/${index}` }));
}

/** Expects all images to be saved, numbered in their order from this number on. */
async function expectSaved(outcomes: readonly ImageOutcome[], directory: string, first = 1): Promise<void> {
  const paths = FILES.map((_, index) => join(directory, `hero-${first + index}.jpeg`));
  expect(outcomes).toEqual(
    paths.map((path, index) => ({
      index,
      saved: { path, width: 1024, height: 1024, bytes: 5_000, mime_type: "image/jpeg" },
      isTruncated: false,
    })),
  );
  expect(await Promise.all(paths.map((path) => readFile(path)))).toEqual(FILES);
}

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

  await expectSaved(await saved, directory.path);
  expect(parts.activity()).toBe("saving 9 images, 9 done");
});

test("a download follows the deadline, and holds up or loses no other image", async () => {
  await using directory = await temporaryDirectory();
  await using web = await startWebServer((request, response) => {
    if (request.url === "/1") response.end(FILES[1]);
  });
  const clock = manualClock();
  const parts = saving(clock);
  const destination = { directory: directory.path, baseNames: promptNames("a cat", 0), isNumbered: false };
  const saved = saveAll(linksTo(web.url, 2), Promise.resolve(destination), parts);
  await waitFor("the second image", () => parts.activity() === "downloading 2 images, 1 done");

  await clock.advance(BUDGET_MS);

  expect(await saved).toMatchObject([
    {
      index: 0,
      failure:
        "The call ran out of time (limit 15 s). The image was not downloaded, or the disk did not respond, in time.",
    },
    { index: 1, isTruncated: false },
  ]);
  expect(await readdir(directory.path)).toHaveLength(1);
});

test("names follow the order of the images, whichever comes first", async () => {
  await using directory = await temporaryDirectory();
  for (const number of [1, 2, 3, 4]) await writeFile(join(directory.path, `hero-${number}.jpeg`), "taken");
  const sent = FILES.map(() => deferred<undefined>());
  await using web = await startWebServer((request, response) => {
    const index = Number(request.url?.slice(1));
    const next = sent[index + 1]?.promise ?? Promise.resolve();
    void next.then(() => response.end(FILES[index], () => sent[index]?.resolve(undefined)));
  });

  const outcomes = await saveAll(linksTo(web.url), Promise.resolve(numbered(directory.path)), saving());

  await expectSaved(outcomes, directory.path, 5);
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
  onTestFinished(() => {
    Object.assign(fs, { open });
    syncBuiltinESMExports();
  });

  const outcomes = await saveAll(IMAGES, Promise.resolve(numbered(directory.path)), saving(fastClock(100)));

  expect(refused).toBe(12);
  await expectSaved(outcomes, directory.path);
});
