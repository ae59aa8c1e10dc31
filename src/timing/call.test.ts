import { setImmediate as immediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { type ManualClock, manualClock } from "../../test/support/manual-clock.ts";
import { DeadlineExceededError } from "../errors.ts";
import { type Activity, type Call, startCall } from "./call.ts";

const BUDGET_MS = 230_000;

function startTestCall(): {
  call: Call & Disposable;
  clock: ManualClock;
  client: AbortController;
  activities: Activity[];
} {
  const clock = manualClock(5_000);
  const client = new AbortController();
  const activities: Activity[] = [];
  const call = startCall({
    cancelSignal: client.signal,
    clock,
    budgetMs: BUDGET_MS,
    onActivity: (activity) => {
      activities.push(activity);
    },
  });
  return { call, clock, client, activities };
}

/** Moves the clock, and lets the event loop read once. */
async function advance(clock: ManualClock, ms: number): Promise<void> {
  await clock.advance(ms);
  await immediate();
}

test("the budget of a call ends on the clock's own scale", () => {
  expect(startTestCall().call.deadlineMs).toBe(5_000 + BUDGET_MS);
});

test("the budget of a call leaves the call alone until the last moment", async () => {
  const { call, clock } = startTestCall();

  await advance(clock, BUDGET_MS - 1);

  expect(call.signal.aborted).toBe(false);
});

test("the budget of a call aborts the call when it is used up, and says how long it was", async () => {
  const { call, clock } = startTestCall();

  await advance(clock, BUDGET_MS);

  expect(call.signal.reason).toBeInstanceOf(DeadlineExceededError);
  expect(call.signal.reason).toMatchObject({ budgetMs: BUDGET_MS });
});

test("the budget of a call does not count as a cancellation: what was paid for is still saved", async () => {
  const { call, clock } = startTestCall();

  await advance(clock, BUDGET_MS);

  expect(call.cancelSignal.aborted).toBe(false);
});

test("the budget of a call does not matter any more once the call has ended, and keeps no timer", async () => {
  const { call, clock } = startTestCall();
  expect(clock.sleepers()).toBe(1);

  call[Symbol.dispose]();
  await advance(clock, BUDGET_MS * 2);

  expect(clock.sleepers()).toBe(0);
  expect(call.signal.aborted).toBe(false);
});

test("the budget of a call may be ended twice, also after it was used up", async () => {
  const { call, clock } = startTestCall();
  await advance(clock, BUDGET_MS);

  call[Symbol.dispose]();
  call[Symbol.dispose]();

  expect(call.signal.reason).toBeInstanceOf(DeadlineExceededError);
});

test("a call that the client cancels aborts at once with the client's reason", () => {
  const { call, client } = startTestCall();
  const reason = new Error("the person pressed escape");

  client.abort(reason);

  expect(call.signal.reason).toBe(reason);
  expect(call.cancelSignal.reason).toBe(reason);
});

test("a call that the client cancels keeps that reason when the time is used up afterwards", async () => {
  const { call, client, clock } = startTestCall();
  const reason = new Error("the person pressed escape");
  client.abort(reason);

  await advance(clock, BUDGET_MS);

  expect(call.signal.reason).toBe(reason);
});

test("a call that the client cancels is known as cancelled also when the time was used up before", async () => {
  const { call, client, clock } = startTestCall();
  await advance(clock, BUDGET_MS);
  const reason = new Error("the person pressed escape");

  client.abort(reason);

  expect(call.cancelSignal.reason).toBe(reason);
  expect(call.signal.reason).toBeInstanceOf(DeadlineExceededError);
});

test("a call that the client cancels has aborted from the start when it was cancelled before it started", () => {
  const reason = new Error("already gone");
  const call = startCall({
    cancelSignal: AbortSignal.abort(reason),
    clock: manualClock(0),
    budgetMs: BUDGET_MS,
    onActivity: () => undefined,
  });

  expect(call.signal.reason).toBe(reason);
});

test("what a call does is passed on as it is", () => {
  const { call, activities } = startTestCall();
  const activity = (nowMs: number): string => `generating since ${nowMs}`;

  call.onActivity(activity);

  expect(activities).toEqual([activity]);
});

test("a deadline that comes much too late leaves a moment for an answer that came in time", async () => {
  let nowMs = 0;
  const wake: (() => void)[] = [];
  const clock = {
    monotonicMs: () => nowMs,
    unixMs: () => nowMs,
    sleep: () => new Promise<void>((resolve) => wake.push(resolve)),
  };
  using call = startCall({
    cancelSignal: new AbortController().signal,
    clock,
    budgetMs: BUDGET_MS,
    onActivity: () => undefined,
  });

  nowMs = BUDGET_MS + 60_000;
  wake.shift()?.();
  await immediate();
  await immediate();
  const wasAborted = call.signal.aborted;
  wake.shift()?.();
  await immediate();

  expect([wasAborted, call.signal.aborted]).toEqual([false, true]);
});

test("calls do not share their budgets", async () => {
  const clock = manualClock(0);
  const start = (budgetMs: number): Call =>
    startCall({ cancelSignal: new AbortController().signal, clock, budgetMs, onActivity: () => undefined });
  const short = start(1_000);
  const long = start(2_000);

  await advance(clock, 1_000);

  expect([short.signal.aborted, long.signal.aborted]).toEqual([true, false]);
});
