import { describe, expect, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { fastClock } from "../../test/support/fast-clock.ts";
import { waitFor } from "../../test/support/wait-for.ts";
import { Watchdog } from "./stall-timer.ts";

const LIMIT_MS = 20_000;

describe("a watchdog", () => {
  test("counts from the moment it is made", async () => {
    const clock = manualClock();
    const watchdog = new Watchdog(clock, LIMIT_MS, new AbortController().signal);

    await clock.advance(LIMIT_MS - 1);
    expect(watchdog.signal.aborted).toBe(false);

    await clock.advance(1);
    expect(watchdog.signal.aborted).toBe(true);
  });

  test("stays quiet as long as something comes in time", async () => {
    const clock = manualClock();
    const watchdog = new Watchdog(clock, LIMIT_MS, new AbortController().signal);

    for (let chunk = 0; chunk < 100; chunk += 1) {
      await clock.advance(LIMIT_MS - 1);
      watchdog.reset();
    }

    expect(watchdog.signal.aborted).toBe(false);
  });

  test("barks a whole limit after the last sign of life", async () => {
    const clock = manualClock();
    const watchdog = new Watchdog(clock, LIMIT_MS, new AbortController().signal);
    await clock.advance(LIMIT_MS - 1);
    watchdog.reset();

    await clock.advance(LIMIT_MS - 1);
    expect(watchdog.signal.aborted).toBe(false);

    await clock.advance(1);
    expect(watchdog.signal.aborted).toBe(true);
  });

  test("does not bark after it was stopped, and keeps no timer", async () => {
    const clock = manualClock();
    const watchdog = new Watchdog(clock, LIMIT_MS, new AbortController().signal);
    watchdog.reset();

    watchdog.stop();
    watchdog.stop();
    await clock.advance(LIMIT_MS * 10);

    expect(clock.sleepers()).toBe(0);
    expect(watchdog.signal.aborted).toBe(false);
  });

  test("keeps one timer, however often it is reset", () => {
    const clock = manualClock();
    const watchdog = new Watchdog(clock, LIMIT_MS, new AbortController().signal);

    for (let chunk = 0; chunk < 100; chunk += 1) watchdog.reset();

    expect(clock.sleepers()).toBe(1);
  });

  test("gives the same signal before and after a reset", async () => {
    const clock = manualClock();
    const watchdog = new Watchdog(clock, LIMIT_MS, new AbortController().signal);
    const { signal } = watchdog;

    watchdog.reset();
    await clock.advance(LIMIT_MS);

    expect(signal.aborted).toBe(true);
    expect(watchdog.signal).toBe(signal);
  });

  test("is not quieted by a reset that comes too late", async () => {
    const clock = manualClock();
    const watchdog = new Watchdog(clock, LIMIT_MS, new AbortController().signal);
    await clock.advance(LIMIT_MS);

    watchdog.reset();
    watchdog.stop();

    expect(watchdog.signal.aborted).toBe(true);
  });

  test("barks in real time, too", async () => {
    const watchdog = new Watchdog(fastClock(1000), LIMIT_MS, new AbortController().signal);

    await waitFor("the watchdog", () => watchdog.signal.aborted);
  });

  test("aborts with its parent and its reason, without having barked", () => {
    const parent = new AbortController();
    const reason = new Error("cancelled");
    const watchdog = new Watchdog(manualClock(), LIMIT_MS, parent.signal);

    parent.abort(reason);

    expect(watchdog.signal.reason).toBe(reason);
    expect(watchdog.hasBarked).toBe(false);
  });

  test("is aborted from the beginning when its parent is", () => {
    const watchdog = new Watchdog(manualClock(), LIMIT_MS, AbortSignal.abort());

    expect(watchdog.signal.aborted).toBe(true);
  });

  test("does not follow its parent after the end of the watch", () => {
    const parent = new AbortController();
    const watchdog = new Watchdog(manualClock(), LIMIT_MS, parent.signal);

    watchdog.stop();
    parent.abort();

    expect(watchdog.signal.aborted).toBe(false);
  });
});
