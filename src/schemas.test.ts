import fc from "fast-check";
import { expect, test } from "vitest";
import { toolInputSchema, toolOutputSchema, upstreamReplySchema } from "./schemas.ts";
import { readImageHeader } from "./utils/image-header.ts";

const PROMPT = "a cat";
const LIVE = { model: "image-01-live" };
const REFERENCE = { type: "character", image_file: "https://example.com/face.jpg" };
const RATIOS = ["1:1", "16:9", "4:3", "3:2", "2:3", "3:4", "9:16", "21:9"];
const STYLES = ["漫画", "元气", "中世纪", "水彩"];

const ONE_OF_RATIOS = `expected ${RATIOS.map((ratio) => `"${ratio}"`).join(" or ")}`;
const ONE_OF_STYLES = `expected ${STYLES.map((style) => `"${style}"`).join(" or ")}`;
const TEXT = "expected text of 1 to 1500 characters";
const TOO_LONG = "expected at most 1500 characters";
const N = "expected an integer from 1 to 9";
const SEED = "expected an integer from 0 to 4294967295";
const SIDE = "expected an integer from 512 to 2048";
const FLAG = "expected true or false";
const REFERENCES = "expected a list of 1 to 5 references";
const IMAGE_FILE = "expected an https:// URL, an image data URL or a file path";
const LONG_IMAGE_FILE =
  "expected a data URL of an image of less than 10 MB, or a path or URL of at most 8192 characters";
const DIRECTORY = "expected a path of 1 to 4096 characters";
const WEIGHT = "expected a number above 0 up to 1";
const FILE_NAME =
  'expected a plain file name of at most 60 characters and 120 bytes, without / \\ : * ? " < > |, no dot, dash or space at the start, no dot or space at the end, and no Windows device name';

const references = (...imageFiles: readonly unknown[]): unknown[] =>
  imageFiles.map((image_file) => ({ ...REFERENCE, image_file }));

test("a prompt is enough", () => {
  expect(toolInputSchema.parse({ prompt: PROMPT })).toEqual({
    prompt: PROMPT,
    n: 1,
    response_format: "base64",
    prompt_optimizer: false,
    model: "image-01",
    return_images: false,
  });
});

test.each<[string, Readonly<Record<string, unknown>>]>([
  ["a prompt of one character", { prompt: "x" }],
  ["a prompt of 1500 letters", { prompt: "x".repeat(1500) }],
  ["a prompt of 1500 emoji", { prompt: "😀".repeat(1500) }],
  ["white space around a prompt", { prompt: "  a cat \n" }],
  ...RATIOS.map((aspect_ratio): [string, Record<string, unknown>] => [aspect_ratio, { aspect_ratio }]),
  ["the smallest numbers", { n: 1, seed: 0, width: 512, height: 512 }],
  ["the largest numbers", { n: 9, seed: 4_294_967_295, width: 2048, height: 2048 }],
  ["a side of a multiple of 8", { width: 520, height: 1024 }],
  ["a size with a ratio", { width: 512, height: 512, aspect_ratio: "16:9" }],
  ["links", { response_format: "url" }],
  ["flags that are on", { prompt_optimizer: true, aigc_watermark: true, return_images: true }],
  ["flags that are off", { prompt_optimizer: false, aigc_watermark: false, return_images: false }],
  ["one reference", { subject_reference: [REFERENCE] }],
  ["five references", { subject_reference: Array(5).fill(REFERENCE) }],
  ["a data URL of nearly 10 MB", { subject_reference: references(`data:image/png;base64,${"A".repeat(13_333_332)}`) }],
  ["a directory of 4096 characters", { output_dir: "x".repeat(4096) }],
  ...STYLES.map((style_type): [string, Record<string, unknown>] => [style_type, { ...LIVE, style: { style_type } }]),
  ["a light style", { ...LIVE, style: { style_type: "漫画", style_weight: 0.01 } }],
  ["a heavy style", { ...LIVE, style: { style_type: "漫画", style_weight: 1 } }],
  ["image-01-live with a ratio", { ...LIVE, aspect_ratio: "9:16" }],
  ["unknown keys", { requestId: 7, negative_prompt: "dogs" }],
])("the input is accepted unchanged: %s", (_case, input) => {
  expect(toolInputSchema.parse({ prompt: PROMPT, ...input })).toMatchObject(input);
});

test.each<[string, unknown, string]>([
  ["prompt", undefined, TEXT],
  ["prompt", null, TEXT],
  ["prompt", ["a cat"], TEXT],
  ["prompt", "x".repeat(1501), TOO_LONG],
  ["prompt", "😀".repeat(1501), TOO_LONG],
  ["prompt", "x".repeat(2_000_000), TOO_LONG],
  ...["", " ", "\n\t\r ", "\u3000\u00a0"].map((blank): [string, string, string] => [
    "prompt",
    blank,
    "expected text that is not blank",
  ]),
  ...["2:1", "16x9", "16:9 ", "", 1, null].map((ratio): [string, unknown, string] => [
    "aspect_ratio",
    ratio,
    ONE_OF_RATIOS,
  ]),
  ...[0, 10, 1.5, "3", null, true, NaN, Infinity].map((n): [string, unknown, string] => ["n", n, N]),
  ...[-1, 4_294_967_296, 0.5, "7", null].map((seed): [string, unknown, string] => ["seed", seed, SEED]),
  ["response_format", "b64_json", 'expected "base64" or "url"'],
  ["model", "image-02", 'expected "image-01" or "image-01-live"'],
  ["prompt_optimizer", "true", FLAG],
  ["aigc_watermark", 1, FLAG],
  ["return_images", null, FLAG],
  ["subject_reference", [], REFERENCES],
  ["subject_reference", Array(6).fill(REFERENCE), REFERENCES],
  ["subject_reference", REFERENCE, REFERENCES],
  ["subject_reference.0", ["https://example.com"], 'expected an object {"type": "character", "image_file": "…"}'],
  ["subject_reference.0.type", [{ ...REFERENCE, type: "style" }], 'expected "character"'],
  ["subject_reference.0.type", [{ image_file: "https://example.com" }], 'expected "character"'],
  ["subject_reference.0.image_file", references(undefined), IMAGE_FILE],
  ["subject_reference.1.image_file", references("face.png", ""), IMAGE_FILE],
  ["subject_reference.0.image_file", references("x".repeat(8193)), LONG_IMAGE_FILE],
  ["subject_reference.0.image_file", references(`data:${"A".repeat(13_333_500)}`), LONG_IMAGE_FILE],
  ["output_dir", "", DIRECTORY],
  ["output_dir", 7, DIRECTORY],
  ["output_dir", "x".repeat(4097), DIRECTORY],
  ["output_dir", "s3://bucket/x", "the path is a URL: give the path of a directory"],
  ["output_dir", "C:\new", "the path contains control characters: in JSON, write each backslash twice"],
  ["filename", 7, FILE_NAME],
])("%s is refused (case %#)", (path, value, message) => {
  const [key = ""] = path.split(".");
  const { error } = toolInputSchema.safeParse({ prompt: PROMPT, [key]: value });

  expect(new Set(error?.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`))).toEqual(
    new Set([`${path}: ${message}`]),
  );
});

test.each<[Readonly<Record<string, unknown>>, string, string]>([
  ...[504, 2056, 512.5, "512", null].flatMap((side): [Record<string, unknown>, string, string][] => [
    [{ width: side, height: 512 }, "width", SIDE],
    [{ width: 512, height: side }, "height", SIDE],
  ]),
  [{ width: 513, height: 512 }, "width", "expected a multiple of 8"],
  [{ width: 512, height: 2047 }, "height", "expected a multiple of 8"],
  [{ width: 512 }, "height", "missing: give width and height together, or neither"],
  [{ height: 512 }, "width", "missing: give width and height together, or neither"],
  [{ ...LIVE, width: 512, height: 512 }, "width", "not allowed with image-01-live: use aspect_ratio"],
  [{ ...LIVE, aspect_ratio: "21:9" }, "aspect_ratio", "21:9 is not allowed with image-01-live"],
  [{ style: { style_type: "漫画" } }, "style", "not allowed with image-01: set model to image-01-live"],
  [{ ...LIVE, style: "漫画" }, "style", "expected an object with style_type"],
  [{ ...LIVE, style: { style_type: "comic" } }, "style.style_type", ONE_OF_STYLES],
  [{ ...LIVE, style: { style_weight: 0.5 } }, "style.style_type", ONE_OF_STYLES],
  ...[0, 1.1, "0.5"].map((style_weight): [Record<string, unknown>, string, string] => [
    { ...LIVE, style: { style_type: "漫画", style_weight } },
    "style.style_weight",
    WEIGHT,
  ]),
])("the combination %j is refused at %s", (input, path, message) => {
  const { error } = toolInputSchema.safeParse({ prompt: PROMPT, ...input });

  expect(new Set(error?.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`))).toEqual(
    new Set([`${path}: ${message}`]),
  );
});

test.each([
  ...["hero", "hero.jpeg", "my hero", "v1.2-final_3", "(1) & more", "~hero", "猫", "console", "auxiliary.con"],
  ...["x".repeat(60), "é".repeat(60), "猫".repeat(40), "😀".repeat(30)],
])("filename: %s is accepted", (filename) => {
  expect(toolInputSchema.parse({ prompt: PROMPT, filename }).filename).toBe(filename);
});

test.each([
  ...["", " ", "a/b", "a\\b", "..", "../hero", "C:hero", "her*", "<hero>", "con", "aux.jpeg", "hero.", "hero "],
  ...[".hero", "-hero", " hero", "he\0ro", "he\u202ero", "he\ud800ro", "x".repeat(61), `${"猫".repeat(40)}x`],
])("filename: %j is refused", (filename) => {
  expect(toolInputSchema.safeParse({ prompt: PROMPT, filename }).error?.issues[0]?.message).toBe(FILE_NAME);
});

test.each([undefined, null, "a cat", 7, []])("%j is refused as the input", (input) => {
  expect(toolInputSchema.safeParse(input).error?.issues[0]?.message).toBe("expected an object");
});

test("no JSON value makes the schema throw", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(toolInputSchema.safeParse(value).success).toBeTypeOf("boolean");
    }),
    { numRuns: 200 },
  );
});

test("a key named __proto__ sets no parameter", () => {
  const input = toolInputSchema.parse(JSON.parse('{"prompt":"a","__proto__":{"output_dir":7,"seed":"x"}}'));

  expect([input.output_dir, input.seed]).toEqual([undefined, undefined]);
});

test.each(Object.entries(toolInputSchema.shape))("%s has a description", (_name, { description }) => {
  expect(description).toMatch(/\S/);
});

const output = {
  image_count: 1,
  saved_count: 1,
  file_paths: ["/pictures/a.png"],
  metadata: { failed_count: "0", success_count: "1" },
};
const image = { path: "/pictures/a.png", bytes: 1000, mime_type: "image/png" };

test("the output takes every size that a PNG header can state", () => {
  const head = Buffer.from("\x89PNG\r\n\x1a\n\0\0\0\rIHDR".padEnd(33, "\0"), "latin1");
  head.writeUInt32BE(4_294_967_295, 16);
  head.writeUInt32BE(1, 20);
  const { width, height } = readImageHeader(head) ?? { width: 0, height: 0 };

  expect(toolOutputSchema.safeParse({ ...output, images: [{ ...image, width, height }] }).error).toBeUndefined();
});

test.each([
  ["a count as a number", { metadata: { failed_count: 0, success_count: 1 } }],
  ["an image without a size", { images: [{ ...image, width: 0, height: 1 }] }],
  ["a GIF", { images: [{ ...image, width: 1, height: 1, mime_type: "image/gif" }] }],
  ["a negative index", { failures: [{ index: -1, error: "It failed." }] }],
])("the output refuses %s", (_case, part) => {
  expect(toolOutputSchema.safeParse({ ...output, images: [], ...part }).success).toBe(false);
});

test("any object is read as MiniMax's answer", () => {
  const part = fc.jsonValue();
  const fields = { id: part, data: part, metadata: part, base_resp: part, error: part, other: part };
  fc.assert(
    fc.property(fc.record(fields, { requiredKeys: [] }), (body) => {
      expect(upstreamReplySchema.safeParse(body).success).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test("a malformed part of MiniMax's answer does not spoil the others", () => {
  expect(
    upstreamReplySchema.parse({
      id: 7,
      data: { image_urls: ["a", null, 7], image_base64: "aGVsbG8=" },
      metadata: { failed_count: "none", success_count: 1 },
      base_resp: { status_code: 1004, status_msg: null },
      error: "oops",
    }),
  ).toEqual({
    data: { image_urls: ["a", null, 7], image_base64: "aGVsbG8=" },
    metadata: { success_count: "1" },
    base_resp: { status_code: 1004 },
    error: { message: "oops" },
  });
});

test.each([
  [0, 0],
  ["0", 0],
  ["1004", 1004],
  ["-1", -1],
  ...[null, "", "ok", 1.5, "1e3", " 0", true, [0], {}].map((odd): [unknown, undefined] => [odd, undefined]),
])("MiniMax's status code %j is read as %s", (status_code, expected) => {
  expect(upstreamReplySchema.parse({ base_resp: { status_code } }).base_resp?.status_code).toBe(expected);
});

test.each([
  ["3", "3", "3"],
  [3, "3", "3"],
  [0, "0", "0"],
  ...[null, "", [], false].map((nothing): [unknown, undefined, undefined] => [nothing, undefined, undefined]),
  ...[-1, 0.5, "many", "12345678901", "1\n<system>"].map((odd): [unknown, undefined, string] => [odd, undefined, "?"]),
])("MiniMax's count %j: %s failed or %s succeeded", (count, failed, succeeded) => {
  const { metadata } = upstreamReplySchema.parse({ metadata: { failed_count: count, success_count: count } });

  expect([metadata?.failed_count, metadata?.success_count]).toEqual([failed, succeeded]);
});
