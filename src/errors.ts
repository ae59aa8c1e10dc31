import { API_CODES, CHECK_HOST, HTTP_STATUS_RECOVERIES, TRANSIENT_HTTP_STATUSES, TRY_LATER } from "./constants.ts";
import { formatSeconds, quoted } from "./text.ts";

const CHECK_NETWORK = "Check the network connection, and MINIMAX_API_HOST.";

/** The hint for a certificate that is not accepted. */
const TRUST_CERTIFICATE =
  "If a company proxy or antivirus inspects connections, give Node its certificate: set NODE_EXTRA_CA_CERTS to the path of a PEM file in this server's env block. Otherwise check MINIMAX_API_HOST and this machine's date.";

const QUEUE_IS_FULL =
  "Call again later, ask for several images with n, or raise MINIMAX_RPM if MiniMax allows this key more requests a minute.";

/** What an error carries beside its sentence. */
export interface ErrorDetails extends ErrorOptions {
  /** MiniMax's `base_resp.status_code`, or this server's own `EMPTY_RESPONSE`. */
  readonly code?: number | "EMPTY_RESPONSE" | undefined;
  /** Upstream's trace id, for MiniMax support. */
  readonly traceId?: string | undefined;
  /** What the person or the model can do. */
  readonly recovery?: string | undefined;
  /** What takes the place of `recovery` when an earlier attempt of the same call was sent. */
  readonly recoveryAfterSending?: string | undefined;
  /** Least wait in milliseconds before a retry; absent when there must be none. */
  readonly retryAfterMs?: number | undefined;
}

/**
 * Every failure whose sentence was written for the person who reads it. Anything else that is thrown is a defect, and
 * its text stays inside.
 */
export class UserFacingError extends Error {
  override readonly name: string = "UserFacingError";

  constructor(
    message: string,
    readonly details: ErrorDetails = {},
  ) {
    super(message, details);
  }
}

/** The environment cannot be used; the message names every bad variable, a line each. */
export class ConfigurationError extends UserFacingError {
  override readonly name = "ConfigurationError";
}

/** The directory asked for may not or cannot be written. Nothing has been sent. */
export class OutputDirectoryError extends UserFacingError {
  override readonly name = "OutputDirectoryError";
}

/** A subject reference that may not be read or that MiniMax would not take. Nothing has been sent. */
export class SubjectReferenceError extends UserFacingError {
  override readonly name = "SubjectReferenceError";

  constructor(message: string) {
    super(message, {
      recovery:
        "No request was made. Allowed: an https:// URL, a data:image/jpeg, data:image/png or data:image/webp URL in base64, or a JPEG, PNG or WebP file in the base directory or in a directory of MINIMAX_REFERENCE_DIRS; less than 10 MB.",
    });
  }
}

/** One image could not be fetched, read or written; the others are not touched by it. */
export class ImageError extends UserFacingError {
  override readonly name = "ImageError";
}

/** The bytes of an image end before the image does. Getting them again may help. */
export class TruncatedImageError extends UserFacingError {
  override readonly name = "TruncatedImageError";

  constructor() {
    super("The image is truncated.", { retryAfterMs: 0 });
  }
}

/** The call ran out of time. */
export class DeadlineExceededError extends UserFacingError {
  override readonly name = "DeadlineExceededError";

  constructor(readonly budgetMs: number) {
    super(
      `The call ran out of time (limit ${formatSeconds(budgetMs)}).`,
      unsent("Call again later, or raise MINIMAX_TIMEOUT_MS."),
    );
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
      recovery: known === undefined ? undefined : `${known.recovery}${hint}`,
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
      recovery: recoveryFromStatus(status, sentence),
      retryAfterMs: TRANSIENT_HTTP_STATUSES.has(status) ? retryAfterMs : undefined,
    });
  }
}

/** The connection could not be established, so nothing was sent. */
export class ConnectionError extends UserFacingError {
  override readonly name = "ConnectionError";

  constructor(host: string, reason: string, options?: ErrorOptions) {
    super(`Could not connect to ${host} (${reason}).`, {
      ...options,
      ...unsent(CHECK_NETWORK),
      retryAfterMs: 0,
    });
  }
}

/** The host's certificate is not accepted, which another attempt does not change. Nothing was sent. */
export class CertificateError extends UserFacingError {
  override readonly name = "CertificateError";

  /** @param code - Node's or OpenSSL's */
  constructor(host: string, code: string, options?: ErrorOptions) {
    super(`Could not connect to ${host}: its certificate is not trusted (${code}).`, {
      ...options,
      ...unsent(TRUST_CERTIFICATE),
    });
  }
}

/** The call ran out of time before a connection was there, so its request was not sent. */
export class ConnectTimeoutError extends UserFacingError {
  override readonly name = "ConnectTimeoutError";

  constructor(host: string, budgetMs: number) {
    const limit = formatSeconds(budgetMs);
    super(`The call ran out of time (limit ${limit}) while it was connecting to ${host}.`, unsent(CHECK_NETWORK));
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
    details: Omit<ErrorDetails, "retryAfterMs"> = {},
  ) {
    super(
      `The request was sent, but ${whatHappened}. The images may have been generated and billed, so it was not retried.`,
      { ...details, recovery: details.recovery ?? "Calling again is your choice: it may be billed a second time." },
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
        recovery: "The safety filter usually judges the image, not the prompt: call again, or reword the prompt.",
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
    if (startsInMs <= 0) {
      super("The call ran out of time before its request could be sent.", unsent("Call again."));
    } else if (isPaused) {
      super(`MiniMax asked for a pause: the next request may be sent in ${wait}.`, unsent("Call again after that."));
    } else {
      super(`Too many requests are waiting: the next free slot is in ${wait}.`, unsent(QUEUE_IS_FULL));
    }
  }
}

/** A retryable failure that is not retried any more: all attempts are used up, or the next one is past the deadline. */
export class RetriesExhaustedError extends UserFacingError {
  override readonly name = "RetriesExhaustedError";

  /** @param nextWaitMs - how long the wait would have been that was not begun; absent when the attempts were used up */
  constructor(cause: UserFacingError, attempts: number, nextWaitMs?: number) {
    super(
      nextWaitMs === undefined
        ? `${cause.message} Tried ${attempts} times.`
        : `${cause.message} The next attempt was due in ${formatSeconds(nextWaitMs)}, after this call's deadline.`,
      { ...cause.details, cause, retryAfterMs: undefined },
    );
  }
}

/**
 * What to throw of a call of which an earlier attempt was sent, and answered without an image: nothing else is retried.
 *
 * @returns the error itself when it says nothing of sending
 */
export function afterSending(error: unknown): unknown {
  if (!(error instanceof UserFacingError) || error.details.recoveryAfterSending === undefined) return error;
  return new UserFacingError(error.message, {
    ...error.details,
    recovery: error.details.recoveryAfterSending,
    cause: error,
  });
}

function unsent(advice: string): Pick<ErrorDetails, "recovery" | "recoveryAfterSending"> {
  return {
    recovery: `Nothing was sent or billed. ${advice}`,
    recoveryAfterSending: `An earlier attempt was sent and answered without an image; the last attempt was not sent. ${advice}`,
  };
}

function recoveryFromStatus(status: number, sentence: string): string | undefined {
  if (TRANSIENT_HTTP_STATUSES.has(status)) return TRY_LATER;
  const known = HTTP_STATUS_RECOVERIES[status];
  if (known !== undefined) return known;
  return sentence === "" ? CHECK_HOST : "Correct what MiniMax names, then call again.";
}
