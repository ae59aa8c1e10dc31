import { setImmediate as immediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { type Deferred, deferred } from "../../test/support/deferred.ts";
import { type ManualClock, manualClock } from "../../test/support/manual-clock.ts";
import { DeadlineExceededError, MiniMaxApiError, UnknownOutcomeError } from "../errors.ts";
import type { ToolOutput } from "../schemas.ts";
import { Call, type Waiter } from "./call.ts";

const KEY = "key";
const BUDGET_MS = 230_000;
const SILENT_MS = 55_000;
const KEPT_MS = 15 * 60_000;
const CLOCK = "McpError: MCP error -32001: Request timed out";
const PERSON = "AbortError: user-cancel";
const OUTPUT: ToolOutput = {
  image_count: 0,
  saved_count: 0,
  file_paths: [],
  metadata: { failed_count: "0", success_count: "0" },
  images: [],
};

interface Running {
  readonly call: Call;
  readonly clock: ManualClock;
  readonly work: Deferred<ToolOutput>;
}

function startCall(): Running {
  const clock = manualClock(5_000);
  const work = deferred<ToolOutput>();
  const call = new Call({ key: KEY, title: "a cat", clock, budgetMs: BUDGET_MS }, () => work.promise);
  return { call, clock, work };
}

/** A client request that waits, and asks for progress when it has a list for it. */
function joined(call: Call, told?: string[]): { waiter: Waiter; leave: (reason?: unknown) => void } {
  const controller = new AbortController();
  const report: Waiter["report"] = (activity) => told?.push(activity(0));
  const waiter = { signal: controller.signal, report: told && report };
  call.join(waiter);
  return {
    waiter,
    leave: (reason) => {
      controller.abort(reason);
      call.leave(waiter, { isAnswered: false });
    },
  };
}

/** A call that was sent, left by a client that ran into its time limit, and has ended. */
async function undelivered(error?: Error): Promise<Running> {
  const running = startCall();
  const { leave } = joined(running.call);
  running.call.setMayBeBilled(true);
  leave(CLOCK);
  await end(running, error);
  return running;
}

async function end({ call, work }: Running, error?: Error): Promise<void> {
  if (error === undefined) work.resolve(OUTPUT);
  else work.reject(error);
  await call.outcome;
}

describe("a call without a client request", () => {
  test.each([
    ["goes on, left by a clock after sending", true, CLOCK, false],
    ["is cancelled, left by a clock before sending", false, CLOCK, true],
    ["is cancelled, left by a person after sending", true, PERSON, true],
    ["is cancelled, left by a person before sending", false, PERSON, true],
    ["is cancelled, left without a reason", true, undefined, true],
  ])("%s", (_what, isSent, reason, isCancelled) => {
    const { call } = startCall();
    const { waiter, leave } = joined(call);
    call.setMayBeBilled(isSent);

    leave(reason);

    expect(call.cancelSignal.aborted).toBe(isCancelled);
    expect(call.signal.aborted).toBe(isCancelled);
    if (isCancelled) expect(call.signal.reason).toBe(waiter.signal.reason);
  });

  test("is cancelled once nothing was generated", () => {
    const { call } = startCall();
    const { leave } = joined(call);
    call.setMayBeBilled(true);
    leave(CLOCK);

    call.setMayBeBilled(false);

    expect(call.cancelSignal.aborted).toBe(true);
  });
});

test.each([
  ["before", false],
  ["after", true],
])("a person who leaves %s sending does not end the call of another", (_when, isSent) => {
  const { call } = startCall();
  const [first, second] = [joined(call), joined(call)];
  call.setMayBeBilled(isSent);

  first.leave(PERSON);
  expect(call.cancelSignal.aborted).toBe(false);
  second.leave(CLOCK);

  expect(call.cancelSignal.aborted).toBe(!isSent);
});

describe("the deadline", () => {
  test("aborts the call's signal, and does not cancel it", async () => {
    const { call, clock } = startCall();
    expect(call.deadlineMs).toBe(5_000 + BUDGET_MS);

    await clock.advance(BUDGET_MS);
    await immediate();

    expect(call.signal.reason).toBeInstanceOf(DeadlineExceededError);
    expect(call.cancelSignal.aborted).toBe(false);
  });

  test("is over with the call, and keeps no timer", async () => {
    const running = startCall();

    await end(running);

    expect(running.clock.sleepers()).toBe(0);
  });
});

describe("the same call made again", () => {
  test.each([
    ["a second call while another hears of progress", [[]], SILENT_MS, false],
    ["a second call until a silent one may be gone", [undefined], SILENT_MS - 1, false],
    ["a retry once a silent one may be gone", [undefined], SILENT_MS, true],
    ["a second call while one of two may not be gone", [undefined, []], SILENT_MS, false],
  ])("is %s", async (_what, waiting, afterMs, isContinued) => {
    const { call, clock } = startCall();
    for (const told of waiting) joined(call, told);

    await clock.advance(afterMs);

    expect(call.isContinuedBy(KEY)).toBe(isContinued);
  });

  test("is a retry when no request waits", () => {
    const { call } = startCall();
    const { leave } = joined(call);
    call.setMayBeBilled(true);
    leave(CLOCK);
    expect([call.isContinuedBy(KEY), call.isContinuedBy("another key")]).toEqual([true, false]);

    call.cancel();

    expect(call.isContinuedBy(KEY)).toBe(false);
  });
});

describe("an outcome that no client received", () => {
  test("is kept for a quarter of an hour", async () => {
    const { call, clock } = await undelivered();

    await clock.advance(KEPT_MS - 1);
    expect([call.undelivered, call.isContinuedBy(KEY), call.isAlive]).toEqual([{ output: OUTPUT }, true, true]);
    await clock.advance(1);

    expect([call.undelivered, call.isContinuedBy(KEY), call.isAlive]).toEqual([undefined, false, false]);
  });

  test.each([
    ["is kept when images may have been billed", new UnknownOutcomeError("it broke"), true],
    ["is kept when it is a bug, whose price is unknown", new TypeError("x is not a function"), true],
    ["is not kept when it is a refusal", new MiniMaxApiError(1026, "", {}), false],
  ])("%s", async (_what, error, isKept) => {
    const { call } = await undelivered(error);

    expect(call.undelivered).toEqual(isKept ? { error } : undefined);
  });

  test("is not kept when nothing was sent", async () => {
    const running = startCall();
    const { waiter } = joined(running.call);
    await end(running);

    running.call.leave(waiter, { isAnswered: false });

    expect(running.call.isAlive).toBe(false);
  });
});

test.each([
  ["is not kept", 0, undefined, undefined, undefined],
  ["is kept for a silent client that may be gone", SILENT_MS, undefined, undefined, { output: OUTPUT }],
  ["is not kept for one that heard of progress", SILENT_MS, [], undefined, undefined],
  ["is not kept when it is an error", SILENT_MS, undefined, new UnknownOutcomeError("it broke"), undefined],
])("an outcome that was answered %s", async (_what, afterMs, told, error, kept) => {
  const running = startCall();
  const { call, clock } = running;
  const { waiter } = joined(call, told);
  call.setMayBeBilled(true);
  await clock.advance(afterMs);
  await end(running, error);

  call.leave(waiter, { isAnswered: true });

  expect(call.undelivered).toEqual(kept);
  expect(call.isMentioned).toBe(true);
});

test("every request that waits is told of the activity, a new one at once", () => {
  const { call } = startCall();
  const told: string[][] = [[], [], []];
  const { leave } = joined(call, told[0]);
  joined(call, told[1]);

  call.report(() => "generating", 20_000);
  leave(PERSON);
  joined(call, told[2]);
  call.report(() => "saving");

  expect(told).toEqual([["generating"], ["generating", "saving"], ["generating", "saving"]]);
});

test("the end aborts the signal but not saving, and then leaving does not", async () => {
  const running = startCall();
  const { call } = running;
  const { leave } = joined(call);
  call.setMayBeBilled(true);
  expect(call.isPaidFor).toBe(true);

  call.end();
  leave(PERSON);
  call.setMayBeBilled(false);

  expect([call.signal.aborted, call.cancelSignal.aborted]).toEqual([true, false]);
  await end(running);
  expect(call.isPaidFor).toBe(false);
});
