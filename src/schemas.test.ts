import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ToolInput, toolInputSchema, toolOutputSchema, upstreamReplySchema } from "./schemas.ts";
import { readImageHeader } from "./utils/image-header.ts";

const PROMPT = "a cat";
const REFERENCE = { type: "character", image_file: "https://example.com/face.jpg" };

function accepted(input: Readonly<Record<string, unknown>>): ToolInput {
  return toolInputSchema.parse({ prompt: PROMPT, ...input });
}

function refusalOf(input: unknown): { readonly message: string; readonly path: string } {
  const { error } = toolInputSchema.safeParse(input);
  const [issue, ...more] = error?.issues ?? [];
  if (issue === undefined) throw new Error(`${JSON.stringify(input)} was accepted`);
  if (more.some(({ message }) => message !== issue.message)) throw new Error("different complaints about one mistake");
  return { message: issue.message, path: issue.path.join(".") };
}

test("the tool's input: a prompt is enough, and the rest has its documented defaults", () => {
  expect(toolInputSchema.parse({ prompt: PROMPT })).toEqual({
    prompt: PROMPT,
    n: 1,
    response_format: "base64",
    prompt_optimizer: false,
    model: "image-01",
    return_images: false,
  });
});

test("everything that is given is kept", () => {
  const input = {
    prompt: PROMPT,
    aspect_ratio: "21:9",
    n: 9,
    seed: 4_294_967_295,
    response_format: "url",
    prompt_optimizer: true,
    subject_reference: [REFERENCE],
    output_dir: "images",
    filename: "hero",
    model: "image-01",
    aigc_watermark: false,
    return_images: true,
  };

  expect(toolInputSchema.parse(input)).toEqual(input);
});

test("the tool's input: an exact size and a style are kept as well", () => {
  const size = { width: 1024, height: 768 };
  const generated = { model: "image-01-live", style: { style_type: "水彩", style_weight: 0.5 } };

  expect(accepted(size)).toMatchObject(size);
  expect(accepted(generated)).toMatchObject(generated);
});

test("unknown keys are kept, so that they can be named", () => {
  expect(accepted({ requestId: 7, negative_prompt: "dogs" })).toMatchObject({
    requestId: 7,
    negative_prompt: "dogs",
  });
});

test("the tool's input: a key named __proto__ smuggles nothing past the rules", () => {
  const input = toolInputSchema.parse(JSON.parse('{"prompt":"a","__proto__":{"output_dir":7,"seed":"x"}}'));

  expect(input.output_dir).toBeUndefined();
  expect(input.seed).toBeUndefined();
});

test.each(Object.entries(toolInputSchema.shape))("the tool's input: %s has a description", (_name, { description }) => {
  expect(description).toMatch(/\S/);
});

test.each([undefined, null, "a cat", 7, []])("the tool's input: %j instead of an object is refused", (input) => {
  expect(refusalOf(input).message).toContain("expected an object");
});

test("the tool's input: any JSON is accepted or refused, and never makes it throw", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(toolInputSchema.safeParse(value).success).toBeTypeOf("boolean");
    }),
    { numRuns: 200 },
  );
});

test.each([
  ["one character", "x"],
  ["1500 letters", "x".repeat(1500)],
  ["1500 emoji, which are 3000 UTF-16 units", "😀".repeat(1500)],
  ["white space around words", "  a cat \n"],
])("prompt: %s are accepted unchanged", (_case, prompt) => {
  expect(accepted({ prompt }).prompt).toBe(prompt);
});

test.each([
  ["1501 letters", "x".repeat(1501)],
  ["1501 emoji", "😀".repeat(1501)],
  ["a whole book", "x".repeat(2_000_000)],
])("prompt: %s are refused, and the limit is named", (_case, prompt) => {
  expect(refusalOf({ prompt })).toEqual({
    message: "expected at most 1500 characters",
    path: "prompt",
  });
});

test.each(["", " ", "\n\t\r ", "\u3000\u00a0"])("prompt: %j is refused as blank", (prompt) => {
  expect(refusalOf({ prompt })).toEqual({
    message: "expected text that is not blank",
    path: "prompt",
  });
});

test.each([undefined, null, 7, ["a cat"]])("prompt: %j is refused: it has to be text", (prompt) => {
  expect(refusalOf({ prompt })).toMatchObject({ path: "prompt" });
  expect(refusalOf({ prompt }).message).toContain("expected text");
});

test.each(["1:1", "16:9", "4:3", "3:2", "2:3", "3:4", "9:16", "21:9"])(
  "aspect_ratio: %s is accepted",
  (aspect_ratio) => {
    expect(accepted({ aspect_ratio }).aspect_ratio).toBe(aspect_ratio);
  },
);

test.each(["2:1", "16x9", "16:9 ", "", 1, null])(
  "aspect_ratio: %j is refused, and every choice is named",
  (aspect_ratio) => {
    const { message, path } = refusalOf({ prompt: PROMPT, aspect_ratio });

    expect(path).toBe("aspect_ratio");
    for (const ratio of ["1:1", "16:9", "4:3", "3:2", "2:3", "3:4", "9:16", "21:9"]) expect(message).toContain(ratio);
  },
);

test.each([1, 5, 9])("n: %i is accepted", (n) => {
  expect(accepted({ n }).n).toBe(n);
});

test.each([0, 10, -1, 1.5, "3", null, true, Number.NaN, Infinity, 1e300])(
  "n: %s is refused, and the range is named",
  (n) => {
    expect(refusalOf({ prompt: PROMPT, n })).toEqual({
      message: "expected an integer from 1 to 9",
      path: "n",
    });
  },
);

test.each([0, 1, 4_294_967_295])("seed: %i is accepted", (seed) => {
  expect(accepted({ seed }).seed).toBe(seed);
});

test("seed is absent when it is not given", () => {
  expect(accepted({})).not.toHaveProperty("seed");
});

test.each([-1, 4_294_967_296, 0.5, "7", null, Number.MAX_SAFE_INTEGER + 2])(
  "seed: %s is refused, and the range is named",
  (seed) => {
    expect(refusalOf({ prompt: PROMPT, seed })).toEqual({
      message: "expected an integer from 0 to 4294967295",
      path: "seed",
    });
  },
);

test.each(["png", "b64_json", "URL", null])(
  "response_format: %j is refused, and both choices are named",
  (response_format) => {
    const { message, path } = refusalOf({ prompt: PROMPT, response_format });

    expect(path).toBe("response_format");
    expect(message).toContain('"base64"');
    expect(message).toContain('"url"');
  },
);

test.each(["true", 1, null])("prompt_optimizer: %j is refused: it has to be a boolean", (prompt_optimizer) => {
  expect(refusalOf({ prompt: PROMPT, prompt_optimizer }).message).toContain("expected true or false");
});

test.each([1, 5])("subject_reference: %i references are accepted", (length) => {
  const subject_reference = Array.from({ length }, () => REFERENCE);

  expect(accepted({ subject_reference }).subject_reference).toEqual(subject_reference);
});

test.each([
  ["none", [], "subject_reference", "expected a list of 1 to 5 references"],
  ["six", Array.from({ length: 6 }, () => REFERENCE), "subject_reference", "expected a list of 1 to 5 references"],
  ["one that is not in a list", REFERENCE, "subject_reference", "expected a list of 1 to 5 references"],
  ["a link alone", ["https://example.com"], "subject_reference.0", "expected an object"],
  ["another type", [{ ...REFERENCE, type: "style" }], "subject_reference.0.type", '"character"'],
  ["no type", [{ image_file: "https://example.com" }], "subject_reference.0.type", '"character"'],
  ["no image", [{ type: "character" }], "subject_reference.0.image_file", "expected an https:// URL"],
  [
    "an empty image",
    [REFERENCE, { ...REFERENCE, image_file: "" }],
    "subject_reference.1.image_file",
    "expected an https:// URL",
  ],
])("subject_reference: %s is refused, and what is allowed is said", (_case, subject_reference, path, allowed) => {
  const refusal = refusalOf({ prompt: PROMPT, subject_reference });

  expect(refusal.path).toBe(path);
  expect(refusal.message).toContain(allowed);
});

test.each([
  ["", "expected a path"],
  [7, "expected a path"],
  [null, "expected a path"],
])("output_dir: %j is refused", (output_dir, allowed) => {
  expect(refusalOf({ prompt: PROMPT, output_dir }).message).toContain(allowed);
});

test.each([512, 520, 1024, 2048])("width and height: %i is accepted on both sides", (side) => {
  expect(accepted({ width: side, height: side })).toMatchObject({ width: side, height: side });
});

test.each([504, 2056, 0, -512, 512.5, "512", null, Infinity])(
  "width and height: %s is refused, and the range is named",
  (side) => {
    const range = "expected an integer from 512 to 2048";

    expect(refusalOf({ prompt: PROMPT, width: side, height: 512 })).toEqual({ message: range, path: "width" });
    expect(refusalOf({ prompt: PROMPT, width: 512, height: side })).toEqual({ message: range, path: "height" });
  },
);

test.each([513, 516, 1023, 2047])("width and height: %i is refused, because it is no multiple of 8", (side) => {
  const message = "expected a multiple of 8";

  expect(refusalOf({ prompt: PROMPT, width: side, height: 512 })).toEqual({ message, path: "width" });
  expect(refusalOf({ prompt: PROMPT, width: 512, height: side })).toEqual({ message, path: "height" });
});

test.each([
  ["height", { width: 512 }],
  ["width", { height: 512 }],
])("width and height: %s is missed where the other is given alone", (path, input) => {
  expect(refusalOf({ prompt: PROMPT, ...input })).toEqual({
    message: "missing: give width and height together, or neither",
    path,
  });
});

test.each(["1:1", "16:9"])("width and height and aspect_ratio %s are accepted together", (aspect_ratio) => {
  expect(accepted({ width: 512, height: 512, aspect_ratio })).toMatchObject({ width: 512, aspect_ratio });
});

test("width and height are refused with image-01-live, which has aspect_ratio", () => {
  expect(refusalOf({ prompt: PROMPT, width: 512, height: 512, model: "image-01-live" })).toEqual({
    message: "not allowed with image-01-live: use aspect_ratio",
    path: "width",
  });
});

test.each([
  "hero",
  "hero.jpeg",
  "my hero",
  "v1.2-final_3",
  "(1) & more",
  "~hero",
  "猫",
  "κατ",
  "console",
  "com10",
  "auxiliary.con",
  "x".repeat(60),
  "é".repeat(60),
  "猫".repeat(40),
  "😀".repeat(30),
])("filename: %s is accepted unchanged", (filename) => {
  expect(accepted({ filename }).filename).toBe(filename);
});

test.each([
  ["nothing", ""],
  ["a blank", " "],
  ["a separator", "a/b"],
  ["a separator of Windows", "a\\b"],
  ["the parent directory", ".."],
  ["a way out", "../hero"],
  ["a drive", "C:hero"],
  ["a star", "her*"],
  ["a question mark", "hero?"],
  ["a quotation mark", 'her"o'],
  ["an angle bracket", "<hero>"],
  ["a pipe", "a|b"],
  ["a dot in front", ".hero"],
  ["a dash in front", "-hero"],
  ["a space in front", " hero"],
  ["a dot at the end", "hero."],
  ["a space at the end", "hero "],
  ["NUL", "he\0ro"],
  ["a line break", "he\nro"],
  ["a right-to-left mark", "he\u202ero"],
  ["half a character", "he\ud800ro"],
  ["a Windows device", "con"],
  ["a Windows device in other case", "NUL"],
  ["a Windows device with an extension", "aux.jpeg"],
  ["a numbered Windows device", "Com1"],
  ["a numbered Windows device with a small digit", "lpt²"],
  ["61 letters", "x".repeat(61)],
  ["121 bytes", `${"猫".repeat(40)}x`],
])("filename with %s is refused, and the rule is named", (_case, filename) => {
  const { message, path } = refusalOf({ prompt: PROMPT, filename });

  expect(path).toBe("filename");
  expect(message).toContain("expected a plain file name of at most 60 characters and 120 bytes");
  expect(message).toContain('without / \\ : * ? " < > |');
});

test.each([7, null, ["hero"]])("filename: %j is refused: it has to be text", (filename) => {
  expect(refusalOf({ prompt: PROMPT, filename }).message).toContain("expected a plain file name");
});

test.each(["image-01", "image-01-live"])("model: %s is accepted", (model) => {
  expect(accepted({ model }).model).toBe(model);
});

test.each(["image-02", "IMAGE-01", "", null])("model: %j is refused, and both choices are named", (model) => {
  const { message, path } = refusalOf({ prompt: PROMPT, model });

  expect(path).toBe("model");
  expect(message).toContain('"image-01"');
  expect(message).toContain('"image-01-live"');
});

test("image-01-live does not take 21:9", () => {
  expect(refusalOf({ prompt: PROMPT, model: "image-01-live", aspect_ratio: "21:9" })).toEqual({
    message: "21:9 is not allowed with image-01-live",
    path: "aspect_ratio",
  });
});

test.each(["1:1", "16:9", "4:3", "3:2", "2:3", "3:4", "9:16"])("image-01-live takes %s", (aspect_ratio) => {
  expect(accepted({ model: "image-01-live", aspect_ratio }).aspect_ratio).toBe(aspect_ratio);
});

const withStyle = (style: unknown): Record<string, unknown> => ({ prompt: PROMPT, model: "image-01-live", style });

test.each(["漫画", "元气", "中世纪", "水彩"])("style: %s is accepted, with or without a weight", (style_type) => {
  expect(accepted(withStyle({ style_type })).style).toEqual({ style_type });
  expect(accepted(withStyle({ style_type, style_weight: 1 })).style).toEqual({ style_type, style_weight: 1 });
});

test.each([0.01, 0.8, 1])("style: a weight of %d is accepted", (style_weight) => {
  expect(accepted(withStyle({ style_type: "漫画", style_weight })).style?.style_weight).toBe(style_weight);
});

test.each([
  ["another style", { style_type: "comic" }, "style.style_type", "漫画"],
  ["no style in it", { style_weight: 0.5 }, "style.style_type", "水彩"],
  ["a weight of 0", { style_type: "漫画", style_weight: 0 }, "style.style_weight", "expected a number above 0 up to 1"],
  [
    "a weight above 1",
    { style_type: "漫画", style_weight: 1.1 },
    "style.style_weight",
    "expected a number above 0 up to 1",
  ],
  [
    "a weight in words",
    { style_type: "漫画", style_weight: "0.5" },
    "style.style_weight",
    "expected a number above 0 up to 1",
  ],
  ["a name alone", "漫画", "style", "expected an object"],
])("style: %s is refused, and what is allowed is said", (_case, style, path, allowed) => {
  const refusal = refusalOf(withStyle(style));

  expect(refusal.path).toBe(path);
  expect(refusal.message).toContain(allowed);
});

test.each([{}, { model: "image-01" }])(
  "style is refused with image-01, and the model that has styles is named",
  (model) => {
    expect(refusalOf({ prompt: PROMPT, style: { style_type: "漫画" }, ...model })).toEqual({
      message: "not allowed with image-01: set model to image-01-live",
      path: "style",
    });
  },
);

describe.each(["aigc_watermark", "return_images"])("%s", (name) => {
  test.each([true, false])("%j is accepted", (value) => {
    expect(accepted({ [name]: value })).toHaveProperty(name, value);
  });

  test.each(["true", 1, null])("%j is refused: it has to be a boolean", (value) => {
    expect(refusalOf({ prompt: PROMPT, [name]: value })).toMatchObject({ path: name });
    expect(refusalOf({ prompt: PROMPT, [name]: value }).message).toContain("expected true or false");
  });
});

test("a watermark is absent when it is not given", () => {
  expect(accepted({})).not.toHaveProperty("aigc_watermark");
});

const output = {
  image_count: 1,
  saved_count: 1,
  file_paths: ["/pictures/a.png"],
  metadata: { failed_count: "0", success_count: "1" },
};
const image = { path: "/pictures/a.png", bytes: 1000, mime_type: "image/png" };

test.each([1024, 65_535, 65_536, 100_000])(
  "the tool's output has room for a PNG that says it is %i pixels wide",
  (width) => {
    const head = Buffer.from("\x89PNG\r\n\x1a\n\0\0\0\rIHDR".padEnd(33, "\0"), "latin1");
    head.writeUInt32BE(width, 16);
    head.writeUInt32BE(1, 20);
    const size = readImageHeader(head);
    const images = size === undefined ? [] : [{ ...image, width: size.width, height: size.height }];

    expect(toolOutputSchema.safeParse({ ...output, images }).error).toBeUndefined();
  },
);

test.each([
  ["a count that is no string", { metadata: { failed_count: 0, success_count: 1 } }],
  ["an image of no size", { images: [{ ...image, width: 0, height: 1 }] }],
  ["a kind of file that is never saved", { images: [{ ...image, width: 1, height: 1, mime_type: "image/gif" }] }],
  ["a failure counted from 0", { failures: [{ index: -1, error: "It failed." }] }],
])("the tool's output does not admit %s", (_case, part) => {
  expect(toolOutputSchema.safeParse({ ...output, images: [], ...part }).success).toBe(false);
});

test("MiniMax's answer: any object is read, whatever its parts are", () => {
  const part = fc.jsonValue();
  const fields = { id: part, data: part, metadata: part, base_resp: part, error: part, other: part };
  fc.assert(
    fc.property(fc.record(fields, { requiredKeys: [] }), (body) => {
      expect(upstreamReplySchema.safeParse(body).success).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test("MiniMax's answer: a part that is not as documented is absent and does not spoil the others", () => {
  expect(
    upstreamReplySchema.parse({
      id: 7,
      data: { image_urls: "https://example.com", image_base64: ["aGVsbG8="] },
      metadata: { failed_count: "none", success_count: 1 },
      base_resp: { status_code: 1004, status_msg: null },
      error: "oops",
    }),
  ).toEqual({
    data: { image_urls: "https://example.com", image_base64: ["aGVsbG8="] },
    metadata: { success_count: "1" },
    base_resp: { status_code: 1004 },
    error: { message: "oops" },
  });
});

test.each([
  [0, 0],
  ["0", 0],
  ["1004", 1004],
  [2049, 2049],
  ["-1", -1],
])("MiniMax's answer: status code %j is %i", (status_code, expected) => {
  expect(upstreamReplySchema.parse({ base_resp: { status_code } }).base_resp?.status_code).toBe(expected);
});

test.each([null, "", "ok", 1.5, "1e3", " 0", true, [0], {}])(
  "MiniMax's answer: status code %j is none",
  (status_code) => {
    expect(upstreamReplySchema.parse({ base_resp: { status_code } }).base_resp?.status_code).toBeUndefined();
  },
);

test.each([
  ["3", "3"],
  [3, "3"],
  [0, "0"],
])("MiniMax's answer: a count of %j is %s", (count, expected) => {
  expect(upstreamReplySchema.parse({ metadata: { failed_count: count } }).metadata?.failed_count).toBe(expected);
});

test.each([-1, 0.5, "many", "", "12345678901", null, [], "1\n<system>"])(
  "MiniMax's answer: a count of %j is none",
  (count) => {
    expect(upstreamReplySchema.parse({ metadata: { failed_count: count } }).metadata?.failed_count).toBeUndefined();
  },
);

test("MiniMax's answer: one odd image keeps its place among the others", () => {
  expect(upstreamReplySchema.parse({ data: { image_urls: ["a", null, 7] } }).data.image_urls).toEqual(["a", null, 7]);
});
