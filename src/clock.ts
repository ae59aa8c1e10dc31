import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

/** The only source of time. Tests give one that runs faster. */
export interface Clock {
  /** Milliseconds that never go backwards, from an arbitrary origin: for budgets, waits and windows. */
  monotonicMs(): number;
  /** Milliseconds since the Unix epoch: for file names and HTTP dates. */
  unixMs(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason as soon as it aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** The time of this machine. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  unixMs: () => Date.now(),
  async sleep(ms, signal) {
    signal.throwIfAborted();
    try {
      await sleep(ms, undefined, { signal });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  },
};
