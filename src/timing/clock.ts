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
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const abort = (): void => {
        clearTimeout(timer);
        reject(signal.reason);
      };
      const timer = setTimeout(() => {
        signal.removeEventListener("abort", abort);
        resolve();
      }, ms);
      if (signal.aborted) abort();
      else signal.addEventListener("abort", abort);
    }),
};
