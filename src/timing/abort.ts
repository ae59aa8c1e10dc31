import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "./clock.ts";

/** Why a timer or listener of our own is stopped. One for all: a fresh exception with its stack costs more. */
export const NO_LONGER_NEEDED = new Error("no longer needed");

/**
 * Settles as `promise` does, unless the signal aborts first.
 *
 * @throws the signal's reason as soon as it aborts; `promise` is then left alone, and a later rejection of it is
 *   swallowed
 */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(signal.reason);
    };
    const settle = (): void => {
      signal.removeEventListener("abort", abort);
    };
    promise.then(resolve, reject).finally(settle);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}

/**
 * Settles as `promise` does, or resolves with undefined after `limitMs`; `promise` is then left alone.
 *
 * @throws the signal's reason as soon as it aborts
 */
export async function within<T>(
  promise: Promise<T>,
  limitMs: number,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<T | undefined> {
  const settled = new AbortController();
  const timeUp = clock.sleep(limitMs, settled.signal).then(
    () => undefined,
    () => undefined,
  );
  try {
    return await unlessAborted(Promise.race([promise, timeUp]), signal);
  } finally {
    settled.abort(NO_LONGER_NEEDED);
  }
}

/**
 * Awaits file-system work. Once the signal aborts, the work has `graceMs` of real time to finish or clean up after
 * itself; a drive that does not respond by then is left alone.
 *
 * @throws the signal's reason when the work is left alone; otherwise what the work throws
 */
export async function withGrace<T>(work: Promise<T>, signal: AbortSignal, graceMs: number): Promise<T> {
  try {
    return await unlessAborted(work, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    const settled = new AbortController();
    const grace = sleep(graceMs, undefined, { signal: settled.signal }).then(
      () => {
        throw error;
      },
      () => work,
    );
    try {
      return await Promise.race([work, grace]);
    } finally {
      settled.abort(NO_LONGER_NEEDED);
    }
  }
}
