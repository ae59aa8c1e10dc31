import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "./clock.ts";

const TIME_UP = Symbol("time is up");

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
    else signal.addEventListener("abort", abort);
  });
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
    const grace = sleep(graceMs, undefined, { ref: false }).then(() => {
      throw error;
    });
    return await Promise.race([work, grace]);
  }
}

/** A limit on each of many waits in a row, with one timer for all of them. Disposing stops it. */
export class WaitLimit implements Disposable {
  readonly #ended = new AbortController();
  readonly #signal: AbortSignal;
  #timer: Promise<typeof TIME_UP> | undefined;

  /**
   * @param limitMs - of one wait, in milliseconds
   * @param signal - ends a wait with its reason
   */
  constructor(
    private readonly clock: Clock,
    private readonly limitMs: number,
    signal: AbortSignal,
  ) {
    this.#signal = AbortSignal.any([signal, this.#ended.signal]);
  }

  /**
   * Settles as `promise` does, or resolves with undefined once the limit has passed, at twice its time at the latest;
   * `promise` is then left alone.
   *
   * @throws the signal's reason as soon as it aborts
   */
  async wait<T>(promise: Promise<T>): Promise<T | undefined> {
    const sinceMs = this.clock.monotonicMs();
    for (;;) {
      const result = await Promise.race([promise, (this.#timer ??= this.#start())]);
      if (result !== TIME_UP) return result;
      this.#timer = undefined;
      if (this.clock.monotonicMs() - sinceMs >= this.limitMs) return undefined;
    }
  }

  [Symbol.dispose](): void {
    this.#ended.abort(NO_LONGER_NEEDED);
  }

  #start(): Promise<typeof TIME_UP> {
    const timer = this.clock.sleep(this.limitMs, this.#signal).then((): typeof TIME_UP => TIME_UP);
    timer.catch(() => undefined);
    return timer;
  }
}
