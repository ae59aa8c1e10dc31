import { expect, test } from "vitest";
import { CertificateError, ConnectionError, DeadlineExceededError, UnknownOutcomeError } from "../errors.ts";
import { reasonOf, toInterruptedError, toUnsentError } from "./fetch-failures.ts";

const NOT_ABORTED = new AbortController().signal;

function coded(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}

function fetchFailed(cause: unknown): TypeError {
  return new TypeError("fetch failed", { cause });
}

test("a request that was sent and ended without an answer because the connection broke has an unknown outcome, with the reason and its cause", () => {
  const error = fetchFailed(coded("other side closed", "UND_ERR_SOCKET"));

  const thrown = toInterruptedError(error, NOT_ABORTED);

  expect(thrown).toBeInstanceOf(UnknownOutcomeError);
  expect(thrown).toHaveProperty(
    "message",
    expect.stringContaining("the connection was lost before the response was complete (UND_ERR_SOCKET)"),
  );
  expect(thrown).toHaveProperty("cause", error);
  expect(thrown).not.toHaveProperty("details.retryAfterMs");
});

test("a request that was sent and ended without an answer because the call's time was used up has an unknown outcome, with the time", () => {
  const thrown = toInterruptedError(new Error("aborted"), AbortSignal.abort(new DeadlineExceededError(230_000)));

  expect(thrown).toBeInstanceOf(UnknownOutcomeError);
  expect(thrown).toHaveProperty(
    "message",
    expect.stringContaining("no complete response came within the call's 230 s"),
  );
  expect(thrown).toHaveProperty("details.recovery", expect.stringContaining("your choice"));
});

test.each([
  ["an error", new Error("the client cancelled")],
  ["a text", "closing"],
  ["null", null],
])(
  "a request that was sent and ended without an answer because it was cancelled ends with the reason itself, here %s",
  (_kind, reason) => {
    expect(toInterruptedError(fetchFailed(coded("reset", "ECONNRESET")), AbortSignal.abort(reason))).toBe(reason);
  },
);

const PROXY = "http://proxy.example:3128/";

test("a request that ended before anything was sent because the connection could not be established says why, and may be retried", () => {
  const thrown = toUnsentError(fetchFailed(coded("no", "ENOTFOUND")), NOT_ABORTED, "api.example", PROXY);

  expect(thrown).toBeInstanceOf(ConnectionError);
  expect(thrown).toHaveProperty("message", expect.stringContaining("ENOTFOUND"));
  expect(thrown).toHaveProperty("message", expect.stringContaining(PROXY));
  expect(thrown).toHaveProperty("details.retryAfterMs", 0);
});

test.each([
  ["SELF_SIGNED_CERT_IN_CHAIN", fetchFailed(coded("self-signed", "SELF_SIGNED_CERT_IN_CHAIN"))],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", fetchFailed(coded("no issuer", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"))],
  ["CERT_HAS_EXPIRED", fetchFailed(coded("expired", "CERT_HAS_EXPIRED"))],
  [
    "ERR_TLS_CERT_ALTNAME_INVALID",
    fetchFailed(new Error("Secure Proxy", { cause: coded("other host", "ERR_TLS_CERT_ALTNAME_INVALID") })),
  ],
])(
  "a request that ended before anything was sent because of its certificate (%s) is not retried and names NODE_EXTRA_CA_CERTS",
  (code, error) => {
    const thrown = toUnsentError(error, NOT_ABORTED, "api.example", undefined);

    expect(thrown).toBeInstanceOf(CertificateError);
    expect(thrown).toHaveProperty("message", expect.stringContaining(code));
    expect(thrown).toHaveProperty("details.recovery", expect.stringContaining("NODE_EXTRA_CA_CERTS"));
    expect(thrown).not.toHaveProperty("details.retryAfterMs");
  },
);

test("a request that ended before anything was sent because the call's time was used up says that nothing was sent", () => {
  const signal = AbortSignal.abort(new DeadlineExceededError(230_000));

  const thrown = toUnsentError(new Error("aborted"), signal, "api.example", undefined);

  expect(thrown).toHaveProperty("message", expect.stringContaining("connecting to api.example"));
  expect(thrown).toHaveProperty("details.recovery", expect.stringContaining("Nothing was sent or billed"));
  expect(thrown).not.toHaveProperty("details.retryAfterMs");
});

test("a request that ended before anything was sent because it was cancelled ends with the reason itself", () => {
  const reason = new Error("the client cancelled");

  expect(toUnsentError(new Error("aborted"), AbortSignal.abort(reason), "api.example", undefined)).toBe(reason);
});

test.each([
  ["the system's code", fetchFailed(coded("connect ECONNREFUSED", "ECONNREFUSED")), "ECONNREFUSED"],
  ["the code of an error that hides nothing", coded("reset", "ECONNRESET"), "ECONNRESET"],
  ["the message where there is no code", fetchFailed(new Error("unexpected redirect")), "unexpected redirect"],
  ["what stands around an empty message", fetchFailed(new Error("")), "fetch failed"],
  ["said to be missing where nothing has words", new Error(""), "no reason given"],
  ["the message where the code is no text", Object.assign(new Error("odd"), { code: 7 }), "odd"],
  ["a text that was thrown", "no", "no"],
  [
    "the status of a proxy's refusal",
    fetchFailed(coded("Proxy response (407) !== 200 when HTTP Tunneling", "UND_ERR_ABORTED")),
    "the proxy responded with HTTP 407",
  ],
  ["one line", fetchFailed(new Error("a\r\n  b\u001b[0m")), "a b [0m"],
])("the reason is %s", (_what, error, expected) => {
  expect(reasonOf(error)).toBe(expected);
});

test("the reason is bounded", () => {
  expect(reasonOf(new Error("x".repeat(10_000))).length).toBeLessThan(400);
});
