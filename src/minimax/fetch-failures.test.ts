import { describe, expect, test } from "vitest";
import { DeadlineExceededError, UnknownOutcomeError } from "../errors.ts";
import { causeOf, reasonOf, toInterruptedError } from "./fetch-failures.ts";

const NOT_ABORTED = new AbortController().signal;

function coded(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}

function fetchFailed(cause: unknown): TypeError {
  return new TypeError("fetch failed", { cause });
}

describe("a request that was sent and ended without an answer", () => {
  test("because the connection broke has an unknown outcome, with the reason and its cause", () => {
    const error = fetchFailed(coded("other side closed", "UND_ERR_SOCKET"));

    const thrown = toInterruptedError(error, NOT_ABORTED);

    expect(thrown).toBeInstanceOf(UnknownOutcomeError);
    expect(thrown).toHaveProperty(
      "message",
      expect.stringContaining("the connection broke before the whole answer came (UND_ERR_SOCKET)"),
    );
    expect(thrown).toHaveProperty("cause", error);
    expect(thrown).not.toHaveProperty("details.retryAfterMs");
  });

  test("because the call's time was used up has an unknown outcome, with the time", () => {
    const thrown = toInterruptedError(new Error("aborted"), AbortSignal.abort(new DeadlineExceededError(230_000)));

    expect(thrown).toBeInstanceOf(UnknownOutcomeError);
    expect(thrown).toHaveProperty("message", expect.stringContaining("no whole answer came within the call's 230 s"));
    expect(thrown).toHaveProperty("details.recovery", expect.stringContaining("your choice"));
  });

  test.each([
    ["an error", new Error("the client cancelled")],
    ["a text", "closing"],
    ["null", null],
  ])("because it was cancelled ends with the reason itself, here %s", (_kind, reason) => {
    expect(toInterruptedError(fetchFailed(coded("reset", "ECONNRESET")), AbortSignal.abort(reason))).toBe(reason);
  });
});

describe("the cause of a failed fetch", () => {
  const cause = coded("connect ECONNREFUSED 127.0.0.1:1", "ECONNREFUSED");

  test.each([
    ["is what fetch hides", fetchFailed(cause), cause],
    ["is what fetch hides when that is no error", fetchFailed("no"), "no"],
    ["is what fetch hides when that is null", fetchFailed(null), null],
    ["is the error itself when it hides nothing", cause, cause],
    ["is whatever was thrown", "no", "no"],
    ["is only what an error hides", { cause }, { cause }],
  ])("%s", (_what, error, expected) => {
    expect(causeOf(error)).toEqual(expected);
  });
});

describe("the reason", () => {
  test.each([
    ["the system's code", fetchFailed(coded("connect ECONNREFUSED", "ECONNREFUSED")), "ECONNREFUSED"],
    ["the code of an error that hides nothing", coded("reset", "ECONNRESET"), "ECONNRESET"],
    ["the message where there is no code", fetchFailed(new Error("unexpected redirect")), "unexpected redirect"],
    ["the message where the code is no text", Object.assign(new Error("odd"), { code: 7 }), "odd"],
    ["a text that was thrown", "no", "no"],
    ["one line", fetchFailed(new Error("a\r\n  b\u001b[0m")), "a b [0m"],
  ])("is %s", (_what, error, expected) => {
    expect(reasonOf(error)).toBe(expected);
  });

  test("is bounded", () => {
    expect(reasonOf(new Error("x".repeat(10_000))).length).toBeLessThan(400);
  });
});
