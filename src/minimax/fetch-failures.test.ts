import { describe, expect, test } from "vitest";
import { ConnectionError, DeadlineExceededError } from "../errors.ts";
import { certificateCodeOf, interruptionOf, reasonOf, toUnsentError } from "./fetch-failures.ts";

const NEVER = new AbortController().signal;
const SPENT = AbortSignal.abort(new DeadlineExceededError(230_000));
const PROXY = "http://proxy.example:3128/";
const CHECK_NETWORK = "Check the network connection, and MINIMAX_API_HOST.";
const REASONS = [new Error("the client cancelled"), "closing", null];

function coded(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}

function fetchFailed(cause: unknown): TypeError {
  return new TypeError("fetch failed", { cause });
}

describe("a request that was sent", () => {
  test.each([
    ["the connection broke", NEVER, "the connection was lost before the response was complete (UND_ERR_SOCKET)"],
    ["the time was up", SPENT, "no complete response came within the call's 230 s"],
  ])("says that %s", (_what, signal, words) => {
    expect(interruptionOf(fetchFailed(coded("other side closed", "UND_ERR_SOCKET")), signal)).toBe(words);
  });

  test.each(REASONS)("throws a cancellation: %s", (reason) => {
    const interrupted = (): string =>
      interruptionOf(fetchFailed(coded("reset", "ECONNRESET")), AbortSignal.abort(reason));

    expect(catching(interrupted)).toBe(reason);
  });
});

describe("a request that was not sent", () => {
  test("says why, and may be retried", () => {
    const cause = fetchFailed(coded("no", "ENOTFOUND"));

    const error = toUnsentError(cause, NEVER, "api.example", PROXY);

    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({
      message: `Could not connect to api.example (ENOTFOUND; a proxy is configured: ${PROXY}).`,
      details: { billing: "not sent", advice: CHECK_NETWORK, retryAfterMs: 0 },
      cause,
    });
  });

  test.each([
    ["SELF_SIGNED_CERT_IN_CHAIN", fetchFailed(coded("self-signed", "SELF_SIGNED_CERT_IN_CHAIN"))],
    ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", fetchFailed(coded("no issuer", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"))],
    ["CERT_HAS_EXPIRED", coded("expired", "CERT_HAS_EXPIRED")],
    ["ERR_TLS_CERT_ALTNAME_INVALID", fetchFailed(fetchFailed(coded("other host", "ERR_TLS_CERT_ALTNAME_INVALID")))],
  ])("is not retried with %s", (code, cause) => {
    const error = toUnsentError(cause, NEVER, "api.example", undefined);

    expect(certificateCodeOf(cause)).toBe(code);
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({
      message: `Could not connect to api.example: its certificate is not trusted (${code}).`,
      details: { billing: "not sent" },
      cause,
    });
    expect(error).toHaveProperty("details.advice", expect.stringContaining("NODE_EXTRA_CA_CERTS"));
    expect(error).not.toHaveProperty("details.retryAfterMs");
  });

  test("is not retried when the time was up", () => {
    const error = toUnsentError(new Error("aborted"), SPENT, "api.example", PROXY);

    expect(error).toMatchObject({
      message: `The call ran out of time (limit 230 s) while it was connecting to api.example; a proxy is configured: ${PROXY}.`,
      details: { billing: "not sent" },
    });
    expect(error).not.toHaveProperty("details.retryAfterMs");
  });

  test.each(REASONS)("ends with a cancellation: %s", (reason) => {
    expect(toUnsentError(new Error("aborted"), AbortSignal.abort(reason), "api.example", undefined)).toBe(reason);
  });
});

test.each([
  ["the system's code", fetchFailed(coded("connect ECONNREFUSED", "ECONNREFUSED")), "ECONNREFUSED"],
  ["the code of an error without a cause", coded("reset", "ECONNRESET"), "ECONNRESET"],
  ["the message where there is no code", fetchFailed(new Error("unexpected redirect")), "unexpected redirect"],
  ["the outer message where the inner is empty", fetchFailed(new Error("")), "fetch failed"],
  ["said to be missing where there are no words", new Error(""), "no reason given"],
  ["the message where the code is no text", Object.assign(new Error("odd"), { code: 7 }), "odd"],
  ["a text that was thrown", "no", "no"],
  [
    "the status of a proxy's refusal",
    fetchFailed(coded("Proxy response (407) !== 200 when HTTP Tunneling", "UND_ERR_ABORTED")),
    "the proxy responded with HTTP 407",
  ],
  ["one line", fetchFailed(new Error("a\r\n  b\u001b[0m")), "a b [0m"],
  ["bounded", new Error("x".repeat(10_000)), `${"x".repeat(300)}…`],
])("the reason of a failure is %s", (_what, error, expected) => {
  expect(reasonOf(error)).toBe(expected);
});

function catching(operation: () => unknown): unknown {
  try {
    return operation();
  } catch (error) {
    return error;
  }
}
