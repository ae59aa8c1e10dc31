import { RetriesExhaustedError, UserFacingError } from "../errors.ts";
import { formatSeconds } from "../text/text.ts";
import type { Clock } from "./clock.ts";

/** How often and how patiently something is retried. */
export interface BackoffPolicy {
  /** Attempts after the first one. */
  readonly retries: number;
  /** Upper bound of the first wait, in milliseconds. */
  readonly baseMs: number;
  /** Upper bound of every wait, in milliseconds. */
  readonly capMs: number;
}

/** Time, chance and policy: everything a wait is made of. */
export interface Timing {
  readonly clock: Clock;
  /** Uniform in `[0, 1)`. */
  readonly random: () => number;
  readonly policy: BackoffPolicy;
}

/** A wait that is about to begin. */
export interface RetryWait {
  readonly error: UserFacingError;
  /** Number of the coming attempt; the first one was 1. */
  readonly nextAttempt: number;
  /** How many attempts there are at most. */
  readonly attempts: number;
  /** On the clock's monotonic scale. */
  readonly untilMs: number;
}

/** Three retries, waiting at most 1, 2 and 4 seconds; `capMs` never applies to this policy, it bounds longer ones. */
export const DEFAULT_POLICY: BackoffPolicy = { retries: 3, baseMs: 1000, capMs: 30_000 };

/**
 * Full jitter: uniform in `[0, min(capMs, baseMs * 2 ** attempt))`, in milliseconds; `attempt` starts at 0. Source: AWS
 * Architecture Blog, "Exponential Backoff And Jitter".
 */
function fullJitter(attempt: number, { baseMs, capMs }: BackoffPolicy, random: () => number): number {
  return random() * Math.min(capMs, baseMs * 2 ** attempt);
}

/**
 * Runs `operation` until it succeeds or must not be retried. Only a `UserFacingError` with `retryAfterMs` is retried;
 * the wait is `retryAfterMs` plus full jitter. A wait that would not end before `deadlineMs` (monotonic) is not begun.
 *
 * @throws the operation's own error when it must not be retried, `RetriesExhaustedError` when attempts or time are used
 *   up, the signal's reason on abort during a wait
 */
export async function retry<T>(
  operation: () => Promise<T>,
  { clock, random, policy }: Timing,
  { signal, deadlineMs, onWait }: { signal: AbortSignal; deadlineMs: number; onWait: (wait: RetryWait) => void },
): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await operation();
    } catch (error) {
      if (!(error instanceof UserFacingError) || error.details.retryAfterMs === undefined) throw error;
      if (attempt >= policy.retries) throw new RetriesExhaustedError(error, `Tried ${attempt + 1} times.`);
      const waitMs = error.details.retryAfterMs + fullJitter(attempt, policy, random);
      const untilMs = clock.monotonicMs() + waitMs;
      if (untilMs >= deadlineMs) {
        const dueIn = `The next attempt was due in ${formatSeconds(waitMs)}, after this call's deadline.`;
        throw new RetriesExhaustedError(error, dueIn);
      }
      onWait({ error, nextAttempt: attempt + 2, attempts: policy.retries + 1, untilMs });
      await clock.sleep(waitMs, signal);
    }
  }
}
