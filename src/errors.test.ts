import { describe, expect, test } from "vitest";
import { API_CODES, HTTP_STATUS_RECOVERIES } from "./constants.ts";
import {
  afterSending,
  ConfigurationError,
  ConnectionError,
  DeadlineExceededError,
  EmptyResponseError,
  HttpError,
  ImageError,
  MiniMaxApiError,
  OutputDirectoryError,
  QueueTimeoutError,
  RetriesExhaustedError,
  SubjectReferenceError,
  UnknownOutcomeError,
  UserFacingError,
} from "./errors.ts";

const HOST = "api.minimax.io";
const CAUSE = new Error("the cause");
const REFUSAL = new MiniMaxApiError(1002, "rate limit exceeded(RPM)", { traceId: "trace-1" });
const UNCONNECTED = new ConnectionError("Could not connect.", { advice: "Check it.", retryAfterMs: 0, cause: CAUSE });

test("every error says what happened, what was billed and what to do", () => {
  const errors = [
    new UserFacingError("It failed."),
    new ConfigurationError("It failed."),
    new OutputDirectoryError("It failed.", "Fix it."),
    new SubjectReferenceError("It failed."),
    new ImageError("It failed."),
    new DeadlineExceededError(230_000),
    REFUSAL,
    new HttpError(418, { host: HOST, sentence: "teapot" }),
    UNCONNECTED,
    new UnknownOutcomeError("it broke"),
    new UnknownOutcomeError("it broke", { advice: "Ask for fewer." }),
    new EmptyResponseError(undefined, undefined),
    new EmptyResponseError("3", undefined, "odd"),
    new QueueTimeoutError(0, { isPaused: false }),
    new QueueTimeoutError(61_000, { isPaused: true }),
    new QueueTimeoutError(61_000, { isPaused: false }),
    new RetriesExhaustedError(UNCONNECTED, "Tried 4 times."),
  ];

  expect(errors.map(({ name, message, recovery = "-" }) => `${name}: ${message} ${recovery}`)).toEqual([
    "UserFacingError: It failed. -",
    "ConfigurationError: It failed. -",
    "OutputDirectoryError: It failed. No request was made. Fix it.",
    "SubjectReferenceError: It failed. No request was made. Allowed: an https:// URL, a data:image/jpeg, data:image/png or data:image/webp URL in base64, or a JPEG, PNG or WebP file in the base directory or in a directory of MINIMAX_REFERENCE_DIRS; less than 10 MB.",
    "ImageError: It failed. -",
    "DeadlineExceededError: The call ran out of time (limit 230 s). Nothing was sent or billed. Call again later, or raise MINIMAX_TIMEOUT_MS.",
    `MiniMaxApiError: MiniMax refused the request: rate limit ("rate limit exceeded(RPM)"). ${API_CODES[1002]?.recovery ?? ""}`,
    'HttpError: api.minimax.io responded with HTTP 418 and no image ("teapot"). Correct what MiniMax names, then call again.',
    "ConnectionError: Could not connect. Nothing was sent or billed. Check it.",
    "UnknownOutcomeError: The request was sent, but it broke. The images may have been generated and billed, so it was not retried. Calling again is your choice: it may be billed a second time.",
    "UnknownOutcomeError: The request was sent, but it broke. The images may have been generated and billed, so it was not retried. Ask for fewer.",
    "EmptyResponseError: MiniMax reported success but delivered no image. The safety filter usually judges the image, not the prompt: call again, or reword the prompt.",
    'EmptyResponseError: MiniMax reported success but delivered no image; it withheld 3 ("odd"). The safety filter usually judges the image, not the prompt: call again, or reword the prompt.',
    "QueueTimeoutError: The call ran out of time before its request could be sent. Nothing was sent or billed. Call again.",
    "QueueTimeoutError: MiniMax asked for a pause: the next request may be sent in 61 s, after this call's deadline. Nothing was sent or billed. Call again after that.",
    "QueueTimeoutError: Too many requests are waiting: the next free slot is in 61 s, after this call's deadline. Nothing was sent or billed. Call again later, ask for several images with n, or raise MINIMAX_RPM if MiniMax allows this key more requests a minute.",
    "RetriesExhaustedError: Could not connect. Tried 4 times. Nothing was sent or billed. Check it.",
  ]);
});

test.each([
  [new OutputDirectoryError("It failed.", "", { cause: CAUSE }), CAUSE],
  [new UnknownOutcomeError("it broke", { cause: CAUSE }), CAUSE],
  [UNCONNECTED, CAUSE],
  [new RetriesExhaustedError(UNCONNECTED, "Tried 4 times."), UNCONNECTED],
])("an error keeps its cause (case %#)", (error, cause) => {
  expect(error.cause).toBe(cause);
});

describe("MiniMaxApiError", () => {
  test.each([
    [1000, { retryAfterMs: 7_000 }, 7_000],
    [1002, { retryAfterMs: 90_000 }, 90_000],
    [1002, { retryAfterMs: 7_000 }, 60_000],
    [1004, { retryAfterMs: 7_000, transient: true }, undefined],
    [9999, { retryAfterMs: 7_000 }, undefined],
    [9999, { retryAfterMs: 7_000, transient: true }, 7_000],
  ])("of code %i with %j is retried after %s ms", (code, response, expected) => {
    expect(new MiniMaxApiError(code, "", response).details.retryAfterMs).toBe(expected);
  });

  test("adds a hint to that of its code, and quotes no empty words", () => {
    const error = new MiniMaxApiError(1008, "", { hint: " And more." });

    expect(error.message).toBe("MiniMax refused the request: insufficient balance.");
    expect(error.recovery).toBe(`${API_CODES[1008]?.recovery ?? ""} And more.`);
  });

  test("of an unknown code brings no invented hint", () => {
    const error = new MiniMaxApiError(9999, "new trouble", { hint: " Not for it." });

    expect(error.message).toBe('MiniMax refused the request: unknown code ("new trouble").');
    expect(error.recovery).toBeUndefined();
  });
});

describe("HttpError", () => {
  test.each([408, 429, 500, 502, 503, 529])("of HTTP %i may be retried, not before Retry-After", (status) => {
    expect(new HttpError(status, { host: HOST }).details.retryAfterMs).toBe(0);
    expect(new HttpError(status, { host: HOST, retryAfterMs: 3000 }).details.retryAfterMs).toBe(3000);
    expect(new HttpError(status, { host: HOST }).recovery).toContain("call again in a minute");
  });

  test.each([301, 400, 401, 402, 403, 404, 413, 418, 422])("of HTTP %i is not retried", (status) => {
    const error = new HttpError(status, { host: HOST, retryAfterMs: 3000 });

    expect(error.details.retryAfterMs).toBeUndefined();
    expect(error.recovery).toBe(
      HTTP_STATUS_RECOVERIES[status] ?? "Check MINIMAX_API_HOST: it must be a MiniMax API host.",
    );
  });
});

test.each([
  ["HTTP error", new HttpError(418, { host: HOST, traceId: "trace-1" }), undefined, undefined],
  ["unknown outcome", new UnknownOutcomeError("it broke", { code: 1001, traceId: "trace-1" }), "unknown", 1001],
  ["empty response", new EmptyResponseError("3", "trace-1"), undefined, "EMPTY_RESPONSE"],
  ["error after all retries", new RetriesExhaustedError(REFUSAL, "Tried 4 times."), undefined, 1002],
])("an %s has its code and trace id, and is not retried", (_what, { details }, billing, code) => {
  expect(details).toMatchObject({ traceId: "trace-1" });
  expect([details.billing, details.code, details.retryAfterMs]).toEqual([billing, code, undefined]);
});

describe("afterSending", () => {
  test("tells of an attempt that was sent, and one that was not", () => {
    expect(afterSending(UNCONNECTED)).toMatchObject({
      message: UNCONNECTED.message,
      cause: UNCONNECTED,
      details: { billing: "sent before", retryAfterMs: 0 },
      recovery: "An earlier attempt was sent and answered without an image; the last attempt was not sent. Check it.",
    });
  });

  test.each([
    ["a refusal", REFUSAL],
    ["an unknown outcome", new UnknownOutcomeError("it was cut off")],
    ["undefined", undefined],
  ])("leaves %s as it is", (_what, error) => {
    expect(afterSending(error)).toBe(error);
  });
});
