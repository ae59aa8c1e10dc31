import { once } from "node:events";

/**
 * What `promise` settles with, unless the signal aborts first.
 *
 * @throws the signal's reason as soon as it aborts; `promise` is then left alone, and a later rejection of it is swallowed
 */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  promise.catch(() => undefined);
  signal.throwIfAborted();
  const stop = new AbortController();
  const aborted = once(signal, "abort", { signal: stop.signal }).then((): never => {
    throw signal.reason;
  });
  aborted.catch(() => undefined);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    stop.abort();
  }
}
