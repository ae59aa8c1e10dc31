import { nextTick } from "node:process";
import { setImmediate as immediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { type ManualClock, manualClock } from "../../test/support/manual-clock.ts";
import { DeadlineExceededError } from "../errors.ts";
import type { Clock } from "./clock.ts";
import { Deadline } from "./deadline.ts";

const START_MS = 5_000;
const BUDGET_MS = 230_000;

function startDeadline(): { deadline: Deadline; clock: ManualClock } {
  const clock = manualClock(START_MS);
  return { deadline: new Deadline(clock, BUDGET_MS), clock };
}

/** A clock that is woken by hand, however late. */
function sleepyClock(): { clock: Clock; wakeAt: (ms: number) => Promise<void> } {
  let nowMs = 0;
  const sleepers: (() => void)[] = [];
  return {
    clock: {
      monotonicMs: () => nowMs,
      unixMs: () => nowMs,
      sleep: () => new Promise((resolve) => sleepers.push(resolve)),
    },
    wakeAt: async (ms) => {
      nowMs = ms;
      sleepers.shift()?.();
      await new Promise(nextTick);
    },
  };
}

test("the deadline lies on the clock's own scale", () => {
  expect(startDeadline().deadline.atMs).toBe(START_MS + BUDGET_MS);
});

test("the signal aborts when the budget is used up, and says how long it was", async () => {
  const { deadline, clock } = startDeadline();

  await clock.advance(BUDGET_MS - 1);
  await immediate();
  expect(deadline.signal.aborted).toBe(false);
  await clock.advance(1);
  await immediate();

  expect(deadline.signal.reason).toBeInstanceOf(DeadlineExceededError);
  expect(deadline.signal.reason).toMatchObject({ budgetMs: BUDGET_MS });
});

test("a deadline that is disposed of never strikes, and keeps no timer", async () => {
  const { deadline, clock } = startDeadline();
  expect(clock.sleepers()).toBe(1);

  deadline[Symbol.dispose]();
  await clock.advance(BUDGET_MS * 2);
  await immediate();

  expect(clock.sleepers()).toBe(0);
  expect(deadline.signal.aborted).toBe(false);
});

test("data that has already arrived is read before the signal aborts", async () => {
  const { clock, wakeAt } = sleepyClock();
  const deadline = new Deadline(clock, BUDGET_MS);

  await wakeAt(BUDGET_MS);
  expect(deadline.signal.aborted).toBe(false);
  await immediate();

  expect(deadline.signal.aborted).toBe(true);
});

test("a deadline that comes much too late leaves a moment for a response", async () => {
  const { clock, wakeAt } = sleepyClock();
  const deadline = new Deadline(clock, BUDGET_MS);

  await wakeAt(BUDGET_MS + 60_000);
  await immediate();
  await immediate();
  expect(deadline.signal.aborted).toBe(false);
  await wakeAt(BUDGET_MS + 62_000);

  expect(deadline.signal.aborted).toBe(true);
});

test("a deadline that is disposed of in that moment does not strike", async () => {
  const { clock, wakeAt } = sleepyClock();
  const deadline = new Deadline(clock, BUDGET_MS);
  await wakeAt(BUDGET_MS + 60_000);
  await immediate();

  deadline[Symbol.dispose]();
  await wakeAt(BUDGET_MS + 62_000);
  await immediate();

  expect(deadline.signal.aborted).toBe(false);
});
