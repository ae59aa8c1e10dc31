import { setImmediate as immediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { deferred } from "../../test/support/deferred.ts";
import { manualClock } from "../../test/support/manual-clock.ts";
import { MiniMaxApiError, UnknownOutcomeError } from "../errors.ts";
import type { ToolOutput } from "../schemas.ts";
import { unlessAborted } from "../timing/abort.ts";
import type { Call } from "./call.ts";
import { CallRegistry, type JoinedOutcome } from "./call-registry.ts";

const CLOCK = "McpError: MCP error -32001: Request timed out";
const PERSON = "AbortError: user-cancel";
const KEPT_MS = 15 * 60_000;
const SILENT_MS = 55_000;
const KEPT_MAX = 100;
const MENTIONED_AT_ONCE = 5;

type Work = (call: Call) => Promise<ToolOutput>;

class Stage {
  readonly clock = manualClock(5_000);
  readonly log: string[] = [];
  /** The prompt of every call whose work was begun, which costs money. */
  readonly begun: string[] = [];
  /** How many images were looked at, at each look. */
  readonly looks: number[] = [];
  /** Paths of files that were deleted or changed. */
  readonly gone = new Set<string>();
  readonly calls = new CallRegistry({
    clock: this.clock,
    budgetMs: 230_000,
    log: (line) => this.log.push(line),
    findUnchanged: (images) => {
      this.looks.push(images.length);
      return Promise.resolve(images.filter(({ path }) => !this.gone.has(path)));
    },
  });

  readonly ask = (prompt: string, work: Work = () => Promise.resolve(outputOf(prompt))) => {
    const controller = new AbortController();
    const joined = this.calls.join(
      { key: prompt, prompt, waiter: { signal: controller.signal, report: undefined } },
      (call) => {
        this.begun.push(prompt);
        return work(call);
      },
      (outcome) => Promise.resolve(outcome),
    );
    joined.catch(() => undefined);
    const leave = async (reason: string): Promise<void> => {
      controller.abort(reason);
      await expect(joined).rejects.toBe(reason);
    };
    return { joined, leave };
  };

  /** Makes a call that is sent, and ends when it is told to. */
  readonly send = (prompt: string) => {
    const end = deferred<ToolOutput>();
    return { ...this.ask(prompt, sent("cancelSignal", end.promise)), end };
  };

  /** Makes a call that its client leaves after sending, and that then ends. */
  readonly abandon = async (prompt: string, error?: Error): Promise<void> => {
    const { leave, end } = this.send(prompt);
    await leave(CLOCK);
    if (error === undefined) end.resolve(outputOf(prompt));
    else end.reject(error);
    await immediate();
  };
}

/** Work that is sent, and that a signal of its call aborts unless it has ended before. */
function sent(signal: "signal" | "cancelSignal", end = new Promise<ToolOutput>(() => undefined)): Work {
  return (call) => {
    call.setMayBeBilled(true);
    return unlessAborted(end, call[signal]);
  };
}

/** Three images, named after the prompt. */
function outputOf(prompt: string): ToolOutput {
  const file_paths = [1, 2, 3].map((number) => `/${prompt}-${number}.jpeg`);
  return {
    image_count: 3,
    saved_count: 3,
    file_paths,
    metadata: { failed_count: "0", success_count: "3" },
    images: file_paths.map((path) => ({ path, width: 1024, height: 1024, bytes: 1, mime_type: "image/jpeg" })),
  };
}

/** The outcome of a call of its own. */
function newOutcome(prompt: string): JoinedOutcome {
  return { outcome: { output: outputOf(prompt) }, notices: [] };
}

const fromEarlier: unknown = expect.stringMatching(
  /^This result comes from an earlier identical call .*no new request/,
);

test("equal calls at once stay two", async () => {
  const { ask, begun, looks } = new Stage();

  const outcomes = await Promise.all([ask("cat").joined, ask("cat").joined]);

  expect(outcomes).toEqual([newOutcome("cat"), newOutcome("cat")]);
  expect(begun).toEqual(["cat", "cat"]);
  expect(looks).toEqual([]);
});

test("the same call joins one that was left while it runs", async () => {
  const { ask, send, begun } = new Stage();
  const first = send("cat");
  await first.leave(CLOCK);

  const again = ask("cat");
  first.end.resolve(outputOf("cat"));

  expect(await again.joined).toEqual({ ...newOutcome("cat"), notices: [fromEarlier] });
  expect(begun).toEqual(["cat"]);
});

test("an outcome is handed over within 15 minutes, and only once", async () => {
  const { clock, begun, ask, abandon } = new Stage();
  await abandon("cat");
  await abandon("dog");

  await clock.advance(KEPT_MS - 1);
  expect((await ask("cat").joined).notices).toEqual([fromEarlier, expect.stringContaining("/dog-1.jpeg")]);
  expect((await ask("cat").joined).notices).toEqual([]);
  await clock.advance(1);

  expect((await ask("dog").joined).notices).toEqual([]);
  expect(begun).toEqual(["cat", "dog", "cat", "dog"]);
});

test("a result that a silent client may not have received is kept", async () => {
  const { clock, begun, ask, send } = new Stage();
  const first = send("cat");
  await clock.advance(SILENT_MS);
  first.end.resolve(outputOf("cat"));
  expect((await first.joined).notices).toEqual([]);

  expect((await ask("dog").joined).notices).toEqual([]);
  expect((await ask("cat").joined).notices).toEqual([fromEarlier]);
  expect(begun).toEqual(["cat", "dog"]);
});

test.each([
  [["/cat-1.jpeg"], "1 image of that call was deleted, moved or changed since: /cat-1.jpeg"],
  [
    ["/cat-1.jpeg", "/cat-2.jpeg"],
    "2 images of that call were deleted, moved or changed since: /cat-1.jpeg, /cat-2.jpeg",
  ],
])("images that are gone are not handed over, and named: %j", async (paths, notice) => {
  const { ask, abandon, begun, gone } = new Stage();
  await abandon("cat");
  for (const path of paths) gone.add(path);

  const { images, ...facts } = outputOf("cat");
  const left = images.slice(paths.length);
  const file_paths = left.map(({ path }) => path);
  expect(await ask("cat").joined).toEqual({
    outcome: { output: { ...facts, saved_count: left.length, file_paths, images: left } },
    notices: [fromEarlier, notice],
  });
  expect(begun).toEqual(["cat"]);
});

test.each([1, 2])("when the images of %i equal calls are gone the same is a new one", async (count) => {
  const { ask, abandon, begun, gone } = new Stage();
  await Promise.all(Array.from({ length: count }, () => abandon("cat")));
  for (const path of outputOf("cat").file_paths) gone.add(path);

  expect(await ask("cat").joined).toEqual(newOutcome("cat"));
  expect((await ask("dog").joined).notices).toEqual([]);
  expect(begun).toEqual([...Array<string>(count + 1).fill("cat"), "dog"]);
});

test("a client that goes while kept images are looked at starts no work", async () => {
  const { ask, abandon, begun, gone } = new Stage();
  await abandon("cat");
  for (const path of outputOf("cat").file_paths) gone.add(path);

  await ask("cat").leave(PERSON);

  expect(begun).toEqual(["cat"]);
});

test.each([
  ["one of them gets the kept outcome", [], [0, 1], 2],
  ["both are new when the images are gone", outputOf("cat").file_paths, [0, 0], 3],
])("of two equal repeats at once %s", async (_what, paths, notices, calls) => {
  const { ask, abandon, begun, gone } = new Stage();
  await abandon("cat");
  for (const path of paths) gone.add(path);

  const repeats = await Promise.all([ask("cat").joined, ask("cat").joined]);

  expect(repeats.map((repeat) => repeat.notices.length).toSorted()).toEqual(notices);
  expect(begun).toHaveLength(calls);
});

test("an outcome that cannot be known is handed over without a look at files", async () => {
  const { ask, abandon, begun } = new Stage();
  const error = new UnknownOutcomeError("it broke");
  await abandon("cat", error);

  expect(await ask("cat").joined).toEqual({ outcome: { error }, notices: [fromEarlier] });
  expect(begun).toEqual(["cat"]);
});

test("an earlier call is named by the beginning of its prompt", async () => {
  const { ask, abandon } = new Stage();
  await abandon("cat".repeat(99));

  expect((await ask("dog").joined).notices).toEqual([expect.stringMatching(/^An earlier call \("(?:cat){20}…"\) /)]);
});

test("other calls are mentioned with the images that are still there", async () => {
  const { ask, abandon, gone } = new Stage();
  await abandon("cat");
  await abandon("cow");
  for (const path of ["/cat-1.jpeg", ...outputOf("cow").file_paths]) gone.add(path);

  const { notices } = await ask("dog").joined;

  expect(notices).toEqual([
    expect.stringMatching(/^An earlier call \("cat"\) .* saved 2 images .*: \/cat-2\.jpeg, \/cat-3\.jpeg\. /),
  ]);
});

test("other calls are mentioned once each, five at a time", async () => {
  const { ask, abandon } = new Stage();
  for (let index = 0; index <= MENTIONED_AT_ONCE; index += 1) await abandon(`call ${index}`);
  await abandon("failed", new UnknownOutcomeError("it broke"));

  const results = [await ask("a").joined, await ask("b").joined, await ask("c").joined];

  expect(results.map(({ notices }) => notices.length)).toEqual([MENTIONED_AT_ONCE, 1, 0]);
});

test("of too many outcomes the oldest is forgotten, and no call that runs", async () => {
  const { begun, ask, send, abandon } = new Stage();
  const running = send("running");
  await running.leave(CLOCK);
  for (let index = 0; index <= KEPT_MAX; index += 1) await abandon(`call ${index}`);

  await ask("call 1").joined;
  await ask("call 0").joined;
  const again = ask("running");
  running.end.resolve(outputOf("running"));
  await again.joined;

  expect(begun.slice(KEPT_MAX + 2)).toEqual(["call 0"]);
});

test.each([
  ["a client leaves it while it is rendered", CLOCK, ["dog", "cat"]],
  ["its rendering fails", undefined, ["dog"]],
])("a result is kept and mentions nothing when %s", async (_what, reason, mentioned) => {
  const { calls, ask, abandon, begun } = new Stage();
  await abandon("dog");
  const controller = new AbortController();
  const failure = new Error("cannot be rendered");
  const joining = calls.join(
    { key: "cat", prompt: "cat", waiter: { signal: controller.signal, report: undefined } },
    sent("signal", Promise.resolve(outputOf("cat"))),
    (joined) => {
      if (reason === undefined) return Promise.reject(failure);
      controller.abort(reason);
      return Promise.resolve(joined);
    },
  );
  await expect(joining).rejects.toBe(reason ?? failure);

  const { notices } = await ask("bird").joined;

  expect(notices.map((notice) => /\/(\w+)-1\.jpeg/.exec(notice)?.[1])).toEqual(mentioned);
  expect(begun).toEqual(["dog", "bird"]);
});

test.each([
  ["a bug is logged once", new TypeError("x is not a function"), ["Unexpected error: x is not a function"]],
  ["a refusal is not logged", new MiniMaxApiError(1026, "", {}), []],
])("%s", async (_what, error, lines) => {
  const { ask, log } = new Stage();

  expect((await ask("cat", () => Promise.reject(error)).joined).outcome).toEqual({ error });

  expect(log).toEqual(lines);
});

test("a cancellation is not logged", async () => {
  const { ask, log, calls } = new Stage();
  const client = ask("cat", sent("signal"));

  await client.leave(PERSON);
  await calls.settle(0);

  expect(log).toEqual([]);
});

test("the end lets saving finish, also when its client leaves then", async () => {
  const { calls, send, log } = new Stage();
  const { leave, end } = send("cat");

  calls.end();
  await leave(PERSON);
  const settled = calls.settle(60_000);
  end.resolve(outputOf("cat"));
  await settled;

  expect(log).toEqual([]);
});

const PART = Promise.resolve({ ...outputOf("cat"), saved_count: 2 });

test.each([
  ["waits for its response", sent("signal")],
  ["saves longer than the grace", sent("cancelSignal")],
  ["cannot save all its images", sent("cancelSignal", PART)],
])("the end cancels and logs a paid call that %s", async (_what, work) => {
  const { calls, ask, abandon, log } = new Stage();
  await abandon("failed", new UnknownOutcomeError("it broke"));
  const unsent = ask("dog", (call) => unlessAborted(new Promise(() => undefined), call.signal));
  const paid = ask("cat", work);

  calls.end();
  await calls.settle(1);

  await Promise.all([unsent.joined, paid.joined]);
  expect(log).toEqual([
    "The server ended before 1 paid request could be finished: images may have been generated and billed.",
  ]);
});
