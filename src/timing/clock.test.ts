import { getEventListeners } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { systemClock } from "./clock.ts";

const TIMER_SLACK_MS = 2;
const AN_HOUR_MS = 3_600_000;

test("the clock knows the date", () => {
  const beforeMs = Date.now();
  const nowMs = systemClock.unixMs();

  expect(nowMs).toBeGreaterThanOrEqual(beforeMs);
  expect(nowMs).toBeLessThanOrEqual(Date.now());
});

test("a sleep lasts as long as it was told, and listens no longer", async () => {
  const { signal } = new AbortController();
  const sinceMs = systemClock.monotonicMs();

  await systemClock.sleep(40, signal);

  expect(systemClock.monotonicMs() - sinceMs).toBeGreaterThanOrEqual(40 - TIMER_SLACK_MS);
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

test("a sleep that is aborted rejects with the reason itself", async () => {
  const controller = new AbortController();
  const sleeping = systemClock.sleep(AN_HOUR_MS, controller.signal);
  await nextTurn();

  controller.abort("closing");

  await expect(sleeping).rejects.toBe("closing");
  await expect(systemClock.sleep(0, controller.signal)).rejects.toBe("closing");
});
