import { describe, expect, test } from "vitest";
import { ConnectionError, DeadlineExceededError, ImageError } from "../errors.ts";
import { interruptionOf, toDownloadError, toUnsentError } from "./fetch-failures.ts";

const NEVER = new AbortController().signal;
const SPENT = AbortSignal.abort(new DeadlineExceededError(230_000));
const CANCELLED = AbortSignal.abort("the client cancelled");
const PROXY = "http://proxy.example:3128/";

function coded(message: string, code: unknown): Error {
  return Object.assign(new Error(message), { code });
}

function fetchFailed(cause: unknown): TypeError {
  return new TypeError("fetch failed", { cause });
}

const UNKNOWN_HOST = fetchFailed(coded("no", "ENOTFOUND"));
const PROXY_REFUSAL = fetchFailed(coded("Proxy response (407) !== 200 when HTTP Tunneling", "UND_ERR_ABORTED"));
const UNTRUSTED = [
  ["SELF_SIGNED_CERT_IN_CHAIN", fetchFailed(coded("self-signed", "SELF_SIGNED_CERT_IN_CHAIN"))],
  ["CERT_HAS_EXPIRED", coded("expired", "CERT_HAS_EXPIRED")],
  ["ERR_TLS_CERT_ALTNAME_INVALID", fetchFailed(fetchFailed(coded("other host", "ERR_TLS_CERT_ALTNAME_INVALID")))],
] as const;

describe("a request that was sent", () => {
  test("was interrupted at the deadline, or ends with a cancellation", () => {
    expect(interruptionOf(UNKNOWN_HOST, SPENT)).toBe("no complete response came within the call's 230 s");
    expect(() => interruptionOf(UNKNOWN_HOST, CANCELLED)).toThrow("the client cancelled");
  });

  test.each([
    ["the system's code", UNKNOWN_HOST, "ENOTFOUND"],
    ["the code of an error without a cause", coded("reset", "ECONNRESET"), "ECONNRESET"],
    ["the message on one line", fetchFailed(new Error("unexpected\r\n  redirect")), "unexpected redirect"],
    ["the outer message where the inner is empty", fetchFailed(new Error("")), "fetch failed"],
    ["said to be missing where there are no words", new Error(""), "no reason given"],
    ["a text that was thrown", "no", "no"],
    ["the status of a proxy's refusal", PROXY_REFUSAL, "the proxy responded with HTTP 407"],
  ])("was interrupted, and the reason is %s", (_what, error, reason) => {
    expect(interruptionOf(error, NEVER)).toBe(`the connection was lost before the response was complete (${reason})`);
  });
});

describe("a request that was not sent", () => {
  test.each([
    ["ENOTFOUND", UNKNOWN_HOST, "Check the network connection, and MINIMAX_API_HOST."],
    [
      "the proxy responded with HTTP 407",
      PROXY_REFUSAL,
      "Put the proxy's user name and password into HTTPS_PROXY or HTTP_PROXY.",
    ],
  ])("may be retried after %s", (reason, cause, advice) => {
    const error = toUnsentError(cause, NEVER, "api.example", PROXY);

    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({
      message: `Could not connect to api.example (${reason}; a proxy is configured: ${PROXY}).`,
      details: { billing: "not sent", advice, retryAfterMs: 0 },
      cause,
    });
  });

  test.each(UNTRUSTED)("is not retried with %s", (code, cause) => {
    const error = toUnsentError(cause, NEVER, "api.example", undefined);

    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({
      message: `Could not connect to api.example: its certificate is not trusted (${code}).`,
      details: { billing: "not sent" },
      cause,
    });
    expect(error).toHaveProperty("details.advice", expect.stringContaining("NODE_EXTRA_CA_CERTS"));
    expect(error).not.toHaveProperty("details.retryAfterMs");
  });

  test("is not retried when the time was up, or after a cancellation", () => {
    const error = toUnsentError(new Error("aborted"), SPENT, "api.example", PROXY);

    expect(error).toMatchObject({
      message: `The call ran out of time (limit 230 s) while it was connecting to api.example; a proxy is configured: ${PROXY}.`,
      details: { billing: "not sent", advice: "Check the network connection, and MINIMAX_API_HOST." },
    });
    expect(error).not.toHaveProperty("details.retryAfterMs");
    expect(toUnsentError(new Error("aborted"), CANCELLED, "api.example", PROXY)).toBe("the client cancelled");
  });
});

test("a download may be retried, unless a certificate is not trusted", () => {
  const error = toDownloadError(UNKNOWN_HOST, "oss.example", PROXY);

  expect(error).toBeInstanceOf(ImageError);
  expect(error).toMatchObject({
    message: `The image could not be downloaded from oss.example (ENOTFOUND; a proxy is configured: ${PROXY}).`,
    details: { retryAfterMs: 0 },
    cause: UNKNOWN_HOST,
  });
  expect(toDownloadError(UNKNOWN_HOST, "oss.example", undefined).message).toContain("(ENOTFOUND).");
  for (const [code, cause] of UNTRUSTED) {
    expect(toDownloadError(cause, "oss.example", undefined).details.retryAfterMs, code).toBeUndefined();
  }
});
