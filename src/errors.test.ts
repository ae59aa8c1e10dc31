import { expect, test } from "vitest";
import { API_CODES } from "./constants.ts";
import {
  afterSending,
  CertificateError,
  ConfigurationError,
  ConnectionError,
  ConnectTimeoutError,
  DeadlineExceededError,
  EmptyResponseError,
  HttpError,
  ImageError,
  MiniMaxApiError,
  OutputDirectoryError,
  QueueTimeoutError,
  RetriesExhaustedError,
  SubjectReferenceError,
  TruncatedImageError,
  UnknownOutcomeError,
  UserFacingError,
} from "./errors.ts";

const CODES = [
  1000, 1001, 1002, 1004, 1008, 1024, 1026, 1027, 1033, 1039, 1041, 1042, 2013, 2038, 2045, 2049, 2056, 2061,
] as const;
const NEVER_RETRIED = [1001, 1004, 1008, 1026, 1027, 1042, 2013, 2038, 2049, 2056, 2061] as const;
const HOST = "api.minimax.io";

const cause = new Error("the cause");
const errors: readonly (readonly [string, UserFacingError])[] = [
  ["UserFacingError", new UserFacingError("It failed.")],
  ["ConfigurationError", new ConfigurationError("It failed.")],
  ["OutputDirectoryError", new OutputDirectoryError("It failed.")],
  ["SubjectReferenceError", new SubjectReferenceError("It failed.")],
  ["ImageError", new ImageError("It failed.")],
  ["DeadlineExceededError", new DeadlineExceededError(230_000)],
  ["MiniMaxApiError", new MiniMaxApiError(1008, "insufficient balance", {})],
  ["HttpError", new HttpError(404, { host: HOST })],
  ["ConnectionError", new ConnectionError(HOST, "ECONNREFUSED")],
  ["CertificateError", new CertificateError(HOST, "CERT_HAS_EXPIRED")],
  ["ConnectTimeoutError", new ConnectTimeoutError(HOST, 230_000)],
  ["TruncatedImageError", new TruncatedImageError()],
  ["UnknownOutcomeError", new UnknownOutcomeError("it was cut off")],
  ["EmptyResponseError", new EmptyResponseError("1", undefined)],
  ["QueueTimeoutError", new QueueTimeoutError(61_000, { isPaused: false })],
  ["RetriesExhaustedError", new RetriesExhaustedError(new UserFacingError("It failed."), 4)],
];

test.each(errors)("every error of this server: %s goes by its name and says a whole sentence", (name, error) => {
  expect(error.name).toBe(name);
  expect(error.message).toMatch(/^\S.*\.$/);
});

test.each([
  new UserFacingError("It failed.", { cause }),
  new ImageError("It failed.", { cause }),
  new ConnectionError(HOST, "ECONNREFUSED", { cause }),
  new UnknownOutcomeError("it was cut off", { cause }),
])("every error of this server: $name keeps its cause", (error) => {
  expect(error.cause).toBe(cause);
});

test.each(CODES)("MiniMaxApiError: code %i brings its number, its meaning, upstream's words and a hint", (code) => {
  const error = new MiniMaxApiError(code, "what MiniMax said", { traceId: "trace-1" });

  expect(error.message).toContain(API_CODES[code]?.meaning);
  expect(error.message).toContain('"what MiniMax said"');
  expect(error.details).toMatchObject({ code: code, traceId: "trace-1" });
  expect(error.details.recovery).toMatch(/\.$/);
});

test.each([1004, 2049])("MiniMaxApiError: code %i hints at the region of the key", (code) => {
  const { recovery } = new MiniMaxApiError(code, "", {}).details;

  expect(recovery).toContain("MINIMAX_API_KEY");
  expect(recovery).toMatch(/MINIMAX_API_HOST=global.*MINIMAX_API_HOST=cn/);
});

test.each(NEVER_RETRIED)("MiniMaxApiError: code %i is never retried, whatever the HTTP answer asked for", (code) => {
  const { retryAfterMs } = new MiniMaxApiError(code, "", { retryAfterMs: 1000, transient: true }).details;

  expect(retryAfterMs).toBeUndefined();
});

test("Retry-After makes a wait longer, never shorter", () => {
  expect(new MiniMaxApiError(1000, "", { retryAfterMs: 7000 }).details.retryAfterMs).toBe(7000);
  expect(new MiniMaxApiError(1002, "", { retryAfterMs: 90_000 }).details.retryAfterMs).toBe(90_000);
  expect(new MiniMaxApiError(1002, "", { retryAfterMs: 7000 }).details.retryAfterMs).toBe(60_000);
});

test("MiniMaxApiError: an unknown code is retried only when its HTTP status allows it", () => {
  expect(new MiniMaxApiError(9999, "", {}).details.retryAfterMs).toBeUndefined();
  expect(new MiniMaxApiError(9999, "", { retryAfterMs: 5000 }).details.retryAfterMs).toBeUndefined();
  expect(new MiniMaxApiError(9999, "", { transient: true }).details.retryAfterMs).toBe(0);
  expect(new MiniMaxApiError(9999, "", { transient: true, retryAfterMs: 5000 }).details.retryAfterMs).toBe(5000);
});

test("MiniMaxApiError: an unknown code is named as unknown and brings no invented hint", () => {
  const error = new MiniMaxApiError(9999, "new trouble", {});

  expect(error.message).toBe('MiniMax refused the request: unknown code ("new trouble").');
  expect(error.details).toMatchObject({ code: 9999 });
  expect(error.details.recovery).toBeUndefined();
});

test("MiniMaxApiError: a refusal without words leaves no empty quotation", () => {
  expect(new MiniMaxApiError(1008, "", {}).message).toBe("MiniMax refused the request: insufficient balance.");
});

test.each([408, 429, 500, 502, 503])("HttpError: HTTP %i may be retried, not before Retry-After", (status) => {
  expect(new HttpError(status, { host: HOST }).details.retryAfterMs).toBe(0);
  expect(new HttpError(status, { host: HOST, retryAfterMs: 3000 }).details.retryAfterMs).toBe(3000);
});

test.each([301, 400, 401, 403, 404, 413, 422])("HttpError: HTTP %i is not retried", (status) => {
  expect(new HttpError(status, { host: HOST, retryAfterMs: 3000 }).details.retryAfterMs).toBeUndefined();
});

test("HttpError names the host, the status and the trace, and does not pass the status off as MiniMax's code", () => {
  const error = new HttpError(404, { host: HOST, traceId: "trace-1" });

  expect(error.message).toBe("api.minimax.io responded with HTTP 404 and no image.");
  expect(error.details.recovery).toContain("MINIMAX_API_HOST");
  expect(error.details.traceId).toBe("trace-1");
  expect(error.details.code).toBeUndefined();
});

test.each([401, 403])("what can be done about an HTTP error: HTTP %i points at the key", (status) => {
  expect(new HttpError(status, { host: HOST }).details.recovery).toBe(API_CODES[1004]?.recovery);
});

test.each([408, 429, 500, 502, 503])("HTTP %i is to be waited out, because the host is the right one", (status) => {
  const { recovery } = new HttpError(status, { host: HOST }).details;

  expect(recovery).toContain("call again in a minute");
  expect(recovery).not.toContain("MINIMAX_API_HOST");
});

test.each([301, 404])("what can be done about an HTTP error: HTTP %i points at the host", (status) => {
  expect(new HttpError(status, { host: HOST }).details.recovery).toContain("Check MINIMAX_API_HOST");
});

test("a request that was not sent cost nothing and may be retried", () => {
  const { message, details } = new ConnectionError(HOST, "ECONNREFUSED");

  expect(message).toBe("Could not connect to api.minimax.io (ECONNREFUSED).");
  expect(details.recovery).toContain("Nothing was sent or billed");
  expect(details.retryAfterMs).toBe(0);
});

test("a request whose answer never came may have been billed and is not retried", () => {
  const { message, details } = new UnknownOutcomeError("the connection broke", {
    code: 1001,
    traceId: "trace-1",
  });

  expect(message).toContain("the connection broke");
  expect(message).toContain("may have been generated and billed");
  expect(details.recovery).toContain("your choice");
  expect(details.retryAfterMs).toBeUndefined();
  expect(details).toMatchObject({ code: 1001, traceId: "trace-1" });
});

test("a call that ran out of time while it waited cost nothing", () => {
  const { message, details } = new DeadlineExceededError(230_000);

  expect(message).toContain("230 s");
  expect(details.recovery).toContain("Nothing was sent or billed");
  expect(details.recovery).toContain("MINIMAX_TIMEOUT_MS");
  expect(details.retryAfterMs).toBeUndefined();
});

test("what was refused before anything was sent says what may stand in for a reference that was refused", () => {
  const { recovery } = new SubjectReferenceError("subject_reference[0]: no.").details;

  expect(recovery).toContain("No request was made");
  expect(recovery).toContain("MINIMAX_REFERENCE_DIRS");
});

test("what was refused before anything was sent says when the turn of a crowded out request would have come, and what makes room", () => {
  const { message, details } = new QueueTimeoutError(61_000, { isPaused: false });

  expect(message).toContain("the next free slot is in 61 s");
  expect(details.recovery).toContain("Nothing was sent or billed");
  expect(details.recovery).toContain("MINIMAX_RPM");
  expect(details.retryAfterMs).toBeUndefined();
});

test("EmptyResponseError says how many images were withheld, under a code of this server's own", () => {
  const { message, details } = new EmptyResponseError("3", "trace-1");

  expect(message).toContain("withheld 3");
  expect(details).toMatchObject({ code: "EMPTY_RESPONSE", traceId: "trace-1" });
  expect(details.recovery).toContain("reword the prompt");
  expect(details.retryAfterMs).toBeUndefined();
});

test("EmptyResponseError says nothing of withheld images when MiniMax does not", () => {
  expect(new EmptyResponseError(undefined, undefined).message).toBe("MiniMax reported success but delivered no image.");
});

const refusal = new MiniMaxApiError(1002, "rate limit exceeded(RPM)", { traceId: "trace-1" });

test("RetriesExhaustedError says what happened last and how often it was tried", () => {
  expect(new RetriesExhaustedError(refusal, 4).message).toBe(`${refusal.message} Tried 4 times.`);
});

test("RetriesExhaustedError says when the next attempt would have been when there was no time for it", () => {
  expect(new RetriesExhaustedError(refusal, 2, 61_500).message).toContain(
    "The next attempt was due in 62 s, after this call's deadline.",
  );
});

test("RetriesExhaustedError keeps code, hint, trace and cause, and is not retried itself", () => {
  const error = new RetriesExhaustedError(refusal, 4);

  expect(error.details).toMatchObject({ code: 1002, traceId: "trace-1", recovery: refusal.details.recovery });
  expect(error.details.retryAfterMs).toBeUndefined();
  expect(error.cause).toBe(refusal);
});

test("TruncatedImageError is retried at once", () => {
  expect(new TruncatedImageError().details.retryAfterMs).toBe(0);
});

test.each([
  ["ConnectionError", new ConnectionError(HOST, "ECONNREFUSED"), "Check the network connection, and MINIMAX_API_HOST."],
  ["ConnectTimeoutError", new ConnectTimeoutError(HOST, 1), "Check the network connection, and MINIMAX_API_HOST."],
  ["QueueTimeoutError of a late call", new QueueTimeoutError(0, { isPaused: false }), "Call again."],
])("what was not sent, %s, says so, and after an earlier attempt that was sent says that", (_name, error, advice) => {
  expect(error.details.recovery).toBe(`Nothing was sent or billed. ${advice}`);

  const later = afterSending(error);

  expect(later).toBeInstanceOf(UserFacingError);
  expect(later).toMatchObject({
    message: error.message,
    cause: error,
    details: {
      recovery: `An earlier attempt was sent and answered without an image; the last attempt was not sent. ${advice}`,
    },
  });
});

test("what was not sent is retried after an earlier attempt as before it", () => {
  expect(afterSending(new ConnectionError(HOST, "ECONNREFUSED"))).toHaveProperty("details.retryAfterMs", 0);
});

test.each([refusal, new UnknownOutcomeError("it was cut off"), new Error("a defect"), undefined])(
  "what says nothing of sending stays as it is after an earlier attempt: %s",
  (error) => {
    expect(afterSending(error)).toBe(error);
  },
);

test("HttpError with MiniMax's own sentence says to correct what that names, and without one to check the host", () => {
  expect(new HttpError(418, { host: HOST, sentence: "teapot" }).details.recovery).toBe(
    "Correct what MiniMax names, then call again.",
  );
  expect(new HttpError(418, { host: HOST }).details.recovery).toBe(
    "Check MINIMAX_API_HOST: it must be a MiniMax API host.",
  );
});
