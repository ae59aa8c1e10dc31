import { getEventListeners } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { systemClock } from "./clock.ts";

const TIMER_SLACK_MS = 2;
const AN_HOUR_MS = 3_600_000;

test("the clock never goes backwards", async () => {
  const readings: number[] = [];
  for (let count = 0; count < 50; count += 1) {
    readings.push(systemClock.monotonicMs());
    await nextTurn();
  }

  expect(readings).toEqual(readings.toSorted((left, right) => left - right));
  expect(readings.at(-1)).toBeGreaterThan(readings[0] ?? Infinity);
});

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

test.each([
  ["an error", new Error("the client cancelled")],
  ["a text", "closing"],
  ["an object", { code: 7 }],
])("a sleep that is aborted rejects with the reason itself: %s", async (_kind, reason) => {
  const controller = new AbortController();
  const sleeping = systemClock.sleep(AN_HOUR_MS, controller.signal);
  await nextTurn();

  controller.abort(reason);

  await expect(sleeping).rejects.toBe(reason);
});

test.each([0, AN_HOUR_MS])("a sleep of %i ms does not begin after an abort", async (ms) => {
  const reason = new Error("too late");

  await expect(systemClock.sleep(ms, AbortSignal.abort(reason))).rejects.toBe(reason);
});
