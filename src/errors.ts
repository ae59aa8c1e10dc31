import { API_CODES, CHECK_HOST, HTTP_STATUS_RECOVERIES, TRANSIENT_HTTP_STATUSES, TRY_LATER } from "./constants.ts";
import { formatSeconds, quoted } from "./text/text.ts";

const QUEUE_IS_FULL =
  "Call again later, ask for several images with n, or raise MINIMAX_RPM if MiniMax allows this key more requests a minute.";

/** The sentence about money that stands before the advice of an error. */
const BILLING_WORDS = {
  "not requested": "No request was made.",
  "not sent": "Nothing was sent or billed.",
  "sent before": "An earlier attempt was sent and answered without an image; the last attempt was not sent.",
  unknown: "",
} as const;

/** The facts of an error beside its sentence. */
interface ErrorDetails extends ErrorOptions {
  /** MiniMax's `base_resp.status_code`, or this server's own `EMPTY_RESPONSE`. */
  readonly code?: number | "EMPTY_RESPONSE" | undefined;
  /** Upstream's trace id, for MiniMax support. */
  readonly traceId?: string | undefined;
  /** Advice for the person or the model. */
  readonly advice?: string | undefined;
  /**
   * Whether the call may have cost money: it was refused before any request; its request was not sent; only an earlier
   * attempt was sent; images may have been generated. Absent when MiniMax answered that nothing was.
   */
  readonly billing?: keyof typeof BILLING_WORDS | undefined;
  /** Least wait in milliseconds before a retry; absent when there must be none. */
  readonly retryAfterMs?: number | undefined;
}

/**
 * Every failure whose sentence was written for the person who reads it. Any other thrown value is a bug, and its text
 * stays inside.
 */
export class UserFacingError extends Error {
  override readonly name: string = "UserFacingError";

  constructor(
    message: string,
    readonly details: ErrorDetails = {},
  ) {
    super(message, details);
  }

  /** The hint for the person: whether anything was billed, and what to do. Undefined when there is nothing to say. */
  get recovery(): string | undefined {
    const { billing, advice = "" } = this.details;
    const recovery = `${billing === undefined ? "" : BILLING_WORDS[billing]} ${advice}`.trim();
    return recovery === "" ? undefined : recovery;
  }
}

/** The environment cannot be used; the message names every bad variable, a line each. */
export class ConfigurationError extends UserFacingError {
  override readonly name = "ConfigurationError";
}

/** The directory asked for may not or cannot be written. Nothing has been sent. */
export class OutputDirectoryError extends UserFacingError {
  override readonly name = "OutputDirectoryError";

  constructor(message: string, advice: string, options?: ErrorOptions) {
    super(message, { ...options, billing: "not requested", advice });
  }
}

/** A subject reference that may not be read or that MiniMax would not take. Nothing has been sent. */
export class SubjectReferenceError extends UserFacingError {
  override readonly name = "SubjectReferenceError";

  constructor(message: string) {
    super(message, {
      billing: "not requested",
      advice:
        "Allowed: an https:// URL, a data:image/jpeg, data:image/png or data:image/webp URL in base64, or a JPEG, PNG or WebP file in the base directory or in a directory of MINIMAX_REFERENCE_DIRS; less than 10 MB.",
    });
  }
}

/** One image could not be fetched, read or written; the others are not affected. */
export class ImageError extends UserFacingError {
  override readonly name = "ImageError";
}

/** The call ran out of time. */
export class DeadlineExceededError extends UserFacingError {
  override readonly name = "DeadlineExceededError";

  constructor(readonly budgetMs: number) {
    super(`The call ran out of time (limit ${formatSeconds(budgetMs)}).`, {
      billing: "not sent",
      advice: "Call again later, or raise MINIMAX_TIMEOUT_MS.",
    });
  }
}

/** MiniMax answered and said no. `details.code` is its `base_resp.status_code`, not an HTTP status. */
export class MiniMaxApiError extends UserFacingError {
  override readonly name = "MiniMaxApiError";

  /**
   * @param code - known codes bring their meaning, hint and retry rule from `API_CODES`
   * @param statusMessage - upstream's words, already truncated and without secrets
   * @param response - `hint` is added to the code's own; `retryAfterMs` is what `Retry-After` asked for; `transient`
   *   says whether a code that is not in the table may be retried
   */
  constructor(
    code: number,
    statusMessage: string,
    {
      traceId,
      retryAfterMs = 0,
      transient = false,
      hint = "",
    }: { traceId?: string | undefined; retryAfterMs?: number | undefined; transient?: boolean; hint?: string },
  ) {
    const known = API_CODES[code];
    const isRetryable = known === undefined ? transient : known.outcome === "transient";
    super(`MiniMax refused the request: ${known?.meaning ?? "unknown code"}${quoted(statusMessage)}.`, {
      code,
      traceId,
      advice: known === undefined ? undefined : `${known.recovery}${hint}`,
      retryAfterMs: isRetryable ? Math.max(known?.minimumWaitMs ?? 0, retryAfterMs) : undefined,
    });
  }
}

/** The host answered with an HTTP error and no MiniMax code. */
export class HttpError extends UserFacingError {
  override readonly name = "HttpError";

  /** @param response - `sentence` is upstream's own, already truncated and without secrets; empty when it has none */
  constructor(
    readonly status: number,
    {
      host,
      sentence = "",
      traceId,
      retryAfterMs = 0,
    }: { host: string; sentence?: string; traceId?: string | undefined; retryAfterMs?: number | undefined },
  ) {
    super(`${host} responded with HTTP ${status} and no image${quoted(sentence)}.`, {
      traceId,
      advice: adviceFor(status, sentence),
      retryAfterMs: TRANSIENT_HTTP_STATUSES.has(status) ? retryAfterMs : undefined,
    });
  }
}

/** The connection could not be established, so nothing was sent. */
export class ConnectionError extends UserFacingError {
  override readonly name = "ConnectionError";

  /** @param details - `retryAfterMs` where another attempt may succeed */
  constructor(message: string, details: Omit<ErrorDetails, "billing">) {
    super(message, { ...details, billing: "not sent" });
  }
}

/**
 * The request was sent and its answer never came whole: it is not retried, because the images may have been generated
 * and billed.
 */
export class UnknownOutcomeError extends UserFacingError {
  override readonly name = "UnknownOutcomeError";

  /** @param whatHappened - a sentence's end */
  constructor(
    readonly whatHappened: string,
    details: Omit<ErrorDetails, "billing" | "retryAfterMs"> = {},
  ) {
    super(
      `The request was sent, but ${whatHappened}. The images may have been generated and billed, so it was not retried.`,
      {
        ...details,
        billing: "unknown",
        advice: details.advice ?? "Calling again is your choice: it may be billed a second time.",
      },
    );
  }
}

/** MiniMax reported success and delivered no image. */
export class EmptyResponseError extends UserFacingError {
  override readonly name = "EmptyResponseError";

  /**
   * @param withheld - how many images MiniMax says it withheld, as it says it
   * @param sentence - upstream's own, already truncated and without secrets; empty when it has none
   */
  constructor(withheld: string | undefined, traceId: string | undefined, sentence = "") {
    super(
      `MiniMax reported success but delivered no image${withheld === undefined ? "" : `; it withheld ${withheld}`}${quoted(sentence)}.`,
      {
        code: "EMPTY_RESPONSE",
        traceId,
        advice: "The safety filter usually judges the image, not the prompt: call again, or reword the prompt.",
      },
    );
  }
}

/** This process may not send another request in time. */
export class QueueTimeoutError extends UserFacingError {
  override readonly name = "QueueTimeoutError";

  /**
   * @param startsInMs - how long the call would have to wait for its slot; 0 when its time is up
   * @param isPaused - whether the wait is a pause that MiniMax asked for, not a queue
   */
  constructor(startsInMs: number, { isPaused }: { isPaused: boolean }) {
    const wait = `${formatSeconds(startsInMs)}, after this call's deadline`;
    const [message, advice] =
      startsInMs <= 0
        ? ["The call ran out of time before its request could be sent.", "Call again."]
        : isPaused
          ? [`MiniMax asked for a pause: the next request may be sent in ${wait}.`, "Call again after that."]
          : [`Too many requests are waiting: the next free slot is in ${wait}.`, QUEUE_IS_FULL];
    super(message, { billing: "not sent", advice });
  }
}

/** A retryable failure that is not retried any more: all attempts are used up, or the next one is past the deadline. */
export class RetriesExhaustedError extends UserFacingError {
  override readonly name = "RetriesExhaustedError";

  /** @param why - a sentence */
  constructor(cause: UserFacingError, why: string) {
    super(`${cause.message} ${why}`, { ...cause.details, cause, retryAfterMs: undefined });
  }
}

/** An error of a call that sent an earlier attempt, which was answered without an image: nothing else is retried. */
export function afterSending(error: unknown): unknown {
  if (!(error instanceof UserFacingError) || error.details.billing !== "not sent") return error;
  return new UserFacingError(error.message, { ...error.details, billing: "sent before", cause: error });
}

function adviceFor(status: number, sentence: string): string | undefined {
  if (TRANSIENT_HTTP_STATUSES.has(status)) return TRY_LATER;
  const known = HTTP_STATUS_RECOVERIES[status];
  if (known !== undefined) return known;
  return sentence === "" ? CHECK_HOST : "Correct what MiniMax names, then call again.";
}
