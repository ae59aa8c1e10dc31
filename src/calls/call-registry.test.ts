import { setImmediate as immediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { deferred } from "../../test/support/deferred.ts";
import { type ManualClock, manualClock } from "../../test/support/manual-clock.ts";
import { MiniMaxApiError, UnknownOutcomeError } from "../errors.ts";
import type { ToolOutput } from "../schemas.ts";
import type { Call } from "./call.ts";
import { CallRegistry, type JoinedOutcome } from "./call-registry.ts";

const CLOCK = "McpError: MCP error -32001: Request timed out";
const PERSON = "AbortError: user-cancel";
const KEPT_MS = 15 * 60_000;
const KEPT_MAX = 100;
const MENTIONED_AT_ONCE = 5;
const LOST = /^The server ended before 1 paid request could be finished: images may have been generated and billed\.$/;

type Work = (call: Call) => Promise<ToolOutput>;

interface Client {
  readonly joined: Promise<JoinedOutcome>;
  readonly leave: (reason: unknown) => Promise<void>;
}

interface Setup {
  readonly clock: ManualClock;
  readonly calls: CallRegistry;
  readonly log: readonly string[];
  /** The prompt of every call whose work was begun, which costs money. */
  readonly begun: readonly string[];
  /** Paths of files that were deleted or changed. */
  readonly gone: Set<string>;
  readonly ask: (prompt: string, work?: Work) => Client;
  /** Makes a call that its client leaves after sending, and that then ends. */
  readonly abandon: (prompt: string, error?: Error, output?: ToolOutput) => Promise<void>;
}

function setup(): Setup {
  const clock = manualClock();
  const log: string[] = [];
  const begun: string[] = [];
  const gone = new Set<string>();
  const calls = new CallRegistry({
    clock,
    budgetMs: 230_000,
    log: (line) => log.push(line),
    findUnchanged: (images) => Promise.resolve(images.filter(({ path }) => !gone.has(path))),
  });
  const ask: Setup["ask"] = (prompt, work = () => Promise.resolve(outputOf(prompt))) => {
    const controller = new AbortController();
    const joined = calls.join(
      { key: prompt, prompt, waiter: { signal: controller.signal, report: undefined } },
      (call) => {
        begun.push(prompt);
        return work(call);
      },
      (outcome) => Promise.resolve(outcome),
    );
    joined.catch(() => undefined);
    return {
      joined,
      leave: async (reason) => {
        controller.abort(reason);
        await expect(joined).rejects.toBe(reason);
      },
    };
  };
  const abandon: Setup["abandon"] = async (prompt, error, output = outputOf(prompt)) => {
    const end = deferred<ToolOutput>();
    const client = ask(prompt, (call) => {
      call.setMayBeBilled(true);
      return end.promise;
    });
    await client.leave(CLOCK);
    if (error === undefined) end.resolve(output);
    else end.reject(error);
    await immediate();
  };
  return { clock, calls, log, begun, gone, ask, abandon };
}

/** Work that was sent, and ends only when a signal of its call aborts. */
function hung(signal: "signal" | "cancelSignal"): Work {
  return (call) => {
    call.setMayBeBilled(true);
    return new Promise((_resolve, reject) => {
      call[signal].addEventListener("abort", () => {
        reject(new Error("aborted"));
      });
    });
  };
}

function outputOf(prompt: string): ToolOutput {
  const path = `/${prompt}.jpeg`;
  return {
    image_count: 1,
    saved_count: 1,
    file_paths: [path],
    metadata: { failed_count: "0", success_count: "1" },
    images: [{ path, width: 1024, height: 1024, bytes: 1, mime_type: "image/jpeg" }],
  };
}

test("a call gets its outcome, and a second one of its own", async () => {
  const { ask, begun } = setup();

  const outcomes = await Promise.all([ask("cat").joined, ask("cat").joined]);

  expect(outcomes).toEqual(Array(2).fill({ outcome: { output: outputOf("cat") }, notices: [] }));
  expect(begun).toEqual(["cat", "cat"]);
});

test("the same call joins one that was left while it runs", async () => {
  const { ask, begun } = setup();
  const work = deferred<ToolOutput>();
  const first = ask("cat", (call) => {
    call.setMayBeBilled(true);
    return work.promise;
  });
  await first.leave(CLOCK);

  const again = ask("cat");
  work.resolve(outputOf("cat"));

  expect(await again.joined).toEqual({
    outcome: { output: outputOf("cat") },
    notices: [expect.stringContaining("no new request was sent")],
  });
  expect(begun).toEqual(["cat"]);
});

test("an outcome is handed over within 15 minutes, and only once", async () => {
  const { clock, begun, ask, abandon } = setup();
  await abandon("cat");
  await abandon("dog");

  await clock.advance(KEPT_MS - 1);
  expect((await ask("cat").joined).notices).toEqual([
    expect.stringContaining("earlier identical call"),
    expect.stringContaining("/dog.jpeg"),
  ]);
  expect((await ask("cat").joined).notices).toEqual([]);
  await clock.advance(1);

  expect((await ask("dog").joined).notices).toEqual([]);
  expect(begun).toEqual(["cat", "dog", "cat", "dog"]);
});

const PAIR: ToolOutput = {
  ...outputOf("cat"),
  image_count: 2,
  saved_count: 2,
  file_paths: ["/cat.jpeg", "/cat-2.jpeg"],
  images: ["/cat.jpeg", "/cat-2.jpeg"].map((path) => ({
    path,
    width: 1024,
    height: 1024,
    bytes: 1,
    mime_type: "image/jpeg" as const,
  })),
};

test("an image that is gone is not handed over, and named as gone", async () => {
  const { ask, abandon, begun, gone } = setup();
  await abandon("cat", undefined, PAIR);
  gone.add("/cat.jpeg");

  expect(await ask("cat").joined).toEqual({
    outcome: {
      output: { ...PAIR, saved_count: 1, file_paths: ["/cat-2.jpeg"], images: PAIR.images.slice(1) },
    },
    notices: [
      expect.stringContaining("earlier identical call"),
      "1 image of that call was deleted, moved or changed since: /cat.jpeg",
    ],
  });
  expect(begun).toEqual(["cat"]);
});

test("when all images are gone the same call is a new one", async () => {
  const { ask, abandon, begun, gone } = setup();
  await abandon("cat", undefined, PAIR);
  for (const path of PAIR.file_paths) gone.add(path);

  expect(await ask("cat").joined).toEqual({ outcome: { output: outputOf("cat") }, notices: [] });
  expect((await ask("dog").joined).notices).toEqual([]);
  expect(begun).toEqual(["cat", "cat", "dog"]);
});

test("when the images of two equal calls are gone the same call is a new one", async () => {
  const twice = setup();
  const ends = [deferred<ToolOutput>(), deferred<ToolOutput>()];
  const clients = ends.map(({ promise }) =>
    twice.ask("cat", (call) => {
      call.setMayBeBilled(true);
      return promise;
    }),
  );
  for (const client of clients) await client.leave(CLOCK);
  for (const end of ends) end.resolve(PAIR);
  await immediate();
  for (const path of PAIR.file_paths) twice.gone.add(path);

  expect(await twice.ask("cat").joined).toEqual({ outcome: { output: outputOf("cat") }, notices: [] });
  expect(twice.begun).toEqual(["cat", "cat", "cat"]);
});

test("a client that goes while kept images are looked at starts no work", async () => {
  const { ask, abandon, begun, gone } = setup();
  await abandon("cat");
  gone.add("/cat.jpeg");

  await ask("cat").leave(PERSON);

  expect(begun).toEqual(["cat"]);
});

test("two equal repeats at once get the kept outcome once", async () => {
  const { ask, abandon, begun } = setup();
  await abandon("cat");

  const repeats = await Promise.all([ask("cat").joined, ask("cat").joined]);

  expect(repeats.map(({ notices }) => notices.length).toSorted()).toEqual([0, 1]);
  expect(begun).toEqual(["cat", "cat"]);
});

test("two equal repeats at once are two calls when the images are gone", async () => {
  const { ask, abandon, begun, gone } = setup();
  await abandon("cat");
  gone.add("/cat.jpeg");

  const repeats = await Promise.all([ask("cat").joined, ask("cat").joined]);

  expect(repeats).toEqual(Array(2).fill({ outcome: { output: outputOf("cat") }, notices: [] }));
  expect(begun).toEqual(["cat", "cat", "cat"]);
});

test("an outcome that cannot be known is handed over without a look at files", async () => {
  const { ask, abandon, begun } = setup();
  const error = new UnknownOutcomeError("it broke");
  await abandon("cat", error);

  expect((await ask("cat").joined).outcome).toEqual({ error });
  expect(begun).toEqual(["cat"]);
});

test("other calls are mentioned with the images that are still there", async () => {
  const { ask, abandon, gone } = setup();
  await abandon("cat", undefined, PAIR);
  await abandon("cow");
  gone.add("/cat.jpeg").add("/cow.jpeg");

  const { notices } = await ask("dog").joined;

  expect(notices).toEqual([expect.stringMatching(/^An earlier call \("cat"\) .* saved 1 image .*: \/cat-2\.jpeg\. /)]);
});

test("calls that run are not asked for their images", async () => {
  const looks: number[] = [];
  const calls = new CallRegistry({
    clock: manualClock(),
    budgetMs: 230_000,
    log: () => undefined,
    findUnchanged: (images) => {
      looks.push(images.length);
      return Promise.resolve(images);
    },
  });
  const ends = Array.from({ length: 20 }, () => deferred<ToolOutput>());
  const joined = ends.map(({ promise }, index) =>
    calls.join(
      {
        key: `call ${index}`,
        prompt: "a cat",
        waiter: { signal: new AbortController().signal, report: undefined },
      },
      () => promise,
      (outcome) => Promise.resolve(outcome),
    ),
  );

  for (const end of ends) end.resolve(outputOf("cat"));
  await Promise.all(joined);

  expect(looks).toEqual([]);
});

test("of too many outcomes the oldest is forgotten", async () => {
  const { begun, ask, abandon } = setup();
  for (let index = 0; index <= KEPT_MAX; index += 1) await abandon(`call ${index}`);

  await ask("call 1").joined;
  await ask("call 0").joined;

  expect(begun.slice(KEPT_MAX + 1)).toEqual(["call 0"]);
});

test("other calls are mentioned once each, five at a time", async () => {
  const { ask, abandon } = setup();
  for (let index = 0; index <= MENTIONED_AT_ONCE; index += 1) await abandon(`call ${index}`);
  await abandon("failed", new UnknownOutcomeError("it broke"));

  const counts = [await ask("a").joined, await ask("b").joined, await ask("c").joined].map(
    ({ notices }) => notices.length,
  );

  expect(counts).toEqual([MENTIONED_AT_ONCE, 1, 0]);
});

test.each([
  ["a client leaves it while it is rendered", CLOCK],
  ["its rendering fails", undefined],
])("a result is kept and mentions nothing when %s", async (_what, reason) => {
  const { calls, ask, abandon, begun } = setup();
  await abandon("dog");
  const controller = new AbortController();
  const failure = new Error("cannot be rendered");
  const joining = calls.join(
    { key: "cat", prompt: "cat", waiter: { signal: controller.signal, report: undefined } },
    (call) => {
      call.setMayBeBilled(true);
      return Promise.resolve(outputOf("cat"));
    },
    (joined) => {
      if (reason === undefined) return Promise.reject(failure);
      controller.abort(reason);
      return Promise.resolve(joined);
    },
  );
  await expect(joining).rejects.toBe(reason ?? failure);

  const { notices } = await ask("bird").joined;

  expect(notices.map((notice) => /\/(\w+)\.jpeg/.exec(notice)?.[1])).toEqual(
    reason === undefined ? ["dog"] : ["dog", "cat"],
  );
  expect(begun).toEqual(["dog", "bird"]);
});

test("a client that has gone before its call begins starts no work", async () => {
  const { calls } = setup();
  const waiter = { signal: AbortSignal.abort(CLOCK), report: undefined };
  const never = (): Promise<never> => Promise.reject(new Error("It was begun."));

  await expect(calls.join({ key: "cat", prompt: "cat", waiter }, never, never)).rejects.toBe(CLOCK);
});

test.each([
  ["a bug is logged once", new TypeError("x is not a function"), ["Unexpected error: x is not a function"]],
  ["a refusal is not logged", new MiniMaxApiError(1026, "", {}), []],
])("%s", async (_what, error, lines) => {
  const { ask, log } = setup();

  expect((await ask("cat", () => Promise.reject(error)).joined).outcome).toEqual({ error });

  expect(log).toEqual(lines);
});

test("a cancellation is not logged", async () => {
  const { ask, log, calls } = setup();
  const client = ask("cat", hung("signal"));

  await client.leave(PERSON);
  await calls.settle(0);

  expect(log).toEqual([]);
});

test("the end lets saving finish, also when its client leaves then", async () => {
  const { calls, ask, log } = setup();
  const saving = deferred<ToolOutput>();
  let isCancelled = false;
  const client = ask("cat", (call) => {
    call.setMayBeBilled(true);
    call.cancelSignal.addEventListener("abort", () => (isCancelled = true));
    return saving.promise;
  });

  calls.end();
  await client.leave(PERSON);
  const settled = calls.settle(60_000);
  expect(isCancelled).toBe(false);
  saving.resolve(outputOf("cat"));
  await settled;

  expect(log).toEqual([]);
});

test.each([
  ["waits for its response", "signal"],
  ["saves longer than the grace", "cancelSignal"],
] as const)("the end cancels and logs a paid call that %s", async (_what, signal) => {
  const { calls, ask, log } = setup();
  const client = ask("cat", hung(signal));

  calls.end();
  await calls.settle(1);

  expect((await client.joined).outcome).toHaveProperty("error");
  expect(log).toEqual([expect.stringMatching(LOST)]);
});
