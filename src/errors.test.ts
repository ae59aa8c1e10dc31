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

test.each<readonly [string, UserFacingError, string | undefined]>([
  ["UserFacingError", new UserFacingError("It failed."), undefined],
  ["ConfigurationError", new ConfigurationError("It failed."), undefined],
  ["OutputDirectoryError", new OutputDirectoryError("It failed.", "Fix it."), "No request was made. Fix it."],
  ["SubjectReferenceError", new SubjectReferenceError("It failed."), "No request was made. Allowed: an https:// URL"],
  ["ImageError", new ImageError("It failed."), undefined],
  [
    "DeadlineExceededError",
    new DeadlineExceededError(230_000),
    "Nothing was sent or billed. Call again later, or raise MINIMAX_TIMEOUT_MS.",
  ],
  ["MiniMaxApiError", REFUSAL, "Wait a minute before the next call"],
  ["HttpError", new HttpError(404, { host: HOST }), "Check MINIMAX_API_HOST"],
  ["ConnectionError", UNCONNECTED, "Nothing was sent or billed. Check it."],
  ["UnknownOutcomeError", new UnknownOutcomeError("it broke"), "Calling again is your choice"],
  ["EmptyResponseError", new EmptyResponseError("1", undefined), "The safety filter usually judges the image"],
  ["QueueTimeoutError", new QueueTimeoutError(1, { isPaused: false }), "Nothing was sent or billed. Call again later"],
  ["RetriesExhaustedError", new RetriesExhaustedError(REFUSAL, 4), "Wait a minute before the next call"],
])("%s has its name, a whole sentence and its recovery", (name, error, recovery) => {
  expect(error.name).toBe(name);
  expect(error.message).toMatch(/^\S.*\.$/);
  if (recovery === undefined) expect(error.recovery).toBeUndefined();
  else expect(error.recovery?.startsWith(recovery)).toBe(true);
});

test.each([
  new UserFacingError("It failed.", { cause: CAUSE }),
  new OutputDirectoryError("It failed.", "", { cause: CAUSE }),
  new ImageError("It failed.", { cause: CAUSE }),
  new UnknownOutcomeError("it broke", { cause: CAUSE }),
  UNCONNECTED,
])("$name keeps its cause", (error) => {
  expect(error.cause).toBe(CAUSE);
});

describe("MiniMaxApiError", () => {
  test.each([
    [1000, 7_000, 7_000],
    [1002, 90_000, 90_000],
    [1002, 7_000, 60_000],
    [1004, 7_000, undefined],
    [9999, 7_000, undefined],
  ])("of code %i with a Retry-After of %i ms waits %s ms", (code, retryAfterMs, expected) => {
    expect(new MiniMaxApiError(code, "", { retryAfterMs }).details.retryAfterMs).toBe(expected);
  });

  test("of an unknown code is retried only when its HTTP status allows it", () => {
    expect(new MiniMaxApiError(9999, "", { transient: true, retryAfterMs: 5_000 }).details.retryAfterMs).toBe(5_000);
    expect(new MiniMaxApiError(1004, "", { transient: true }).details.retryAfterMs).toBeUndefined();
  });

  test("of an unknown code brings no invented hint", () => {
    const error = new MiniMaxApiError(9999, "new trouble", { hint: " Not for it." });

    expect(error.message).toBe('MiniMax refused the request: unknown code ("new trouble").');
    expect(error.recovery).toBeUndefined();
  });

  test("adds a hint to that of its code, and quotes no empty words", () => {
    const error = new MiniMaxApiError(1008, "", { hint: " And more." });

    expect(error.message).toBe("MiniMax refused the request: insufficient balance.");
    expect(error.recovery).toBe(`${API_CODES[1008]?.recovery ?? ""} And more.`);
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

  test("names the host and the status, which is not MiniMax's code", () => {
    const error = new HttpError(418, { host: HOST, sentence: "teapot", traceId: "trace-1" });

    expect(error.message).toBe('api.minimax.io responded with HTTP 418 and no image ("teapot").');
    expect(error.recovery).toBe("Correct what MiniMax names, then call again.");
    expect(error.details).toMatchObject({ traceId: "trace-1" });
    expect(error.details.code).toBeUndefined();
  });
});

test("an unknown outcome may have been billed, and is not retried", () => {
  const { message, details } = new UnknownOutcomeError("the connection broke", { code: 1001, traceId: "trace-1" });

  expect(message).toBe(
    "The request was sent, but the connection broke. The images may have been generated and billed, so it was not retried.",
  );
  expect(details).toMatchObject({ billing: "unknown", code: 1001, traceId: "trace-1" });
  expect(details.retryAfterMs).toBeUndefined();
});

test("an unknown outcome may bring advice of its own", () => {
  expect(new UnknownOutcomeError("it broke", { advice: "Ask for fewer." }).recovery).toBe("Ask for fewer.");
});

test.each([
  ["3", "MiniMax reported success but delivered no image; it withheld 3."],
  [undefined, "MiniMax reported success but delivered no image."],
])("an empty response says how many images were withheld: %s", (withheld, message) => {
  expect(new EmptyResponseError(withheld, "trace-1")).toMatchObject({
    message,
    details: { code: "EMPTY_RESPONSE", traceId: "trace-1" },
  });
});

test.each([
  [0, false, "The call ran out of time before its request could be sent.", "Call again."],
  [61_000, true, "MiniMax asked for a pause: the next request may be sent in 61 s", "Call again after that."],
  [61_000, false, "Too many requests are waiting: the next free slot is in 61 s", "MINIMAX_RPM"],
])("a queue time-out of %i ms says what to do, paused: %s", (startsInMs, isPaused, words, advice) => {
  const error = new QueueTimeoutError(startsInMs, { isPaused });

  expect(error.message).toContain(words);
  expect(error.recovery).toContain(advice);
  expect(error.details.retryAfterMs).toBeUndefined();
});

test.each([
  [undefined, "Tried 4 times."],
  [61_500, "The next attempt was due in 62 s, after this call's deadline."],
])("used up retries keep the last failure, with a wait of %s ms", (nextWaitMs, words) => {
  const error = new RetriesExhaustedError(REFUSAL, 4, nextWaitMs);

  expect(error.message).toBe(`${REFUSAL.message} ${words}`);
  expect(error.details).toMatchObject({ code: 1002, traceId: "trace-1", retryAfterMs: undefined });
  expect(error.cause).toBe(REFUSAL);
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
    ["a bug", new Error("a bug")],
    ["undefined", undefined],
  ])("leaves %s as it is", (_what, error) => {
    expect(afterSending(error)).toBe(error);
  });
});
