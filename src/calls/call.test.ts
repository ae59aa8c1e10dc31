import { setImmediate as immediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { deferred } from "../../test/support/deferred.ts";
import { manualClock } from "../../test/support/manual-clock.ts";
import { DeadlineExceededError, MiniMaxApiError, UnknownOutcomeError, UserFacingError } from "../errors.ts";
import type { ToolOutput } from "../schemas.ts";
import { Call, type Waiter } from "./call.ts";

const KEY = "key";
const BUDGET_MS = 230_000;
const SILENT_MS = 55_000;
const CLOCK = "McpError: MCP error -32001: Request timed out";
const PERSON = "AbortError: user-cancel";
const OUTPUT: ToolOutput = {
  image_count: 0,
  saved_count: 0,
  file_paths: [],
  metadata: { failed_count: "0", success_count: "0" },
  images: [],
};

function startCall({ isSent = false } = {}) {
  const clock = manualClock(5_000);
  const work = deferred<ToolOutput>();
  const call = new Call({ key: KEY, title: "a cat", clock, budgetMs: BUDGET_MS }, () => work.promise);
  if (isSent) call.setMayBeBilled(true);
  return {
    call,
    clock,
    end: (error?: Error) => {
      if (error === undefined) work.resolve(OUTPUT);
      else work.reject(error);
      return call.outcome;
    },
  };
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

describe("a call without a client request", () => {
  test.each([
    ["goes on, left by a clock after sending", true, CLOCK, false],
    ["is cancelled, left by a clock before sending", false, CLOCK, true],
    ["is cancelled, left by a person after sending", true, PERSON, true],
    ["is cancelled, left by a person before sending", false, PERSON, true],
    ["is cancelled, left without a reason", true, undefined, true],
  ])("%s", (_what, isSent, reason, isCancelled) => {
    const { call } = startCall({ isSent });
    const { waiter, leave } = joined(call);

    leave(reason);

    expect([call.cancelSignal.aborted, call.signal.aborted]).toEqual([isCancelled, isCancelled]);
    if (isCancelled) expect(call.signal.reason).toBe(waiter.signal.reason);
    expect([call.isContinuedBy(KEY), call.isContinuedBy("another key")]).toEqual([!isCancelled, false]);
  });

  test("is cancelled once nothing was generated", () => {
    const { call } = startCall({ isSent: true });
    joined(call).leave(CLOCK);

    call.setMayBeBilled(false);

    expect(call.cancelSignal.aborted).toBe(true);
  });
});

test.each([
  ["before", false],
  ["after", true],
])("a person who leaves %s sending does not end the call of another", (_when, isSent) => {
  const { call } = startCall({ isSent });
  const [first, second] = [joined(call), joined(call)];

  first.leave(PERSON);
  expect(call.cancelSignal.aborted).toBe(false);
  second.leave(CLOCK);

  expect(call.cancelSignal.aborted).toBe(!isSent);
});

test("the deadline aborts the call's signal, and does not cancel it", async () => {
  const { call, clock } = startCall();
  expect(call.deadlineMs).toBe(5_000 + BUDGET_MS);

  await clock.advance(BUDGET_MS);
  await immediate();

  expect(call.signal.reason).toBeInstanceOf(DeadlineExceededError);
  expect(call.cancelSignal.aborted).toBe(false);
});

test("the deadline is over with the call, and keeps no timer", async () => {
  const { clock, end } = startCall();

  await end();

  expect(clock.sleepers()).toBe(0);
});

test.each([
  ["a second call while another hears of progress", [[]], SILENT_MS, false],
  ["a second call until a silent one may be gone", [undefined], SILENT_MS - 1, false],
  ["a retry once a silent one may be gone", [undefined], SILENT_MS, true],
  ["a second call while one of two may not be gone", [undefined, []], SILENT_MS, false],
])("the same call made again is %s", async (_what, waiting, afterMs, isContinued) => {
  const { call, clock } = startCall();
  for (const told of waiting) joined(call, told);

  await clock.advance(afterMs);

  expect(call.isContinuedBy(KEY)).toBe(isContinued);
});

test.each([
  ["is kept when images were saved", true, undefined, true],
  ["is kept when images may have been billed", true, new UnknownOutcomeError("it broke"), true],
  ["is kept when it is a bug, whose price is unknown", true, new TypeError("x is not a function"), true],
  ["is not kept when it is a refusal", true, new MiniMaxApiError(1026, "", {}), false],
  ["is not kept when nothing was sent", false, undefined, false],
])("an outcome that no client received %s", async (_what, isSent, error, isKept) => {
  const { call, end } = startCall({ isSent });
  const { leave } = joined(call);
  const outcome = await end(error);
  expect([call.isAlive, call.undelivered]).toEqual([true, undefined]);

  leave(CLOCK);

  expect([call.isAlive, call.undelivered]).toEqual([isKept, isKept ? outcome : undefined]);
});

test.each([
  ["is not kept", 0, undefined, undefined, false],
  ["is kept for a silent client that may be gone", SILENT_MS, undefined, undefined, true],
  ["is not kept for one that heard of progress", SILENT_MS, [], undefined, false],
  ["is not kept when it is an error", SILENT_MS, undefined, new UnknownOutcomeError("it broke"), false],
])("an outcome that was answered %s", async (_what, afterMs, told, error, isKept) => {
  const { call, clock, end } = startCall({ isSent: true });
  const { waiter } = joined(call, told);
  await clock.advance(afterMs);
  await end(error);

  call.leave(waiter, { isAnswered: true });

  expect(call.undelivered).toEqual(isKept ? { output: OUTPUT } : undefined);
  expect(call.isMentioned).toBe(true);
});

test("a client that fetches its result decides whether it may be gone", async () => {
  const { call, end } = startCall({ isSent: true });
  let isGone = false;
  let receive = (): void => undefined;
  const delivery: Waiter["delivery"] = {
    mayBeGone: () => isGone,
    onReceived: (listener) => (receive = listener),
  };
  const waiter = { signal: new AbortController().signal, report: () => undefined, delivery };
  call.join(waiter);
  expect(call.isContinuedBy(KEY)).toBe(false);
  isGone = true;
  expect(call.isContinuedBy(KEY)).toBe(true);

  const outcome = await end();
  call.leave(waiter, { isAnswered: true });

  expect(call.undelivered).toBe(outcome);
  receive();
  expect(call.undelivered).toBeUndefined();
});

test("every request that waits is told of the activity, a new one at once", () => {
  const { call } = startCall();
  const told: string[][] = [[], [], []];
  const { leave } = joined(call, told[0]);
  joined(call, told[1]);
  joined(call);

  call.report(() => "generating", 20_000);
  leave(PERSON);
  joined(call, told[2]);
  joined(call);
  call.report(() => "saving");

  expect(told).toEqual([["generating"], ["generating", "saving"], ["generating", "saving"]]);
});

test("the end aborts the signal but not saving, and then leaving does not", async () => {
  const { call, end } = startCall({ isSent: true });
  const { leave } = joined(call);
  expect(call.isPaidFor).toBe(true);

  call.end();
  leave(PERSON);
  call.setMayBeBilled(false);

  expect(call.signal.reason).toEqual(new UserFacingError("The server has ended."));
  expect(call.cancelSignal.aborted).toBe(false);
  await end();
  expect(call.isPaidFor).toBe(false);
});
