import fc from "fast-check";
import { expect, test } from "vitest";
import { toolInputSchema, toolOutputSchema, upstreamReplySchema } from "./schemas.ts";
import { readImageHeader } from "./utils/image-header.ts";

const PROMPT = "a cat";
const LIVE = { model: "image-01-live" };
const REFERENCE = { type: "character", image_file: "https://example.com/face.jpg" };
const RATIOS = ["1:1", "16:9", "4:3", "3:2", "2:3", "3:4", "9:16", "21:9"];
const SIDES = [504, 2056, 512.5, "512", null];
const STYLES = ["漫画", "元气", "中世纪", "水彩"];

const ONE_OF_RATIOS = `expected ${RATIOS.map((ratio) => `"${ratio}"`).join(" or ")}`;
const ONE_OF_STYLES = `expected ${STYLES.map((style) => `"${style}"`).join(" or ")}`;
const FLAG = "expected true or false";
const IMAGE_FILE = "expected an https:// URL, an image data URL or a file path";
const LONG_IMAGE_FILE =
  "expected a data URL of an image of less than 10 MB, or a path or URL of at most 8192 characters";
const FILE_NAME =
  'expected a plain file name of at most 60 characters and 120 bytes, without / \\ : * ? " < > |, no dot, dash or space at the start, no dot or space at the end, and no Windows device name';

type Input = Readonly<Record<string, unknown>>;

const references = (...imageFiles: readonly unknown[]): Input => ({
  subject_reference: imageFiles.map((image_file) => ({ ...REFERENCE, image_file })),
});

const styled = (style: Input): Input => ({ ...LIVE, style: { style_type: "漫画", ...style } });

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

test.each<[string, Input]>([
  ["a prompt of one character", { prompt: "x" }],
  ["a prompt of 1500 letters", { prompt: "x".repeat(1500) }],
  ["a prompt of 1500 emoji", { prompt: "😀".repeat(1500) }],
  ["white space around a prompt", { prompt: "  a cat \n" }],
  ...RATIOS.map((aspect_ratio): [string, Input] => [aspect_ratio, { aspect_ratio }]),
  ["the smallest numbers", { n: 1, seed: 0, width: 512, height: 512 }],
  ["the largest numbers", { n: 9, seed: 4_294_967_295, width: 2048, height: 2048 }],
  ["a side of a multiple of 8", { width: 520, height: 1024 }],
  ["a size with a ratio", { width: 512, height: 512, aspect_ratio: "16:9" }],
  ["links", { response_format: "url" }],
  ["flags that are on", { prompt_optimizer: true, aigc_watermark: true, return_images: true }],
  ["flags that are off", { prompt_optimizer: false, aigc_watermark: false, return_images: false }],
  ["one reference", { subject_reference: [REFERENCE] }],
  ["five references", { subject_reference: Array(5).fill(REFERENCE) }],
  ["a data URL of nearly 10 MB", references(`data:image/png;base64,${"A".repeat(13_333_332)}`)],
  ["a path of 8192 characters", references("x".repeat(8192))],
  ["a directory of 4096 characters", { output_dir: "x".repeat(4096) }],
  ...STYLES.map((style_type): [string, Input] => [style_type, styled({ style_type })]),
  ["a light style", styled({ style_weight: 0.01 })],
  ["a heavy style", styled({ style_weight: 1 })],
  ["image-01-live with a ratio", { ...LIVE, aspect_ratio: "9:16" }],
  ["unknown keys", { requestId: 7, negative_prompt: "dogs" }],
])("the input is accepted unchanged: %s", (_case, input) => {
  expect(toolInputSchema.parse({ prompt: PROMPT, ...input })).toMatchObject(input);
});

test.each<[path: string, inputs: readonly Input[], message: string]>([
  ["prompt", [{ prompt: undefined }, { prompt: null }, { prompt: ["a cat"] }], "expected text of 1 to 1500 characters"],
  ["prompt", [{ prompt: "x".repeat(1501) }, { prompt: "😀".repeat(1501) }], "expected at most 1500 characters"],
  ["prompt", [{ prompt: "" }, { prompt: " \n\t\u3000\u00a0" }], "expected text that is not blank"],
  ["aspect_ratio", [{ aspect_ratio: "2:1" }, { aspect_ratio: 1 }, { aspect_ratio: null }], ONE_OF_RATIOS],
  ["n", [{ n: 0 }, { n: 10 }, { n: 1.5 }, { n: "3" }, { n: null }, { n: NaN }], "expected an integer from 1 to 9"],
  ["seed", [{ seed: -1 }, { seed: 4_294_967_296 }, { seed: 0.5 }], "expected an integer from 0 to 4294967295"],
  ["response_format", [{ response_format: "b64_json" }], 'expected "base64" or "url"'],
  ["model", [{ model: "image-02" }], 'expected "image-01" or "image-01-live"'],
  ["prompt_optimizer", [{ prompt_optimizer: "true" }], FLAG],
  ["aigc_watermark", [{ aigc_watermark: 1 }], FLAG],
  ["return_images", [{ return_images: null }], FLAG],
  [
    "subject_reference",
    [{ subject_reference: [] }, { subject_reference: Array(6).fill(REFERENCE) }, { subject_reference: REFERENCE }],
    "expected a list of 1 to 5 references",
  ],
  [
    "subject_reference.0",
    [{ subject_reference: ["https://example.com"] }],
    'expected an object {"type": "character", "image_file": "…"}',
  ],
  [
    "subject_reference.0.type",
    [{ subject_reference: [{ ...REFERENCE, type: "style" }] }, { subject_reference: [{ image_file: "face.png" }] }],
    'expected "character"',
  ],
  ["subject_reference.0.image_file", [references(undefined)], IMAGE_FILE],
  ["subject_reference.1.image_file", [references("face.png", "")], IMAGE_FILE],
  [
    "subject_reference.0.image_file",
    [
      references("x".repeat(8193)),
      references(`x${"data:".repeat(2000)}`),
      references(`data:${"A".repeat(13_333_500)}`),
    ],
    LONG_IMAGE_FILE,
  ],
  [
    "output_dir",
    [{ output_dir: "" }, { output_dir: 7 }, { output_dir: "x".repeat(4097) }],
    "expected a path of 1 to 4096 characters",
  ],
  ["output_dir", [{ output_dir: "s3://bucket/x" }], "the path is a URL: give the path of a directory"],
  ["filename", [{ filename: 7 }], FILE_NAME],
  ["width", SIDES.map((width) => ({ width, height: 512 })), "expected an integer from 512 to 2048"],
  ["height", SIDES.map((height) => ({ width: 512, height })), "expected an integer from 512 to 2048"],
  ["width", [{ width: 513, height: 512 }], "expected a multiple of 8"],
  ["height", [{ width: 512, height: 2047 }], "expected a multiple of 8"],
  ["height", [{ width: 512 }], "missing: give width and height together, or neither"],
  ["width", [{ height: 512 }], "missing: give width and height together, or neither"],
  ["width", [{ ...LIVE, width: 512, height: 512 }], "not allowed with image-01-live: use aspect_ratio"],
  ["aspect_ratio", [{ ...LIVE, aspect_ratio: "21:9" }], "21:9 is not allowed with image-01-live"],
  ["style", [{ style: { style_type: "漫画" } }], "not allowed with image-01: set model to image-01-live"],
  ["style", [{ ...LIVE, style: "漫画" }], "expected an object with style_type"],
  ["style.style_type", [styled({ style_type: "comic" }), styled({ style_type: undefined })], ONE_OF_STYLES],
  [
    "style.style_weight",
    [styled({ style_weight: 0 }), styled({ style_weight: 1.1 }), styled({ style_weight: "0.5" })],
    "expected a number above 0 up to 1",
  ],
])("%s is refused (case %#)", (path, inputs, message) => {
  for (const input of inputs) {
    const issues = toolInputSchema.safeParse({ prompt: PROMPT, ...input }).error?.issues ?? [];
    const lines = issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    expect([...new Set(lines)]).toEqual([`${path}: ${message}`]);
  }
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
  ["oops", [["oops"]]],
  [["oops"], [[["oops"]]]],
  ...[[], null, ""].map((nothing): [unknown, unknown[]] => [nothing, []]),
])("MiniMax's data %j become an entry that is no image, or none", (data, image_base64) => {
  expect(upstreamReplySchema.parse({ data }).data).toEqual({ image_base64 });
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
