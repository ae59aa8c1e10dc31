/**
 * Why a timer or listener of our own is stopped. A fresh exception each time, with its stack, would take longer than
 * the stopping.
 */
export const NO_LONGER_NEEDED = new Error("no longer needed");

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
