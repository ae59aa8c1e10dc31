import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../../src/timing/clock.ts";

/** A clock that stands still until the test moves it. */
export interface ManualClock extends Clock {
  /** How many are asleep. */
  readonly sleepers: () => number;
  /** Moves on by so many milliseconds, waking sleepers one after the other at their time. */
  readonly advance: (ms: number) => Promise<void>;
}

/** Makes a clock that shows `originMs`. */
export function manualClock(originMs = 0): ManualClock {
  let nowMs = originMs;
  const sleepers = new Set<{ untilMs: number; wake: () => void }>();
  const wakeNext = (untilMs: number): boolean => {
    const [next] = [...sleepers].toSorted((left, right) => left.untilMs - right.untilMs);
    if (next === undefined || next.untilMs > untilMs) return false;
    nowMs = Math.max(nowMs, next.untilMs);
    next.wake();
    return true;
  };
  return {
    monotonicMs: () => nowMs,
    unixMs: () => nowMs,
    async sleep(ms, signal) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          sleepers.delete(sleeper);
          signal.removeEventListener("abort", wake);
          resolve();
        };
        const sleeper = { untilMs: nowMs + ms, wake };
        sleepers.add(sleeper);
        signal.addEventListener("abort", wake);
      });
      signal.throwIfAborted();
    },
    sleepers: () => sleepers.size,
    async advance(ms) {
      const untilMs = nowMs + ms;
      await nextTurn();
      while (wakeNext(untilMs)) await nextTurn();
      nowMs = untilMs;
    },
  };
}
