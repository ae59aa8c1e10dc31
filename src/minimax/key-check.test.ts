import { expect, test } from "vitest";
import { keyCheckOf } from "./key-check.ts";

test("images of a model that does not exist tell nothing of the key", () => {
  const response = {
    status: 200,
    host: "api.example",
    traceId: undefined,
    retryAfterMs: undefined,
    json: { data: { image_base64: ["aGVsbG8="] } },
    unreadable: undefined,
    showsImages: true,
    allowLoopback: false,
    quote: String,
  };

  expect(keyCheckOf(response)).toEqual({
    status: 200,
    verdict: "unknown",
    reason: "it answered a request for a model that does not exist with images",
  });
});
