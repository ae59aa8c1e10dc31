import { expect, test } from "vitest";
import { fastClock } from "../../test/support/fast-clock.ts";
import { manualClock } from "../../test/support/manual-clock.ts";
import { waitFor } from "../../test/support/wait-for.ts";
import { StallTimer } from "./stall-timer.ts";

const LIMIT_MS = 20_000;

test("a stall timer counts from the moment it is made", async () => {
  const clock = manualClock();
  const stallTimer = new StallTimer(clock, LIMIT_MS, new AbortController().signal);

  await clock.advance(LIMIT_MS - 1);
  expect(stallTimer.signal.aborted).toBe(false);

  await clock.advance(1);
  expect(stallTimer.signal.aborted).toBe(true);
});

test("a stall timer stays quiet as long as something comes in time", async () => {
  const clock = manualClock();
  const stallTimer = new StallTimer(clock, LIMIT_MS, new AbortController().signal);

  for (let chunk = 0; chunk < 100; chunk += 1) {
    await clock.advance(LIMIT_MS - 1);
    stallTimer.touch();
  }

  expect(stallTimer.signal.aborted).toBe(false);
});

test("a stall timer aborts a whole limit after the last sign of life", async () => {
  const clock = manualClock();
  const stallTimer = new StallTimer(clock, LIMIT_MS, new AbortController().signal);
  await clock.advance(LIMIT_MS - 1);
  stallTimer.touch();

  await clock.advance(LIMIT_MS - 1);
  expect(stallTimer.signal.aborted).toBe(false);

  await clock.advance(1);
  expect(stallTimer.signal.aborted).toBe(true);
});

test("a stall timer does not count while it is paused, and counts a whole limit after that", async () => {
  const clock = manualClock();
  const stallTimer = new StallTimer(clock, LIMIT_MS, new AbortController().signal);
  stallTimer.pause();
  await clock.advance(LIMIT_MS * 3 - 1);
  stallTimer.touch();

  await clock.advance(LIMIT_MS - 1);
  expect(stallTimer.signal.aborted).toBe(false);

  await clock.advance(1);
  expect(stallTimer.signal.aborted).toBe(true);
});

test("a stall timer does not abort after it was stopped, and keeps no timer", async () => {
  const clock = manualClock();
  const stallTimer = new StallTimer(clock, LIMIT_MS, new AbortController().signal);
  stallTimer.touch();

  stallTimer[Symbol.dispose]();
  stallTimer[Symbol.dispose]();
  await clock.advance(LIMIT_MS * 10);

  expect(clock.sleepers()).toBe(0);
  expect(stallTimer.signal.aborted).toBe(false);
});

test("a stall timer is not quieted by a reset that comes too late", async () => {
  const clock = manualClock();
  const stallTimer = new StallTimer(clock, LIMIT_MS, new AbortController().signal);
  await clock.advance(LIMIT_MS);

  stallTimer.touch();
  stallTimer[Symbol.dispose]();

  expect(stallTimer.signal.aborted).toBe(true);
});

test("a stall timer aborts in real time, too", async () => {
  const stallTimer = new StallTimer(fastClock(1000), LIMIT_MS, new AbortController().signal);

  await waitFor("the abort", () => stallTimer.signal.aborted);
});

test("a stall timer aborts with its parent and its reason, without having stalled", () => {
  const parent = new AbortController();
  const reason = new Error("cancelled");
  const stallTimer = new StallTimer(manualClock(), LIMIT_MS, parent.signal);

  parent.abort(reason);

  expect(stallTimer.signal.reason).toBe(reason);
  expect(stallTimer.stalled).toBe(false);
});

test("a stall timer is aborted from the beginning when its parent is", () => {
  const stallTimer = new StallTimer(manualClock(), LIMIT_MS, AbortSignal.abort());

  expect(stallTimer.signal.aborted).toBe(true);
});

test("a stall timer does not follow its parent after the end of the watch", () => {
  const parent = new AbortController();
  const stallTimer = new StallTimer(manualClock(), LIMIT_MS, parent.signal);

  stallTimer[Symbol.dispose]();
  parent.abort();

  expect(stallTimer.signal.aborted).toBe(false);
});
