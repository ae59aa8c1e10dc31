import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Why a timer or listener of our own is stopped. A fresh exception each time, with its stack, would take longer than
 * the stopping.
 */
export const NO_LONGER_NEEDED = new Error("no longer needed");

/**
 * Aborts by itself or with its parent, whichever comes first, and stops following the parent when disposed. It takes
 * the place of `AbortSignal.any`, whose result Node 20 keeps in memory as long as the parent lives (nodejs/node 54614).
 */
export class LinkedAbortController extends AbortController implements Disposable {
  /** @param parent - followed until disposal; its reason is handed on */
  constructor(private readonly parent: AbortSignal) {
    super();
    setMaxListeners(Infinity, this.signal);
    if (parent.aborted) this.#follow();
    else parent.addEventListener("abort", this.#follow, { once: true });
  }

  [Symbol.dispose](): void {
    this.parent.removeEventListener("abort", this.#follow);
  }

  readonly #follow = (): void => {
    this.abort(this.parent.reason);
  };
}

/**
 * What `promise` settles with, unless the signal aborts first.
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
 * What work on the file system settles with. Once the signal aborts, the work has `graceMs` of real time to finish or
 * clean up after itself; a drive that does not answer by then is left alone.
 *
 * @throws the signal's reason when the work is left alone; otherwise what the work throws
 */
export async function unlessStuck<T>(work: Promise<T>, signal: AbortSignal, graceMs: number): Promise<T> {
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
