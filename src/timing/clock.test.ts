import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { systemClock } from "./clock.ts";

const TIMER_SLACK_MS = 2;
const AN_HOUR_MS = 3_600_000;

test("the clock of this machine never goes backwards", async () => {
  const readings: number[] = [];
  for (let count = 0; count < 50; count += 1) {
    readings.push(systemClock.monotonicMs());
    await nextTurn();
  }

  expect(readings).toEqual(readings.toSorted((left, right) => left - right));
  expect(readings.at(-1)).toBeGreaterThan(readings[0] ?? Infinity);
});

test("the clock of this machine knows the date", () => {
  const beforeMs = Date.now();
  const nowMs = systemClock.unixMs();

  expect(nowMs).toBeGreaterThanOrEqual(beforeMs);
  expect(nowMs).toBeLessThanOrEqual(Date.now());
});

test("the clock of this machine sleeps as long as it was told", async () => {
  const sinceMs = systemClock.monotonicMs();

  await systemClock.sleep(40, new AbortController().signal);

  expect(systemClock.monotonicMs() - sinceMs).toBeGreaterThanOrEqual(40 - TIMER_SLACK_MS);
});

test.each([
  ["an error", new Error("the client cancelled")],
  ["a text", "closing"],
  ["an object", { code: 7 }],
])("a sleep whose signal aborts rejects with the reason itself when that is %s", async (_kind, reason) => {
  const controller = new AbortController();
  const sleeping = systemClock.sleep(AN_HOUR_MS, controller.signal);
  await nextTurn();

  controller.abort(reason);

  await expect(sleeping).rejects.toBe(reason);
});

test("a sleep whose signal aborts does not even begin when the signal has aborted before", async () => {
  const reason = new Error("too late");

  await expect(systemClock.sleep(AN_HOUR_MS, AbortSignal.abort(reason))).rejects.toBe(reason);
  await expect(systemClock.sleep(0, AbortSignal.abort(reason))).rejects.toBe(reason);
});

test("a sleep whose signal aborts is not touched by an abort after its end", async () => {
  const controller = new AbortController();
  const sleeping = systemClock.sleep(0, controller.signal);
  await sleeping;

  controller.abort(new Error("late"));

  await expect(sleeping).resolves.toBeUndefined();
});
