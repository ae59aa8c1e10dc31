import fs, { readdir, readFile } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { answer, type Behaviour, deliver, succeed } from "../stand-in/behaviours.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { bigJpeg, smallImage } from "../test/support/big-jpeg.ts";
import { failureOf } from "../test/support/failure-of.ts";
import { manualClock } from "../test/support/manual-clock.ts";
import { temporaryDirectory } from "../test/support/temporary-directory.ts";
import { Call } from "./calls/call.ts";
import { MiniMaxClient } from "./client.ts";
import { generateAndSave } from "./generate.ts";
import { toolInputSchema, type ToolOutput } from "./schemas.ts";
import { RateLimiter } from "./timing/rate-limiter.ts";
import { DEFAULT_POLICY } from "./timing/retry.ts";
import { Workspace } from "./utils/workspace.ts";

const UNIX_MS = 1_893_499_200_000;
const JPEG_HEADER_BYTES = 33;
const IMAGES = [bigJpeg(3_000), bigJpeg(4_000)];

/** A stand-in that does this once, and a directory for the images. */
async function stage(behaviour: Behaviour = succeed(), fallbackNotice?: string) {
  const { path: base, [Symbol.asyncDispose]: remove } = await temporaryDirectory();
  const api = await startStandIn({ script: [behaviour], createImage: smallImage });
  const clock = manualClock(UNIX_MS);
  const timing = { clock, random: () => 0, policy: DEFAULT_POLICY };
  const notice = fallbackNotice === undefined ? {} : { fallbackNotice };
  const parts = {
    client: new MiniMaxClient(STAND_IN_KEY, api.url, timing, new RateLimiter(clock, 0, 60_000)),
    timing,
    workspace: new Workspace({
      base,
      defaultDirectory: base,
      referenceDirectories: [],
      homeDirectory: undefined,
      ...notice,
    }),
    log: () => undefined,
  };
  return {
    api,
    base,
    generate: async (args: Readonly<Record<string, unknown>> = {}): Promise<ToolOutput> => {
      const input = toolInputSchema.parse({ prompt: "a cat", ...args });
      const work = (call: Call): Promise<ToolOutput> => generateAndSave(input, parts, call);
      const ended = await new Call({ key: "key", title: "a cat", clock, budgetMs: 230_000 }, work).outcome;
      if ("output" in ended) return ended.output;
      throw ended.error;
    },
    async [Symbol.asyncDispose]() {
      await api[Symbol.asyncDispose]();
      await remove();
    },
  };
}

test("a call gives every fact of its images, which are saved", async () => {
  await using place = await stage(deliver(IMAGES));

  const { id, ...output } = await place.generate({ n: 2, seed: 7, output_dir: "cats", filename: "hero" });

  const paths = [1, 2].map((number) => join(place.base, "cats", `hero-${number}.jpeg`));
  expect(id).toMatch(/^[0-9a-f]{32}$/);
  expect(output).toEqual({
    image_count: 2,
    saved_count: 2,
    file_paths: paths,
    metadata: { failed_count: "0", success_count: "2" },
    images: paths.map((path, index) => ({
      path,
      width: 1024,
      height: 1024,
      bytes: IMAGES[index]?.length,
      mime_type: "image/jpeg",
    })),
    seed: 7,
  });
  expect(await Promise.all(paths.map((path) => readFile(path)))).toEqual(IMAGES);
});

test("images without a file name are named after the prompt and the time", async () => {
  await using place = await stage();

  await place.generate({ n: 2 });

  expect((await readdir(place.base)).toSorted()).toEqual([
    expect.stringMatching(/^a-cat-1893499200000-1-[0-9a-f]{8}\.jpeg$/),
    expect.stringMatching(/^a-cat-1893499200000-2-[0-9a-f]{8}\.jpeg$/),
  ]);
});

const BASE64 = IMAGES.map((image) => image.toString("base64"));
const FEWER = "MiniMax returned 2 of the 3 images asked for";

test.each<readonly [string, Behaviour, Partial<ToolOutput>]>([
  [
    "fewer images than asked for",
    answer(JSON.stringify({ data: { image_base64: BASE64 } })),
    { warnings: [`${FEWER}.`] },
  ],
  [
    "withheld images",
    succeed({ withheld: 1 }),
    { warnings: [`${FEWER}; it counts 1 as failed or withheld by its safety filter.`] },
  ],
  [
    "an image that cannot be used",
    deliver([bigJpeg(500), "<html>", bigJpeg(500)]),
    { saved_count: 2, failures: [{ index: 1, error: "MiniMax's image cannot be used: it is not valid base64." }] },
  ],
])("a call tells of %s", async (_what, behaviour, facts) => {
  await using place = await stage(behaviour);

  expect(await place.generate({ n: 3 })).toMatchObject(facts);
});

test("a call by links gives the links of its images, which are saved", async () => {
  await using place = await stage();

  const { saved_count, image_urls } = await place.generate({ n: 3, response_format: "url" });

  expect(saved_count).toBe(3);
  const downloaded = place.api.downloads.map(({ url }) => `${place.api.url}${url ?? ""}`);
  expect(image_urls?.toSorted()).toEqual(downloaded.toSorted());
});

test.each([
  [undefined, ["The images are elsewhere."]],
  ["cats", undefined],
])("the notice of a fallback directory is only for its calls: %s", async (output_dir, warnings) => {
  await using place = await stage(succeed(), "The images are elsewhere.");

  expect((await place.generate({ output_dir })).warnings).toEqual(warnings);
});

test("a truncated image is saved with a warning", async () => {
  await using place = await stage(deliver([bigJpeg(3_000).fill(0, JPEG_HEADER_BYTES)]));

  const { warnings } = await place.generate({ filename: "hero" });

  expect(warnings).toEqual([`Image 1 is truncated and may show only a part: ${join(place.base, "hero.jpeg")}`]);
});

test.each([
  ["a reference", { subject_reference: [{ type: "character", image_file: "missing.png" }] }, "SubjectReferenceError"],
  ["a directory", { output_dir: "/elsewhere" }, "OutputDirectoryError"],
])("%s is refused before the request is sent", async (_what, args, name) => {
  await using place = await stage();

  const error = await failureOf(place.generate(args));

  expect(error).toMatchObject({ name, details: { billing: "not requested" } });
  expect(place.api.requests).toEqual([]);
});

test.each([
  [{}, "367 kB"],
  [{ n: 9, aspect_ratio: "16:9" }, "2.9 MB"],
  [{ width: 512, height: 1000 }, "179 kB"],
])("a disk without room for the images of %j is refused", async (args, needed) => {
  const { statfs } = fs;
  Object.assign(fs, { statfs: () => Promise.resolve({ bsize: 1000, blocks: 9000, bavail: 9 }) });
  syncBuiltinESMExports();
  onTestFinished(() => {
    Object.assign(fs, { statfs });
    syncBuiltinESMExports();
  });
  await using place = await stage();

  const { message } = await failureOf(place.generate(args));

  expect(message).toContain(`9 kB free, about ${needed} needed.`);
  expect(place.api.requests).toEqual([]);
});
