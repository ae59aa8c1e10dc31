import { setMaxListeners } from "node:events";
import { DeadlineExceededError } from "../errors.ts";
import { NO_LONGER_NEEDED } from "./abort.ts";
import type { Clock } from "./clock.ts";

/**
 * Says in a few words what is being done; asked again each time it is shown, with the monotonic time in milliseconds.
 */
export type Activity = (nowMs: number) => string;

/** What travels along with one tool call. */
export interface Call {
  /**
   * Aborts when the client cancels, the server closes, or the time is used up; the reason is a `DeadlineExceededError`
   * in the last case only.
   */
  readonly signal: AbortSignal;
  /**
   * Aborts only when nobody waits for the result any more: what was paid for is still saved when merely the time is
   * used up.
   */
  readonly cancelSignal: AbortSignal;
  /** End of the budget, in monotonic milliseconds. */
  readonly deadlineMs: number;
  /** Takes note of what is being done from now on. */
  readonly onActivity: (activity: Activity) => void;
}

/** Starts the budget of one call; `end` stops its timer and has to be called when the call is over. */
export function startCall({
  cancelSignal,
  clock,
  budgetMs,
  onActivity,
}: {
  cancelSignal: AbortSignal;
  clock: Clock;
  budgetMs: number;
  onActivity: (activity: Activity) => void;
}): Call & { readonly end: () => void } {
  const aborted = new AbortController();
  const ended = new AbortController();
  setMaxListeners(Infinity, aborted.signal);
  const cancel = (): void => {
    aborted.abort(cancelSignal.reason);
  };
  if (cancelSignal.aborted) cancel();
  cancelSignal.addEventListener("abort", cancel, { once: true, signal: ended.signal });
  clock.sleep(budgetMs, ended.signal).then(
    () => {
      aborted.abort(new DeadlineExceededError(budgetMs));
    },
    () => undefined,
  );
  return {
    signal: aborted.signal,
    cancelSignal,
    deadlineMs: clock.monotonicMs() + budgetMs,
    onActivity,
    end: () => {
      ended.abort(NO_LONGER_NEEDED);
    },
  };
}
