import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../../src/timing/clock.ts";

/** A clock on which every sleep is over at once, and has taken its time. */
export interface InstantClock extends Clock {
  /** Every sleep so far, in milliseconds. */
  readonly sleeps: readonly number[];
}

/** Makes a clock that begins at `originMs` and whose `unixMs` stands still. */
export function instantClock({ originMs = 5_000, unixMs = 0 } = {}): InstantClock {
  let nowMs = originMs;
  const sleeps: number[] = [];
  return {
    sleeps,
    monotonicMs: () => nowMs,
    unixMs: () => unixMs,
    async sleep(ms, signal) {
      signal.throwIfAborted();
      sleeps.push(ms);
      nowMs += ms;
      await nextTurn(undefined, { signal });
    },
  };
}
