import { setImmediate as immediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { type ManualClock, manualClock } from "../../test/support/manual-clock.ts";
import { DeadlineExceededError } from "../errors.ts";
import { Deadline } from "./deadline.ts";

const START_MS = 5_000;
const BUDGET_MS = 230_000;

/** @param lateMs - how much longer each sleep takes than it was told */
function startDeadline(lateMs = 0): { deadline: Deadline; clock: ManualClock } {
  const clock = manualClock(START_MS);
  const lateClock = { ...clock, sleep: (ms: number, signal: AbortSignal) => clock.sleep(ms + lateMs, signal) };
  return { deadline: new Deadline(lateClock, BUDGET_MS), clock };
}

test.each([0, 250])("a deadline noticed %i ms late strikes once data is read", async (lateMs) => {
  const { deadline, clock } = startDeadline(lateMs);
  expect(deadline.atMs).toBe(START_MS + BUDGET_MS);

  await clock.advance(BUDGET_MS + lateMs);
  expect(deadline.signal.aborted).toBe(false);
  await immediate();

  expect(deadline.signal.reason).toBeInstanceOf(DeadlineExceededError);
  expect(deadline.signal.reason).toMatchObject({ budgetMs: BUDGET_MS });
});

test("a deadline noticed later still leaves a moment for a response", async () => {
  const lateMs = 251;
  const { deadline, clock } = startDeadline(lateMs);
  await clock.advance(BUDGET_MS + lateMs);
  await immediate();

  await clock.advance(2_000 + lateMs - 1);
  expect(deadline.signal.aborted).toBe(false);
  await clock.advance(1);

  expect(deadline.signal.aborted).toBe(true);
});

test.each([0, BUDGET_MS])("a deadline that is disposed of after %i ms never strikes", async (ms) => {
  const { deadline, clock } = startDeadline();
  await clock.advance(ms);

  deadline[Symbol.dispose]();
  await clock.advance(BUDGET_MS * 2);
  await immediate();

  expect(clock.sleepers()).toBe(0);
  expect(deadline.signal.aborted).toBe(false);
});
