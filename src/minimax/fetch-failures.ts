import { DeadlineExceededError, UnknownOutcomeError } from "../errors.ts";
import { formatSeconds, messageOf, systemCode } from "../text.ts";

/** What to throw when a request that was sent ends without an answer. */
export function toInterruptedError(error: unknown, signal: AbortSignal): unknown {
  if (!signal.aborted) {
    return new UnknownOutcomeError(`the connection broke before the whole answer came (${reasonOf(error)})`, {
      cause: error,
    });
  }
  const reason: unknown = signal.reason;
  return reason instanceof DeadlineExceededError
    ? new UnknownOutcomeError(`no whole answer came within the call's ${formatSeconds(reason.budgetMs)}`)
    : reason;
}

/** `fetch` hides the reason of a failure in `cause`. */
export function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error;
}

/** Why a request failed, in a system code or on one bounded line. */
export function reasonOf(error: unknown): string {
  const cause = causeOf(error);
  return systemCode(cause) ?? messageOf(cause);
}
