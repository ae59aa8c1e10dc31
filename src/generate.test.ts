import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as immediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Behaviour, deliver, succeed } from "../stand-in/behaviours.ts";
import { STAND_IN_KEY, type StandIn, startStandIn } from "../stand-in/server.ts";
import { bigJpeg } from "../test/support/big-jpeg.ts";
import { deferred } from "../test/support/deferred.ts";
import { failureOf } from "../test/support/failure-of.ts";
import { manualClock } from "../test/support/manual-clock.ts";
import { temporaryDirectory } from "../test/support/temporary-directory.ts";
import { Call } from "./calls/call.ts";
import { MiniMaxClient } from "./client.ts";
import { generateAndSave, type Parts } from "./generate.ts";
import { toolInputSchema, type ToolOutput } from "./schemas.ts";
import type { Clock } from "./timing/clock.ts";
import { RateLimiter } from "./timing/rate-limiter.ts";
import { DEFAULT_POLICY } from "./timing/retry.ts";
import { Workspace } from "./utils/workspace.ts";

const UNIX_MS = 1_893_499_200_000;
const BUDGET_MS = 230_000;
const JPEG_HEADER_BYTES = 33;
const IMAGES = [bigJpeg(3_000), bigJpeg(4_000)];

/** A workspace whose disk takes its time to find a directory once it is proved. */
class SlowWorkspace extends Workspace {
  readonly asked = deferred<undefined>();
  readonly answered = deferred<undefined>();
  #lookUps = 0;

  override async resolve(outputDir: string | undefined): Promise<string> {
    this.#lookUps += 1;
    if (this.#lookUps === 2) {
      this.asked.resolve(undefined);
      await this.answered.promise;
    }
    return super.resolve(outputDir);
  }
}

function partsFor({ url }: Pick<StandIn, "url">, workspace: Workspace, clock: Clock): Parts {
  const timing = { clock, random: () => 0, policy: DEFAULT_POLICY };
  const client = new MiniMaxClient(STAND_IN_KEY, url, timing, new RateLimiter(clock, 0, 60_000));
  return { client, timing, workspace, log: () => undefined };
}

function placesIn(base: string, fallbackNotice?: string): Workspace["places"] {
  const notice = fallbackNotice === undefined ? {} : { fallbackNotice };
  return { base, defaultDirectory: base, referenceDirectories: [], homeDirectory: undefined, ...notice };
}

interface GenerateOptions {
  readonly parts: Parts;
  readonly args?: Readonly<Record<string, unknown>>;
}

function startCall({ parts, args = {} }: GenerateOptions): Call {
  const input = toolInputSchema.parse({ prompt: "a cat", ...args });
  const { clock } = parts.timing;
  return new Call({ key: "key", title: "a cat", clock, budgetMs: BUDGET_MS }, (call) =>
    generateAndSave(input, parts, call),
  );
}

async function outputOf({ outcome }: Call): Promise<ToolOutput> {
  const ended = await outcome;
  if ("output" in ended) return ended.output;
  throw ended.error;
}

test("a call gives every fact of its images, which are saved", async () => {
  await using directory = await temporaryDirectory();
  await using api = await startStandIn({ script: [deliver(IMAGES)] });
  const parts = partsFor(api, new Workspace(placesIn(directory.path)), manualClock(UNIX_MS));

  const { id, ...output } = await outputOf(
    startCall({ parts, args: { n: 2, seed: 7, output_dir: "cats", filename: "hero" } }),
  );

  const paths = [1, 2].map((number) => join(directory.path, "cats", `hero-${number}.jpeg`));
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
  await using directory = await temporaryDirectory();
  await using api = await startStandIn({ script: [deliver(IMAGES)] });
  const parts = partsFor(api, new Workspace(placesIn(directory.path)), manualClock(UNIX_MS));

  await outputOf(startCall({ parts, args: { n: 2 } }));

  expect((await readdir(directory.path)).toSorted()).toEqual([
    expect.stringMatching(/^a-cat-1893499200000-1-[0-9a-f]{8}\.jpeg$/),
    expect.stringMatching(/^a-cat-1893499200000-2-[0-9a-f]{8}\.jpeg$/),
  ]);
});

test.each<readonly [string, Behaviour, Partial<ToolOutput>]>([
  [
    "fewer images than asked for",
    succeed({ withheld: 1 }),
    {
      warnings: [
        "MiniMax returned 2 of the 3 images asked for; it counts 1 as failed or withheld by its safety filter.",
      ],
    },
  ],
  [
    "an image that cannot be used",
    deliver([bigJpeg(500), "<html>", bigJpeg(500)]),
    { saved_count: 2, failures: [{ index: 1, error: "MiniMax's image cannot be used: it is not valid base64." }] },
  ],
])("a call tells of %s", async (_what, behaviour, facts) => {
  await using directory = await temporaryDirectory();
  await using api = await startStandIn({ script: [behaviour], createImage: () => Promise.resolve(bigJpeg(500)) });
  const parts = partsFor(api, new Workspace(placesIn(directory.path)), manualClock());

  expect(await outputOf(startCall({ parts, args: { n: 3 } }))).toMatchObject(facts);
});

test("a call by links gives the links of its images, which are saved", async () => {
  await using directory = await temporaryDirectory();
  await using api = await startStandIn({ createImage: () => Promise.resolve(bigJpeg(500)) });
  const parts = partsFor(api, new Workspace(placesIn(directory.path)), manualClock());

  const { saved_count, image_urls } = await outputOf(startCall({ parts, args: { n: 3, response_format: "url" } }));

  expect(saved_count).toBe(3);
  expect(image_urls?.toSorted()).toEqual(api.downloads.map(({ url }) => `${api.url}${url ?? ""}`).toSorted());
});

test.each([
  [undefined, ["The images are elsewhere."]],
  ["cats", undefined],
])("the notice of a fallback directory is only for its calls: %s", async (output_dir, warnings) => {
  await using directory = await temporaryDirectory();
  await using api = await startStandIn({ script: [deliver(IMAGES)] });
  const parts = partsFor(api, new Workspace(placesIn(directory.path, "The images are elsewhere.")), manualClock());

  expect((await outputOf(startCall({ parts, args: { n: 2, output_dir } }))).warnings).toEqual(warnings);
});

test("a truncated image is saved with a warning", async () => {
  await using directory = await temporaryDirectory();
  await using api = await startStandIn({ script: [deliver([bigJpeg(3_000).fill(0, JPEG_HEADER_BYTES)])] });
  const parts = partsFor(api, new Workspace(placesIn(directory.path)), manualClock());

  const { warnings } = await outputOf(startCall({ parts, args: { filename: "hero" } }));

  expect(warnings).toEqual([`Image 1 is truncated and may show only a part: ${join(directory.path, "hero.jpeg")}`]);
});

test.each([
  ["a reference", { subject_reference: [{ type: "character", image_file: "missing.png" }] }, "SubjectReferenceError"],
  ["a directory", { output_dir: "/elsewhere" }, "OutputDirectoryError"],
])("%s is refused before the request is sent", async (_what, args, name) => {
  await using directory = await temporaryDirectory();
  await using api = await startStandIn();
  const parts = partsFor(api, new Workspace(placesIn(directory.path)), manualClock());

  const error = await failureOf(outputOf(startCall({ parts, args })));

  expect(error).toMatchObject({ name, details: { billing: "not requested" } });
  expect(api.requests).toEqual([]);
});

test("paid images are saved though the deadline strikes on a slow disk", async () => {
  await using directory = await temporaryDirectory();
  await using api = await startStandIn({ script: [deliver(IMAGES)] });
  const workspace = new SlowWorkspace(placesIn(directory.path));
  const clock = manualClock();
  const call = startCall({ parts: partsFor(api, workspace, clock), args: { n: 2, filename: "hero" } });
  await workspace.asked.promise;

  await clock.advance(BUDGET_MS);
  await immediate();
  expect(call.signal.aborted).toBe(true);
  workspace.answered.resolve(undefined);

  expect((await outputOf(call)).saved_count).toBe(2);
  expect(await readdir(directory.path)).toEqual(["hero-1.jpeg", "hero-2.jpeg"]);
});
