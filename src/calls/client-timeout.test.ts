import { expect, test } from "vitest";
import { isClientTimeout } from "./client-timeout.ts";

test.each([
  "McpError: MCP error -32001: Request timed out",
  "Error: MCP error -32001: Request timed out",
  "SdkError: Request timed out",
  "request timeout",
  "maximum total timeout exceeded",
  "context deadline exceeded",
  "timed out after 60.0s",
  "timed out",
  "Timeout",
  "timed-out",
  "Timed out while waiting for response to ClientRequest. Waited 60.0 seconds.",
  "The operation timed out.",
  "Timeout of 60000ms exceeded",
  "deadline has elapsed",
  "rpc error: code = DeadlineExceeded",
  "DEADLINE_EXCEEDED",
  "timed_out",
  "TimeoutError: The operation was aborted due to timeout",
])("the client's clock has struck: %s", (reason) => {
  expect(isClientTimeout(reason)).toBe(true);
});

test.each([
  "AbortError: user-cancel",
  "AbortError: The operation was aborted.",
  "MCP request cancelled by caller",
  "context canceled",
  "caller cancelled",
  "operation cancelled",
  "user-cancel",
  "the user pressed Escape",
  "Session terminated",
  "context.Canceled",
  "",
  undefined,
  null,
  -32001,
  new Error("MCP error -32001: Request timed out"),
  new DOMException("The operation was aborted due to timeout", "TimeoutError"),
])("a person stopped the call: %s", (reason) => {
  expect(isClientTimeout(reason)).toBe(false);
});
