import fc from "fast-check";
import { expect, test } from "vitest";
import { API_CODES } from "../constants.ts";
import { EmptyResponseError, HttpError, MiniMaxApiError, UnknownOutcomeError, UserFacingError } from "../errors.ts";
import { truncate } from "../text.ts";
import { type GenerationResult, interpretReply, type UpstreamResponse } from "./reply.ts";
import { ReplyReader } from "./reply-body.ts";

const LIMITS = { imageBytes: 1_000_000, jsonBytes: 1_000_000, bodyBytes: 2_000_000 };
const SUCCESS = { status_code: 0, status_msg: "success" };
const LINK = "https://oss.example.com/image%2Fprod%2Fa_aigc.jpeg?Expires=1&Signature=x%3D";

interface Circumstances {
  readonly status?: number;
  readonly traceId?: string;
  readonly retryAfterMs?: number;
}

async function answer(
  body: string | object | null,
  { status = 200, traceId, retryAfterMs }: Circumstances = {},
): Promise<UpstreamResponse> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const { json, decode } = await new ReplyReader(LIMITS).read([Buffer.from(text)]);
  const quote = (outside: string): string => truncate(outside.replaceAll("sk-api-secret", "[API key]"));
  return {
    status,
    host: "api.minimax.io",
    traceId,
    retryAfterMs,
    json,
    unreadable: undefined,
    showsImages: false,
    decode,
    allowLoopback: false,
    quote,
  };
}

function unreadable(status: number): UpstreamResponse {
  return {
    status,
    host: "api.minimax.io",
    traceId: "trace-1",
    retryAfterMs: undefined,
    json: undefined,
    unreadable: "its response could not be read: the body is not JSON",
    showsImages: false,
    decode: () => ({ problem: "there is no body" }),
    allowLoopback: false,
    quote: truncate,
  };
}

function outcomeOf(reply: UpstreamResponse, requested = 1): GenerationResult | UserFacingError {
  try {
    return interpretReply(reply, requested);
  } catch (error) {
    if (error instanceof UserFacingError) return error;
    throw error;
  }
}

function errorOf(reply: UpstreamResponse): UserFacingError {
  const outcome = outcomeOf(reply);
  if (outcome instanceof UserFacingError) return outcome;
  throw new Error(`${outcome.images.length} images instead of an error`);
}

function bytesOf(generation: GenerationResult): (Buffer | string)[] {
  return generation.images.map((image) => {
    if ("chunks" in image) return Buffer.concat(image.chunks);
    return "link" in image ? image.link : image.problem;
  });
}

test("success: links come back in order, over https and otherwise untouched, with MiniMax's id and counts", async () => {
  const reply = await answer({
    id: "03ff3cd0820949eb8a410056b5f21d38",
    data: { image_urls: [`${LINK}&n=1`, `${LINK.replace("https:", "http:")}&n=2`, `${LINK}&n=3`] },
    metadata: { failed_count: "0", success_count: "3" },
    base_resp: SUCCESS,
  });

  expect(interpretReply(reply, 3)).toEqual({
    id: "03ff3cd0820949eb8a410056b5f21d38",
    images: [1, 2, 3].map((n) => ({ index: n - 1, link: `${LINK}&n=${n}` })),
    metadata: { failed_count: "0", success_count: "3" },
    withheld: "0",
    warnings: [],
  });
});

test("base64 comes back as bytes, short and long", async () => {
  const long = Buffer.alloc(5000, "image");
  const reply = await answer({
    data: { image_base64: ["aGVsbG8=", long.toString("base64")] },
    base_resp: SUCCESS,
  });

  expect(bytesOf(interpretReply(reply, 2))).toEqual([Buffer.from("hello"), long]);
});

test("success: numbers and strings are taken for each other in codes and counts", async () => {
  const reply = await answer({
    data: { image_urls: [LINK] },
    metadata: { failed_count: 2, success_count: 1 },
    base_resp: { status_code: "0" },
  });

  expect(interpretReply(reply, 3).metadata).toEqual({ failed_count: "2", success_count: "1" });
});

test.each([
  ["are missing", undefined],
  ["are null", null],
  ["are an empty array", []],
  ["are nonsense", { failed_count: "many", success_count: -1 }],
])("success: when the counts %s they follow from what was asked for and what came", async (_case, metadata) => {
  const reply = await answer({ data: { image_urls: [LINK, LINK] }, metadata, base_resp: SUCCESS });

  expect(interpretReply(reply, 3).metadata).toEqual({ failed_count: "1", success_count: "2" });
});

test("more images than asked for are not a negative number of failures", async () => {
  const reply = await answer({ data: { image_urls: [LINK, LINK] }, base_resp: SUCCESS });

  expect(interpretReply(reply, 1).metadata.failed_count).toBe("0");
});

test.each([
  ["objects with links", { image_urls: [{ url: LINK }] }],
  ["objects with bytes", { image_base64: [{ b64_json: "aGVsbG8=" }] }],
  ["a list of objects", [{ b64_json: "aGVsbG8=" }]],
  ["one object", { image_urls: { url: LINK } }],
])("an error whose data holds %s may have generated images, and is not retried", async (_what, data) => {
  for (const [httpStatus, code] of [
    [500, 0],
    [503, 1000],
    [200, 1033],
  ] as const) {
    const reply = await answer({ data, base_resp: { status_code: code } }, { status: httpStatus });

    expect(errorOf(reply).name).toBe("UnknownOutcomeError");
    expect(errorOf(reply).details.retryAfterMs).toBeUndefined();
  }
});

test.each([
  ["nulls", { image_urls: [null, null], image_base64: null }],
  ["empty objects", { image_urls: [{}], image_base64: {} }],
  ["empty lists", { image_urls: [[]], image_base64: [[[]]] }],
  ["a text", "Service Unavailable"],
  ["lists deeper than any answer", [[[[[[[{ a: 1 }]]]]]]]],
])("an error whose data holds %s has generated nothing, and is retried", async (_what, data) => {
  const reply = await answer({ data, base_resp: { status_code: 1000 } }, { status: 500 });

  expect(errorOf(reply).details.retryAfterMs).toBe(0);
});

test.each([undefined, null, "", "   ", 7])("success: an id of %j is replaced by the trace id", async (id) => {
  const reply = await answer({ id, data: { image_urls: [LINK] } }, { traceId: "trace-1" });

  expect(interpretReply(reply, 1).id).toBe("trace-1");
});

test("success: without an id and a trace id there is none", async () => {
  expect(interpretReply(await answer({ data: { image_urls: [LINK] } }), 1).id).toBeUndefined();
});

test("success: an id is quoted on one bounded line", async () => {
  const reply = await answer({ id: `a\n${"b".repeat(1000)}`, data: { image_urls: [LINK] } });

  expect(interpretReply(reply, 1).id).toMatch(/^a b{298}…$/);
});

test("success: images without base_resp are images", async () => {
  expect(bytesOf(interpretReply(await answer({ data: { image_base64: ["aGVsbG8="] } }), 1))).toEqual([
    Buffer.from("hello"),
  ]);
});

test("fields nobody documented are ignored", async () => {
  const reply = await answer({ trace: {}, data: { image_urls: [LINK], usage: 3 }, base_resp: { ...SUCCESS, x: [] } });

  expect(interpretReply(reply, 1).images).toEqual([{ index: 0, link: LINK }]);
});

test.each([
  ["null", null],
  ["a number", 7],
  ["an object", { url: LINK }],
  ["an empty text", ""],
  ["text that is not base64", "<html>"],
])("one bad image does not lose the others: base64: %s", async (_case, bad) => {
  const reply = await answer({ data: { image_base64: ["aGVsbG8=", bad, "aGVsbG8="] }, base_resp: SUCCESS });
  const [first, second, third] = interpretReply(reply, 3).images;

  expect([first, third].every((image) => image !== undefined && "chunks" in image)).toBe(true);
  expect(second).toHaveProperty("problem");
});

test.each([
  ["null", null],
  ["a number", 7],
  ["an object", { url: LINK }],
  ["an object that cannot be made a text", { toString: 1, valueOf: 1 }],
  ["an array in an array in an array …", nested(20_000)],
  ["an empty text", ""],
  ["text that is no link", "not a link"],
])("one bad image does not lose the others: links: %s", async (_case, bad) => {
  const reply = await answer(`{"data":{"image_urls":["${LINK}",${stringify(bad)}]},"base_resp":{"status_code":0}}`);
  const [first, second] = interpretReply(reply, 2).images;

  expect(first).toEqual({ index: 0, link: LINK });
  expect(second).toHaveProperty("problem");
});

test("a link beyond 4 kB is the link itself or a problem, never a name from inside this server", async () => {
  const reply = await answer({ data: { image_urls: [`${LINK}${"x".repeat(5000)}`] }, base_resp: SUCCESS });

  expect(bytesOf(interpretReply(reply, 1)).join()).not.toContain("lifted:");
});

const bodies = [
  [
    1004,
    "login fail: Please carry the API secret key in the 'Authorization' field of the request header",
    `{"base_resp":{"status_code":1004,"status_msg":"login fail: Please carry the API secret key in the 'Authorization' field of the request header"}}`,
  ],
  [2049, "invalid api key", '{"base_resp":{"status_code":2049,"status_msg":"invalid api key"}}'],
  [1002, "rate limit exceeded(RPM)", '{"base_resp":{"status_code":1002,"status_msg":"rate limit exceeded(RPM)"}}'],
  [
    2013,
    "invalid params, prompt length must be less than 1500",
    '{"data":null,"base_resp":{"status_code":2013,"status_msg":"invalid params, prompt length must be less than 1500"}}',
  ],
  [
    2013,
    "invalid params, unsupported model: nope-01",
    '{"id":"","data":[],"base_resp":{"status_code":2013,"status_msg":"invalid params, unsupported model: nope-01"}}',
  ],
] as const;

test.each(bodies)("real refusals: code %i: %s", async (code, words, body) => {
  const error = errorOf(await answer(body, { traceId: "trace-1" }));

  expect(error).toBeInstanceOf(MiniMaxApiError);
  expect(error.message).toContain(API_CODES[code]?.meaning);
  expect(error.message).toContain(words);
  expect(error.details).toMatchObject({ code: code, traceId: "trace-1" });
  expect(error.details.recovery).toContain(API_CODES[code]?.recovery);
});

test.each([
  [1004, "api.minimax.io", "api.minimax.cn", "MINIMAX_API_HOST=cn"],
  [2049, "api.minimax.io", "api.minimax.cn", "MINIMAX_API_HOST=cn"],
  [2049, "api.minimax.cn", "api.minimax.io", "MINIMAX_API_HOST=global"],
  [2049, "api.minimaxi.com", "api.minimax.io", "MINIMAX_API_HOST=global"],
])("real refusals: code %i from %s names the other region's host, %s", async (code, host, otherHost, setting) => {
  const { recovery } = errorOf({ ...(await answer({ base_resp: { status_code: code } })), host }).details;

  expect(recovery).toContain(`asks ${host};`);
  expect(recovery).toContain(`host is ${otherHost} (${setting})`);
});

test("real refusals: a code that has nothing to do with the key names no other host", async () => {
  const { recovery } = errorOf(await answer({ base_resp: { status_code: 1008 } })).details;

  expect(recovery).toBe(API_CODES[1008]?.recovery);
});

test("real refusals: the other envelope, HTTP 401", async () => {
  const body =
    '{"type":"error","error":{"type":"authorized_error","message":"login fail: … (1004)","http_code":"401"},"request_id":"063432299e74d9b466b94f06aa8d7835"}';
  const error = errorOf(await answer(body, { status: 401 }));

  expect(error).toBeInstanceOf(MiniMaxApiError);
  expect(error.message).toContain("login fail: … (1004)");
  expect(error.details.code).toBe(1004);
  expect(error.details.recovery).toContain(API_CODES[1004]?.recovery);
  expect(error.details.retryAfterMs).toBeUndefined();
});

test("real refusals: the other envelope, HTTP 429: the plan's limit is not retried, although the status alone would be", async () => {
  const body = { type: "error", error: { type: "rate_limit_error", message: "usage limit exceeded (2056)" } };
  const error = errorOf(await answer(body, { status: 429 }));

  expect(error.details.code).toBe(2056);
  expect(error.details.retryAfterMs).toBeUndefined();
});

test.each(Object.keys(API_CODES).map(Number))(
  "real refusals: code %i is retried only if nothing was made",
  async (code) => {
    const error = errorOf(await answer({ base_resp: { status_code: code } }));

    expect(error.details.code).toBe(code);
    expect(error.details.retryAfterMs !== undefined).toBe(API_CODES[code]?.outcome === "transient");
  },
);

test("real refusals: a code written as a string is the same code", async () => {
  expect(errorOf(await answer({ base_resp: { status_code: "1008" } })).details.code).toBe(1008);
});

test("real refusals: a code that nobody documented is passed on and not repeated", async () => {
  const { details } = errorOf(await answer({ base_resp: { status_code: -7, status_msg: "?" } }));

  expect(details.code).toBe(-7);
  expect(details.retryAfterMs).toBeUndefined();
});

test("upstream's words are quoted on one bounded line, without the key", async () => {
  const words = `your key\nsk-api-secret ${"is wrong ".repeat(100)}`;
  const { message } = errorOf(await answer({ base_resp: { status_code: 1004, status_msg: words } }));

  expect(message).toContain("your key [API key] is wrong");
  expect(message.length).toBeLessThan(400);
});

test("real refusals: words beyond 4 kB are not replaced by a name from inside this server", async () => {
  const words = "very long words ".repeat(400);

  expect(errorOf(await answer({ base_resp: { status_code: 2013, status_msg: words } })).message).not.toContain(
    "lifted:",
  );
});

test("Retry-After is kept for a refusal that may be retried", async () => {
  const reply = await answer({ base_resp: { status_code: 1000 } }, { status: 503, retryAfterMs: 7000 });

  expect(errorOf(reply).details.retryAfterMs).toBe(7000);
});

test.each([301, 302, 307])("HTTP %i is not followed and not taken for success", async (status) => {
  expect(errorOf(await answer({}, { status }))).toBeInstanceOf(HttpError);
});

test("the order is HTTP status, base_resp, data: a code explains an HTTP error better than its status", async () => {
  const error = errorOf(await answer({ base_resp: { status_code: 2013 } }, { status: 400 }));

  expect(error).toBeInstanceOf(MiniMaxApiError);
  expect(error.details.code).toBe(2013);
});

test("an unknown code may be retried when the HTTP status says so", async () => {
  const error = errorOf(await answer({ base_resp: { status_code: 9999 } }, { status: 503 }));

  expect(error.details).toMatchObject({ code: 9999, retryAfterMs: 0 });
});

test("a gateway's HTML on 502 may be retried, on 404 not", () => {
  expect(errorOf(unreadable(502))).toBeInstanceOf(HttpError);
  expect(errorOf(unreadable(502)).details.retryAfterMs).toBe(0);
  expect(errorOf(unreadable(404)).details.retryAfterMs).toBeUndefined();
});

test.each([
  ["code 1001", { base_resp: { status_code: 1001, status_msg: "timeout" } }, 200],
  ["code 1001 as a string", { base_resp: { status_code: "1001" } }, 200],
  ["code 1001 with a status that is retried otherwise", { base_resp: { status_code: 1001 } }, 503],
  ["HTTP 504 without a code", {}, 504],
  ["HTTP 504 with a code of 0", { base_resp: SUCCESS }, 504],
  ["HTTP 504 with a code that is retried otherwise", { base_resp: { status_code: 1000 } }, 504],
  ["HTTP 504 with the other envelope", { error: { message: "too slow (1033)" } }, 504],
])("when images may have been made, nothing is retried: %s", async (_case, body, status) => {
  const error = errorOf(await answer(body, { status, traceId: "trace-1" }));

  expect(error).toBeInstanceOf(UnknownOutcomeError);
  expect(error.message).toContain("may have been generated and billed");
  expect(error.details.retryAfterMs).toBeUndefined();
  expect(error.details.traceId).toBe("trace-1");
});

test("when images may have been made, nothing is retried: code 1001 is named", async () => {
  const error = errorOf(await answer({ base_resp: { status_code: 1001, status_msg: "request timed out" } }));

  expect(error.details.code).toBe(1001);
  expect(error.message).toContain("request timed out");
});

test("when images may have been made, nothing is retried: HTTP 200 with a body that cannot be read, and the reason is said", () => {
  const error = errorOf(unreadable(200));

  expect(error).toBeInstanceOf(UnknownOutcomeError);
  expect(error.message).toContain("the body is not JSON");
});

test.each(["null", "7", '"ok"', "[]", "{}", '{"status":"ok"}'])(
  "when images may have been made, nothing is retried: HTTP 200 with %s",
  async (body) => {
    expect(errorOf(await answer(body))).toBeInstanceOf(UnknownOutcomeError);
  },
);

const withheld = { failed_count: "1", success_count: "0" };

test.each([
  ["an empty object", {}],
  ["null", null],
  ["an empty array", []],
  ["an empty list", { image_urls: [] }],
  ["an empty list of base64", { image_base64: [] }],
  ["null lists", { image_urls: null, image_base64: null }],
])("success without images is EMPTY_RESPONSE: data is %s", async (_case, data) => {
  const error = errorOf(await answer({ id: "a1", data, metadata: withheld, base_resp: SUCCESS }));

  expect(error).toBeInstanceOf(EmptyResponseError);
  expect(error.details).toMatchObject({ code: "EMPTY_RESPONSE", traceId: "a1" });
  expect(error.details.retryAfterMs).toBeUndefined();
});

test.each([
  ["as a string", "3"],
  ["as a number", 3],
])("success without images is EMPTY_RESPONSE: it says how many were withheld, given %s", async (_case, failedCount) => {
  const reply = await answer({ data: {}, metadata: { failed_count: failedCount }, base_resp: SUCCESS });

  expect(errorOf(reply).message).toContain("withheld 3");
});

test("success without images is EMPTY_RESPONSE: it says nothing of withheld images when MiniMax does not", async () => {
  expect(errorOf(await answer({ data: {}, base_resp: SUCCESS })).message).not.toContain("withheld");
});

test("success without images is EMPTY_RESPONSE, and without an id it carries the trace id", async () => {
  const reply = await answer({ id: "", data: {}, base_resp: SUCCESS }, { traceId: "trace-1" });

  expect(errorOf(reply).details.traceId).toBe("trace-1");
});

const statuses = fc.oneof(fc.constant(200), fc.constant(504), fc.integer({ min: 200, max: 599 }));
const near = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 4, arbitrary: value }, fc.jsonValue());
const oddKeys = fc.constantFrom("toString", "valueOf", "constructor", "length", "then");
const oddObjects = fc.dictionary(oddKeys, fc.jsonValue());
const things = fc.array(fc.oneof(fc.constantFrom("aGVsbG8=", LINK, ""), fc.jsonValue(), oddObjects), {
  maxLength: 4,
});
const counts = near(fc.oneof(fc.nat(9), fc.nat(9).map(String)));
const codes = near(fc.constantFrom(0, "0", 1000, 1001, 1004, "2056", 9999, -1));
const almostReplies = fc.record(
  {
    id: near(fc.string()),
    data: near(fc.record({ image_base64: near(things), image_urls: near(things) }, { requiredKeys: [] })),
    metadata: near(fc.record({ failed_count: counts, success_count: counts }, { requiredKeys: [] })),
    base_resp: near(fc.record({ status_code: codes, status_msg: near(fc.string()) }, { requiredKeys: [] })),
    error: near(fc.record({ message: near(fc.constantFrom("no (1004)", "slow (1001)", "(12)")) })),
  },
  { requiredKeys: [] },
);

test.each([
  ["any JSON", fc.jsonValue()],
  ["JSON that is almost an answer", almostReplies],
])("whatever the body holds: %s is a generation or one of the documented errors", async (_case, bodies) => {
  await fc.assert(
    fc.asyncProperty(bodies, statuses, async (body, status) => {
      const outcome = outcomeOf(await answer(JSON.stringify(body), { status }));

      expect(isDocumented(outcome)).toBe(true);
      if (status === 504 && outcome instanceof UserFacingError) expect(outcome).toBeInstanceOf(UnknownOutcomeError);
    }),
    { numRuns: 300 },
  );
});

function isDocumented(outcome: GenerationResult | UserFacingError): boolean {
  if (outcome instanceof UserFacingError) {
    return [MiniMaxApiError, HttpError, UnknownOutcomeError, EmptyResponseError].some(
      (type) => outcome instanceof type,
    );
  }
  const { images, metadata } = outcome;
  return images.length > 0 && /^\d+$/.test(metadata.failed_count) && /^\d+$/.test(metadata.success_count);
}

function nested(depth: number): { readonly raw: string } {
  return { raw: `${"[".repeat(depth)}${"]".repeat(depth)}` };
}

function stringify(value: unknown): string {
  return typeof value === "object" && value !== null && "raw" in value ? String(value.raw) : JSON.stringify(value);
}
