import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { API_CODES } from "../constants.ts";
import { EmptyResponseError, HttpError, MiniMaxApiError, UnknownOutcomeError, UserFacingError } from "../errors.ts";
import { truncate } from "../text/text.ts";
import { type GenerationResult, interpretReply } from "./reply.ts";
import type { UpstreamResponse } from "./response.ts";

const SUCCESS = { status_code: 0, status_msg: "success" };
const LINK = "https://oss.example.com/image%2Fprod%2Fa_aigc.jpeg?Expires=1&Signature=x%3D";
const HELLO = { encoded: "aGVsbG8=", bytes: Buffer.from("hello") };

function answer(json: unknown, facts: Partial<UpstreamResponse> = {}): UpstreamResponse {
  return {
    status: 200,
    host: "api.minimax.io",
    traceId: undefined,
    retryAfterMs: undefined,
    json,
    unreadable: undefined,
    showsImages: false,
    allowLoopback: false,
    quote: (outside) => truncate(outside.replaceAll("sk-api-secret", "[API key]")),
    ...facts,
  };
}

function unreadable(status: number, facts: Partial<UpstreamResponse> = {}): UpstreamResponse {
  return answer(undefined, { status, unreadable: "the connection was lost", ...facts });
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

function resultOf(json: unknown, requested = 1, facts: Partial<UpstreamResponse> = {}): GenerationResult {
  return interpretReply(answer(json, facts), requested);
}

describe("images", () => {
  test("links come in order, over https and otherwise untouched", () => {
    const image_urls = [`${LINK}&n=1`, `${LINK.replace("https:", "http:")}&n=2`, `${LINK}&n=3`];
    const metadata = { failed_count: "0", success_count: "3" };

    expect(resultOf({ id: "03ff3cd0", data: { image_urls }, metadata, base_resp: SUCCESS }, 3)).toEqual({
      id: "03ff3cd0",
      images: [1, 2, 3].map((n) => ({ index: n - 1, link: `${LINK}&n=${n}` })),
      metadata,
      withheld: "0",
      warnings: [],
    });
  });

  test.each([
    ["with base_resp", { data: { image_base64: [HELLO.encoded] }, base_resp: SUCCESS }],
    ["without base_resp", { data: { image_base64: [HELLO.encoded] } }],
    ["beside unknown fields", { trace: {}, data: { image_base64: [HELLO.encoded], usage: 3 } }],
    ["as one text", { data: { image_base64: HELLO.encoded } }],
    ["as a data URL among the links", { data: { image_urls: [`data:image/png;base64,${HELLO.encoded}`] } }],
  ])("base64 becomes bytes: %s", (_what, json) => {
    expect(resultOf(json).images).toEqual([{ index: 0, bytes: HELLO.bytes }]);
  });

  test("a link among the base64 is a link", () => {
    expect(resultOf({ data: { image_base64: [LINK] } }).images).toEqual([{ index: 0, link: LINK }]);
  });

  test.each([
    ["null", null],
    ["a number", 7],
    ["an object", { url: LINK }],
    ["an object that cannot be made a text", { toString: 1, valueOf: 1 }],
    ["lists without end", JSON.parse(`${"[".repeat(4_000)}${"]".repeat(4_000)}`)],
    ["an empty text", ""],
    ["text that is neither base64 nor a link", "<html>"],
    ["a link of 2,049 characters", `https://e.com/${"x".repeat(2_035)}`],
    ["a link to this machine", "http://127.0.0.1/a.jpeg"],
  ])("one bad image does not lose the others: %s", (_case, bad) => {
    const image_base64 = [HELLO.encoded, bad, HELLO.encoded];
    const image_urls = [LINK, bad];
    const problem: unknown = expect.stringMatching(/./);

    expect(resultOf({ data: { image_urls } }, 2).images).toEqual([
      { index: 0, link: LINK },
      { index: 1, problem },
    ]);
    expect(resultOf({ data: { image_base64 } }, 3).images).toEqual([
      { index: 0, bytes: HELLO.bytes },
      { index: 1, problem },
      { index: 2, bytes: HELLO.bytes },
    ]);
  });

  test("at most nine are taken, empty entries last, and it is said", () => {
    const image_urls = ["", ...Array<string>(8).fill(LINK), null, LINK, LINK];

    const { images, warnings } = resultOf({ data: { image_urls } }, 9);

    expect(images.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 10]);
    expect(warnings).toEqual([expect.stringContaining("lists 12 images; at most 9 are taken")]);
  });

  test.each([
    ["an HTTP error", { status: 500 }, SUCCESS, "HTTP 500."],
    ["a code", {}, { status_code: 1000, status_msg: "odd" }, 'HTTP 200, status code 1000 ("odd").'],
  ])("images that came with %s are kept, with a warning", (_what, facts, base_resp, words) => {
    const { images, warnings } = resultOf({ data: { image_base64: [HELLO.encoded] }, base_resp }, 1, facts);

    expect(images).toHaveLength(1);
    expect(warnings).toEqual([`MiniMax delivered images with an error: ${words}`]);
  });

  test("images of a body that broke off are kept, with a warning", () => {
    const facts = { unreadable: "the connection was lost", showsImages: true };

    const { images, warnings } = resultOf({ data: { image_base64: [HELLO.encoded] } }, 9, facts);

    expect(images).toHaveLength(1);
    expect(warnings).toEqual([
      "MiniMax's response broke off (the connection was lost): images that are missing may have been generated and billed.",
    ]);
  });
});

describe("counts and ids", () => {
  test("numbers and texts are taken for each other", () => {
    const metadata = { failed_count: 2, success_count: 1 };
    const reply = { data: { image_urls: [LINK] }, metadata, base_resp: { status_code: "0" } };

    expect(resultOf(reply, 3)).toMatchObject({
      metadata: { failed_count: "2", success_count: "1" },
      withheld: "2",
    });
  });

  test.each([
    ["missing", undefined, 3, "1"],
    ["null", null, 3, "1"],
    ["an empty array", [], 3, "1"],
    ["nonsense", { failed_count: "many", success_count: -1 }, 3, "1"],
    ["missing, with images to spare", undefined, 1, "0"],
  ])("follow from the images when they are %s", (_case, metadata, requested, failed_count) => {
    const result = resultOf({ data: { image_urls: [LINK, LINK] }, metadata }, requested);

    expect(result).toMatchObject({ metadata: { failed_count, success_count: "2" }, withheld: undefined });
  });

  test.each([undefined, null, "", "   ", 7])("the trace id takes the place of the id %j", (id) => {
    expect(resultOf({ id, data: { image_urls: [LINK] } }, 1, { traceId: "trace-1" }).id).toBe("trace-1");
    expect(resultOf({ id, data: { image_urls: [LINK] } }).id).toBeUndefined();
  });

  test("an id is quoted on one bounded line", () => {
    expect(resultOf({ id: `a\n${"b".repeat(1000)}`, data: { image_urls: [LINK] } }).id).toMatch(/^a b{298}…$/);
  });
});

describe("refusals", () => {
  test.each(Object.keys(API_CODES).map(Number))("code %i is said, hinted at and retried as the table says", (code) => {
    const known = API_CODES[code];

    const error = errorOf(answer({ base_resp: { status_code: code, status_msg: "so\nit is" } }, { traceId: "t" }));

    expect(error.message).toContain(known?.outcome === "unknown" ? "MiniMax reported a timeout" : known?.meaning);
    expect(error.message).toContain('("so it is")');
    expect(error.details).toMatchObject({ code, traceId: "t" });
    expect(error.recovery).toContain(known?.recovery);
    expect(error.recovery?.includes("the other region's host")).toBe(code === 1004 || code === 2049);
    expect(error.details.retryAfterMs).toBe(known?.outcome === "transient" ? (known.minimumWaitMs ?? 0) : undefined);
  });

  test.each<readonly [string, object, number, number, number | undefined]>([
    ["a code as a text", { base_resp: { status_code: "1008" } }, 200, 1008, undefined],
    ["the other envelope", { error: { message: "login fail: … (1004)", http_code: "401" } }, 401, 1004, undefined],
    ["the other envelope's limit", { error: { message: "usage limit exceeded (2056)" } }, 429, 2056, undefined],
    ["a code with an HTTP error", { base_resp: { status_code: 2013 } }, 400, 2013, undefined],
    ["an unknown code", { base_resp: { status_code: -7 } }, 200, -7, undefined],
    ["an unknown code with HTTP 503", { base_resp: { status_code: 9999 } }, 503, 9999, 7_000],
    ["a known code with HTTP 503", { base_resp: { status_code: 1000 } }, 503, 1000, 7_000],
    ["data: null", { data: null, base_resp: { status_code: 2013 } }, 200, 2013, undefined],
    ["data: []", { id: "", data: [], base_resp: { status_code: 2013 } }, 200, 2013, undefined],
  ])("the code decides: %s", (_what, json, status, code, retryAfterMs) => {
    const error = errorOf(answer(json, { status, retryAfterMs: 7_000 }));

    expect(error).toBeInstanceOf(MiniMaxApiError);
    expect(error.details).toMatchObject({ code });
    expect(error.details.retryAfterMs).toBe(retryAfterMs);
  });

  test.each([
    [1004, "api.minimax.io", "api.minimax.cn", "cn"],
    [2049, "api.minimax.io", "api.minimax.cn", "cn"],
    [2049, "api.minimax.cn", "api.minimax.io", "global"],
    [2049, "api.minimaxi.com", "api.minimax.io", "global"],
  ])("of code %i from %s name %s", (code, host, otherHost, region) => {
    const { recovery } = errorOf(answer({ base_resp: { status_code: code } }, { host }));

    expect(recovery).toContain(`This server asks ${host};`);
    expect(recovery).toContain(`host is ${otherHost} (MINIMAX_API_HOST=${region})`);
  });

  test.each([
    [301, undefined],
    [404, undefined],
    [502, 0],
  ])("HTTP %i without a code is an HTTP error", (status, retryAfterMs) => {
    for (const reply of [answer({ message: "no" }, { status }), unreadable(status)]) {
      expect(errorOf(reply)).toBeInstanceOf(HttpError);
      expect(errorOf(reply).details.retryAfterMs).toBe(retryAfterMs);
    }
  });
});

describe("an unknown outcome", () => {
  test.each([
    ["code 1001 as a text", { base_resp: { status_code: "1001" } }, 200],
    ["code 1001 with a status that is retried", { base_resp: { status_code: 1001 } }, 503],
    ["HTTP 504 without a code", {}, 504],
    ["HTTP 504 with a code of 0", { base_resp: SUCCESS }, 504],
    ["HTTP 504 with a code that is retried", { base_resp: { status_code: 1000 } }, 504],
    ["HTTP 504 with the other envelope", { error: { message: "too slow (1033)" } }, 504],
    ["success without a body", undefined, 200],
    ["success with null", null, 200],
    ["success with a text", "ok", 200],
    ["success with a list", [], 200],
    ["success of another kind", { status: "ok" }, 200],
    ["success that counts images", { metadata: { success_count: 1 }, base_resp: SUCCESS }, 200],
    ["an error that counts images", { data: { success_count: "2" }, base_resp: { status_code: 1000 } }, 500],
    ["an error whose count is no number", { metadata: { success_count: "x" } }, 500],
    ["success with an entry that is no image", { data: { image_urls: [null] }, base_resp: SUCCESS }, 200],
    ["an error with a bad image", { data: { image_base64: ["<html>"] }, base_resp: { status_code: 1000 } }, 500],
  ])("is not retried: %s", (_case, json, status) => {
    const error = errorOf(answer(json, { status, traceId: "trace-1" }));

    expect(error).toBeInstanceOf(UnknownOutcomeError);
    expect(error.details).toMatchObject({ billing: "unknown", traceId: "trace-1" });
    expect(error.details.retryAfterMs).toBeUndefined();
  });

  test.each([
    ["links in objects", { image_urls: [{ url: LINK }] }],
    ["bytes in objects", { image_base64: [{ b64_json: HELLO.encoded }] }],
    ["a list of objects", [{ b64_json: HELLO.encoded }]],
    ["one object", { image_urls: { url: LINK } }],
  ])("is an error whose data holds %s", (_what, data) => {
    for (const [status, code] of [
      [500, 0],
      [503, 1000],
      [200, 1033],
    ] as const) {
      expect(errorOf(answer({ data, base_resp: { status_code: code } }, { status }))).toBeInstanceOf(
        UnknownOutcomeError,
      );
    }
  });

  test.each([
    ["nulls", { image_urls: [null, null], image_base64: null }],
    ["empty objects", { image_urls: [{}], image_base64: {} }],
    ["empty lists", { image_urls: [[]], image_base64: [[[]]] }],
    ["a text", "Service Unavailable"],
    ["deep lists", [[[[[[[{ a: 1 }]]]]]]]],
  ])("is no error whose data holds %s", (_what, data) => {
    const reply = answer({ data, base_resp: { status_code: 1000 } }, { status: 500 });

    expect(errorOf(reply).details.retryAfterMs).toBe(0);
  });

  test.each([
    ["success", 200, false],
    ["an error that shows images", 503, true],
  ])("says why the body of %s cannot be read", (_what, status, showsImages) => {
    const error = errorOf(unreadable(status, { showsImages }));

    expect(error).toBeInstanceOf(UnknownOutcomeError);
    expect(error.message).toContain("sent, but the connection was lost");
  });
});

describe("EMPTY_RESPONSE", () => {
  test.each([
    ["an empty object", {}],
    ["null", null],
    ["an empty array", []],
    ["an empty list", { image_urls: [] }],
    ["null lists", { image_urls: null, image_base64: null }],
  ])("is success without images: data is %s", (_case, data) => {
    const metadata = { failed_count: "1", success_count: "0" };
    const error = errorOf(answer({ id: "a1", data, metadata, base_resp: SUCCESS }));

    expect(error).toBeInstanceOf(EmptyResponseError);
    expect(error.details).toMatchObject({ code: "EMPTY_RESPONSE", traceId: "a1" });
  });

  test.each([
    ["3", "it withheld 3"],
    [3, "it withheld 3"],
    [undefined, "delivered no image."],
  ])("says how many images were withheld, given %j", (failed_count, words) => {
    const reply = answer({ data: {}, metadata: { failed_count }, base_resp: SUCCESS }, { traceId: "trace-1" });

    expect(errorOf(reply).message).toContain(words);
    expect(errorOf(reply).details.traceId).toBe("trace-1");
  });
});

const statuses = fc.oneof(fc.constant(200), fc.constant(504), fc.integer({ min: 200, max: 599 }));
const near = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 4, arbitrary: value }, fc.jsonValue());
const oddKeys = fc.constantFrom("toString", "valueOf", "constructor", "length", "then");
const oddObjects = fc.dictionary(oddKeys, fc.jsonValue());
const things = fc.array(fc.oneof(fc.constantFrom(HELLO.encoded, LINK, ""), fc.jsonValue(), oddObjects), {
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
  ["JSON that is almost a reply", almostReplies],
])("%s is a result or one of the documented errors", (_case, bodies) => {
  fc.assert(
    fc.property(bodies, statuses, (body, status) => {
      const outcome = outcomeOf(answer(JSON.parse(JSON.stringify(body)), { status }));

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
