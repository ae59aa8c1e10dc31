import { setMaxListeners } from "node:events";
import { NO_LONGER_NEEDED } from "./abort.ts";
import type { Clock } from "./clock.ts";
import { BudgetSpentError } from "../errors.ts";

/** Says in a few words what is being done; asked again each time it is shown, with the monotonic time in milliseconds. */
export type Activity = (nowMs: number) => string;

/** What travels along with one tool call. */
export interface Call {
  /** Aborts when the client cancels, the server closes, or the time is used up; the reason is a `BudgetSpentError` in the last case only. */
  readonly signal: AbortSignal;
  /** Aborts only when nobody waits for the result any more: what was paid for is still saved when merely the time is used up. */
  readonly cancelled: AbortSignal;
  /** End of the budget, in monotonic milliseconds. */
  readonly deadlineMs: number;
  /** Takes note of what is being done from now on. */
  readonly onActivity: (activity: Activity) => void;
}

/** Starts the budget of one call; `end` stops its timer and has to be called when the call is over. */
export function startCall({
  cancelled,
  clock,
  budgetMs,
  onActivity,
}: {
  cancelled: AbortSignal;
  clock: Clock;
  budgetMs: number;
  onActivity: (activity: Activity) => void;
}): Call & { readonly end: () => void } {
  const aborted = new AbortController();
  const ended = new AbortController();
  setMaxListeners(Infinity, aborted.signal);
  const cancel = (): void => {
    aborted.abort(cancelled.reason);
  };
  if (cancelled.aborted) cancel();
  cancelled.addEventListener("abort", cancel, { once: true, signal: ended.signal });
  clock.sleep(budgetMs, ended.signal).then(
    () => {
      aborted.abort(new BudgetSpentError(budgetMs));
    },
    () => undefined,
  );
  return {
    signal: aborted.signal,
    cancelled,
    deadlineMs: clock.monotonicMs() + budgetMs,
    onActivity,
    end: () => {
      ended.abort(NO_LONGER_NEEDED);
    },
  };
}
