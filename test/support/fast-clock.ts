import type { Clock } from "../../src/timing/clock.ts";
import { systemClock } from "../../src/timing/clock.ts";

/** A clock on which time passes `speed` times faster than it does: a wait of a minute takes 60 ms at 1000. */
export function fastClock(speed: number): Clock {
  const originMs = systemClock.monotonicMs();
  return {
    monotonicMs: () => originMs + (systemClock.monotonicMs() - originMs) * speed,
    unixMs: () => systemClock.unixMs(),
    sleep: (ms, signal) => systemClock.sleep(ms / speed, signal),
  };
}
