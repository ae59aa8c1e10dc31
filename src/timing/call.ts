import { setImmediate as immediate } from "node:timers/promises";
import { DeadlineExceededError } from "../errors.ts";
import { LinkedAbortController, NO_LONGER_NEEDED } from "./abort.ts";
import type { Clock } from "./clock.ts";

/** A deadline that comes so much too late, in milliseconds, finds a process that was suspended. */
const LATE_MS = 250;

/** How long such a process has for an answer that came in the meantime, in milliseconds. */
const LATE_GRACE_MS = 2_000;

/**
 * Says in a few words what is being done; asked again each time it is shown, with the monotonic time in milliseconds.
 */
export type Activity = (nowMs: number) => string;

/** How far a whole call gets while an activity goes on: two thirds of the way from `from` to `to` after `usualMs`. */
export interface Span {
  /** Fractions of the whole call, from 0 to 1. */
  readonly from: number;
  readonly to: number;
  /** When the activity began, in monotonic milliseconds. */
  readonly sinceMs: number;
  /** How long it usually takes, in milliseconds. */
  readonly usualMs: number;
}

/**
 * What travels along with one tool call. It has two signals: everything up to the answer follows `signal`; saving
 * follows `cancelSignal`, because what was paid for is kept when merely the time is up.
 */
export interface Call {
  /**
   * Aborts on cancellation, shutdown, or the deadline; the reason is a `DeadlineExceededError` in the last case only.
   */
  readonly signal: AbortSignal;
  /** Aborts only on cancellation or shutdown. */
  readonly cancelSignal: AbortSignal;
  /** End of the budget, in monotonic milliseconds. */
  readonly deadlineMs: number;
  /** Takes note of what is being done from now on; a wait, whose length says nothing of the work, has no span. */
  readonly onActivity: (activity: Activity, span?: Span) => void;
  /** Takes note that a request of this call is being sent: from now on images may be generated and billed. */
  readonly onSent: () => void;
  /** Whether a request of this call was sent, over all its attempts. */
  readonly hasSent: boolean;
  /** Takes note that nothing was generated and that the call waits to retry. */
  readonly onRetryWait: () => void;
}

/** What a call begins with. */
export interface CallOptions extends Pick<Call, "cancelSignal" | "onActivity"> {
  readonly clock: Clock;
  /** Time the call may take, in milliseconds. */
  readonly budgetMs: number;
  readonly onSent?: Call["onSent"];
  readonly onRetryWait?: Call["onRetryWait"];
}

/**
 * Starts the budget of one call. Dispose of the call when it is over: that stops its timer. After the deadline, what
 * has already arrived is read before the signal aborts: a process that was suspended finds its answer and its deadline
 * at the same moment.
 */
export function startCall({
  cancelSignal,
  clock,
  budgetMs,
  onActivity,
  onSent = () => undefined,
  onRetryWait = () => undefined,
}: CallOptions): Call & Disposable {
  const controller = new LinkedAbortController(cancelSignal);
  const timer = new AbortController();
  const deadlineMs = clock.monotonicMs() + budgetMs;
  expired(clock, deadlineMs, timer.signal).then(
    () => {
      controller.abort(new DeadlineExceededError(budgetMs));
    },
    () => undefined,
  );
  let hasSent = false;
  return {
    signal: controller.signal,
    cancelSignal,
    deadlineMs,
    onActivity,
    onSent: () => {
      hasSent = true;
      onSent();
    },
    get hasSent() {
      return hasSent;
    },
    onRetryWait,
    [Symbol.dispose]: () => {
      timer.abort(NO_LONGER_NEEDED);
      controller[Symbol.dispose]();
    },
  };
}

/** Waits for the deadline, and for what arrived before it. */
async function expired(clock: Clock, deadlineMs: number, signal: AbortSignal): Promise<void> {
  await clock.sleep(deadlineMs - clock.monotonicMs(), signal);
  const lateMs = clock.monotonicMs() - deadlineMs;
  await immediate();
  if (lateMs > LATE_MS) await clock.sleep(LATE_GRACE_MS, signal);
  signal.throwIfAborted();
}
