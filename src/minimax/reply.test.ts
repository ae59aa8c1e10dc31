import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { API_CODES } from "../constants.ts";
import { EmptyResponseError, HttpError, MiniMaxApiError, UnknownOutcomeError, UserFacingError } from "../errors.ts";
import { truncate } from "../text/text.ts";
import { type GenerationResult, interpretReply } from "./reply.ts";
import type { UpstreamResponse } from "./response.ts";

const SUCCESS = { status_code: 0, status_msg: "success" };
const LINK = "https://oss.example.com/image%2Fprod%2Fa_aigc.jpeg?Expires=1&Signature=data:x%3D";
const CODE_WORDS = 'HTTP 200, status code 1000 ("success or no success").';
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
    const metadata = { failed_count: 0, success_count: 12 };

    expect(resultOf({ id: "03ff3cd0", data: { image_urls }, metadata, base_resp: { status_code: "0" } }, 9)).toEqual({
      id: "03ff3cd0",
      images: [1, 2, 3].map((n) => ({ index: n - 1, link: `${LINK}&n=${n}` })),
      metadata: { failed_count: "0", success_count: "12" },
      withheld: undefined,
      warnings: [],
    });
  });

  test.each([
    ["with base_resp", { data: { image_base64: [HELLO.encoded] }, base_resp: SUCCESS }],
    ["beside unknown fields", { trace: {}, data: { image_base64: [HELLO.encoded], usage: 3 } }],
    ["as one text", { data: { image_base64: HELLO.encoded } }],
    ["as a data URL among the links", { data: { image_urls: [` data:image/png;base64,${HELLO.encoded}`] } }],
  ])("base64 becomes bytes: %s", (_what, json) => {
    expect(resultOf(json).images).toEqual([{ index: 0, bytes: HELLO.bytes }]);
  });

  test("a link among the base64 is a link", () => {
    const longest = `https://e.com/${"x".repeat(2_034)}`;
    const image_base64 = [` ${LINK.replace("https:", "http:")}`, longest];

    expect(resultOf({ data: { image_base64 } }).images).toEqual([
      { index: 0, link: LINK },
      { index: 1, link: longest },
    ]);
  });

  test("images that cannot be used are a result where MiniMax claims success", () => {
    expect(resultOf({ data: { image_base64: ["<html>"] } }).images).toEqual([
      { index: 0, problem: "it is not valid base64" },
    ]);
  });

  test.each<readonly [string, unknown, string]>([
    ["null", null, "MiniMax's response has no image data for it"],
    ["an empty text", "", "it is empty"],
    ["an object", { url: LINK }, ""],
    ["an object that cannot be made a text", { toString: 1, valueOf: 1 }, ""],
    ["lists without end", JSON.parse(`${"[".repeat(4_000)}${"]".repeat(4_000)}`), ""],
    ["text that is neither base64 nor a link", "<html>", ""],
    ["a link of 2,049 characters", `https://e.com/${"x".repeat(2_035)}`, ""],
    ["a link to this machine", "http://127.0.0.1/a.jpeg", "MiniMax delivered no usable link for it"],
  ])("one bad image does not lose the others: %s", (_case, bad, words) => {
    const image_base64 = [HELLO.encoded, bad, HELLO.encoded];
    const image_urls = [LINK, bad];
    const problem: unknown = expect.stringContaining(words);

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
    ["an HTTP error without a code", { status: 500 }, undefined, "HTTP 500."],
    ["a code", {}, { status_code: 1000, status_msg: "success or no success" }, CODE_WORDS],
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
    const [advice, regionHint] = error.recovery?.split(" This server asks ") ?? [];
    expect(advice).toBe(known?.recovery);
    expect(regionHint !== undefined).toBe(code === 1004 || code === 2049);
    expect(error.details.retryAfterMs).toBe(known?.outcome === "transient" ? (known.minimumWaitMs ?? 0) : undefined);
  });

  test.each<readonly [string, object, number, number, number | undefined]>([
    ["a code as a text", { base_resp: { status_code: "1008" }, error: { message: "(2056)" } }, 200, 1008, undefined],
    ["the other envelope", { error: { message: "fail (2056): … (1004) \n", http_code: "401" } }, 401, 1004, undefined],
    ["the other envelope beside 0", { base_resp: SUCCESS, error: { message: "(1004)" } }, 200, 1004, undefined],
    ["a code with an HTTP error", { base_resp: { status_code: 2013 } }, 400, 2013, undefined],
    ["an unknown code with HTTP 503", { base_resp: { status_code: 9999 } }, 503, 9999, 7_000],
    ["a known code with HTTP 503", { base_resp: { status_code: 1000 } }, 503, 1000, 7_000],
    ["data: null", { data: null, base_resp: { status_code: 2013 } }, 200, 2013, undefined],
  ])("the code decides: %s", (_what, json, status, code, retryAfterMs) => {
    const error = errorOf(answer(json, { status, retryAfterMs: 7_000 }));

    expect(error).toBeInstanceOf(MiniMaxApiError);
    expect(error.details).toMatchObject({ code });
    expect(error.details.retryAfterMs).toBe(retryAfterMs);
  });

  test.each([
    [1004, "api.minimax.io", "api.minimax.cn", "cn"],
    [2049, "api.minimax.cn", "api.minimax.io", "global"],
    [2049, "api.minimaxi.com", "api.minimax.io", "global"],
  ])("of code %i from %s name %s", (code, host, otherHost, region) => {
    const { recovery } = errorOf(answer({ base_resp: { status_code: code } }, { host }));

    expect(recovery).toContain(`This server asks ${host};`);
    expect(recovery).toContain(`host is ${otherHost} (MINIMAX_API_HOST=${region})`);
  });

  test.each([
    [300, undefined],
    [404, undefined],
    [502, 0],
  ])("HTTP %i without a code is an HTTP error", (status, retryAfterMs) => {
    const words = `api.minimax.io responded with HTTP ${status} and no image`;
    const error = errorOf(answer({ message: "no" }, { status }));

    expect(error).toBeInstanceOf(HttpError);
    expect(error.message).toBe(`${words} ("no").`);
    expect(error.details.retryAfterMs).toBe(retryAfterMs);
    expect(errorOf(unreadable(status)).message).toBe(`${words}.`);
  });
});

describe("an unknown outcome", () => {
  const TOO_SLOW = "api.minimax.io responded with HTTP 504";
  const UNDOCUMENTED = "its response is not what MiniMax documents";
  const NONE_USABLE = "its response reports images but holds none that can be used";

  test.each([
    [
      "code 1001 with a status that is retried",
      { base_resp: { status_code: 1001 } },
      503,
      "MiniMax reported a timeout",
    ],
    ["HTTP 504 without a code", {}, 504, TOO_SLOW],
    ["HTTP 504 with a code of 0", { base_resp: SUCCESS }, 504, TOO_SLOW],
    ["HTTP 504 with a code that is retried", { base_resp: { status_code: 1000 } }, 504, TOO_SLOW],
    ["success without a body", undefined, 200, UNDOCUMENTED],
    ["success of another kind", { status: "ok" }, 200, UNDOCUMENTED],
    ["success that counts images", { metadata: { success_count: 1 }, base_resp: SUCCESS }, 200, NONE_USABLE],
    ["an error that counts images", { data: { success_count: "2" }, metadata: { success_count: 0 } }, 500, NONE_USABLE],
    ["an error whose count is no number", { metadata: { success_count: "x" } }, 500, NONE_USABLE],
    ["success with an entry that is no image", { data: { image_urls: [null] }, base_resp: SUCCESS }, 200, NONE_USABLE],
    ["an error with links in objects", { data: { image_urls: [{ url: LINK }] } }, 503, NONE_USABLE],
    ["an error with one object", { data: { image_base64: { b64_json: "" } } }, 503, NONE_USABLE],
    ["an error with a list of objects", { data: [{ url: LINK }] }, 503, NONE_USABLE],
    ["an error with a bad image", { data: { image_base64: ["<html>"] } }, 500, NONE_USABLE],
  ])("is not retried: %s", (_case, json, status, words) => {
    const error = errorOf(answer(json, { status, traceId: "trace-1" }));

    expect(error).toBeInstanceOf(UnknownOutcomeError);
    expect(error.message).toContain(`The request was sent, but ${words}.`);
    expect(error.details).toMatchObject({ billing: "unknown", traceId: "trace-1" });
    expect(error.details.retryAfterMs).toBeUndefined();
    expect(error.details.code).not.toBe(0);
  });

  test.each([
    ["nulls", { image_urls: [null, null], image_base64: null }],
    ["empty objects", { image_urls: [{}], image_base64: {} }],
    ["empty lists", { image_urls: [[]], image_base64: [[[]]] }],
    ["a text", "Service Unavailable"],
    ["deep lists", [[{ a: 1 }]]],
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
    ["an empty object", { data: {}, metadata: { failed_count: "3", success_count: "0" } }, "; it withheld 3."],
    ["null", { data: null, metadata: { failed_count: 3 } }, "; it withheld 3."],
    ["no data", { metadata: { failed_count: "0" } }, "."],
    ["null lists", { data: { image_urls: null, image_base64: null }, metadata: {} }, "."],
    ["no lists", { data: { image_urls: "", image_base64: false }, base_resp: SUCCESS }, "."],
  ])("is success without images: data is %s", (_case, json, words) => {
    const error = errorOf(answer(json, { traceId: "trace-1" }));

    expect(error).toBeInstanceOf(EmptyResponseError);
    expect(error.message).toBe(`MiniMax reported success but delivered no image${words}`);
    expect(error.details.traceId).toBe("trace-1");
  });
});

const oddKeys = fc.constantFrom("toString", "valueOf", "constructor", "length", "then");
const anything = fc.oneof(
  fc.constantFrom(HELLO.encoded, LINK, "", 0, "0", 1, "9", 1000, 1001, "2056", 9999, "no (1004)", "slow (1001)"),
  fc.dictionary(oddKeys, fc.jsonValue()),
  fc.jsonValue(),
);
const recordOf = (...keys: string[]): fc.Arbitrary<unknown> =>
  fc.oneof(anything, fc.record(Object.fromEntries(keys.map((key) => [key, anything])), { requiredKeys: [] }));
const lists = fc.record({ image_base64: fc.array(anything), image_urls: fc.array(anything) }, { requiredKeys: [] });
const replies = fc.record(
  {
    id: anything,
    data: fc.oneof(lists, anything),
    metadata: recordOf("failed_count", "success_count"),
    base_resp: recordOf("status_code", "status_msg"),
    error: recordOf("message"),
  },
  { requiredKeys: [] },
);

test("any JSON is a result or an error in words, and unknown with HTTP 504", () => {
  fc.assert(
    fc.property(fc.oneof(replies, anything), fc.constantFrom(200, 301, 404, 503, 504), (body, status) => {
      const outcome = outcomeOf(answer(JSON.parse(JSON.stringify(body)), { status }));

      if (status === 504 && outcome instanceof UserFacingError) expect(outcome).toBeInstanceOf(UnknownOutcomeError);
    }),
    { numRuns: 500 },
  );
});
