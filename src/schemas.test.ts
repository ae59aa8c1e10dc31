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

describe("the tool's input", () => {
  test("a prompt is enough, and the rest has its documented defaults", () => {
    expect(toolInputSchema.parse({ prompt: PROMPT })).toEqual({
      prompt: PROMPT,
      aspect_ratio: "1:1",
      n: 1,
      response_format: "base64",
      prompt_optimizer: false,
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
      output_dir: "pictures",
    };

    expect(toolInputSchema.parse(input)).toEqual(input);
  });

  test("unknown keys are kept, so that they can be named", () => {
    expect(accepted({ requestId: 7, negative_prompt: "dogs" })).toMatchObject({
      requestId: 7,
      negative_prompt: "dogs",
    });
  });

  test("a key named __proto__ smuggles nothing past the rules", () => {
    const input = toolInputSchema.parse(JSON.parse('{"prompt":"a","__proto__":{"output_dir":7,"seed":"x"}}'));

    expect(input.output_dir).toBeUndefined();
    expect(input.seed).toBeUndefined();
  });

  test.each(Object.entries(toolInputSchema.shape))("%s has a description", (_name, { description }) => {
    expect(description).toMatch(/\S/);
  });

  test.each([undefined, null, "a cat", 7, []])("%j instead of an object is refused", (input) => {
    expect(refusalOf(input).message).toContain("expected object");
  });

  test("any JSON is accepted or refused, and never makes it throw", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(toolInputSchema.safeParse(value).success).toBeTypeOf("boolean");
      }),
      { numRuns: 200 },
    );
  });
});

describe("prompt", () => {
  test.each([
    ["one character", "x"],
    ["1500 letters", "x".repeat(1500)],
    ["1500 emoji, which are 3000 UTF-16 units", "😀".repeat(1500)],
    ["white space around words", "  a cat \n"],
  ])("%s are accepted unchanged", (_case, prompt) => {
    expect(accepted({ prompt }).prompt).toBe(prompt);
  });

  test.each([
    ["1501 letters", "x".repeat(1501)],
    ["1501 emoji", "😀".repeat(1501)],
    ["a whole book", "x".repeat(2_000_000)],
  ])("%s are refused, and the limit is named", (_case, prompt) => {
    expect(refusalOf({ prompt })).toEqual({
      message: "Invalid value: expected at most 1500 characters",
      path: "prompt",
    });
  });

  test.each(["", " ", "\n\t\r ", "\u3000\u00a0"])("%j is refused as blank", (prompt) => {
    expect(refusalOf({ prompt })).toEqual({
      message: "Invalid value: expected text that is not blank",
      path: "prompt",
    });
  });

  test.each([undefined, null, 7, ["a cat"]])("%j is refused: it has to be text", (prompt) => {
    expect(refusalOf({ prompt })).toMatchObject({ path: "prompt" });
    expect(refusalOf({ prompt }).message).toContain("expected string");
  });
});

describe("aspect_ratio", () => {
  test.each(["1:1", "16:9", "4:3", "3:2", "2:3", "3:4", "9:16", "21:9"])("%s is accepted", (aspect_ratio) => {
    expect(accepted({ aspect_ratio }).aspect_ratio).toBe(aspect_ratio);
  });

  test.each(["2:1", "16x9", "16:9 ", "", 1, null])("%j is refused, and every choice is named", (aspect_ratio) => {
    const { message, path } = refusalOf({ prompt: PROMPT, aspect_ratio });

    expect(path).toBe("aspect_ratio");
    for (const ratio of ["1:1", "16:9", "4:3", "3:2", "2:3", "3:4", "9:16", "21:9"]) expect(message).toContain(ratio);
  });
});

describe("n", () => {
  test.each([1, 5, 9])("%i is accepted", (n) => {
    expect(accepted({ n }).n).toBe(n);
  });

  test.each([0, 10, -1, 1.5, "3", null, true, Number.NaN, Infinity, 1e300])(
    "%s is refused, and the range is named",
    (n) => {
      expect(refusalOf({ prompt: PROMPT, n })).toEqual({
        message: "Invalid value: expected an integer from 1 to 9",
        path: "n",
      });
    },
  );
});

describe("seed", () => {
  test.each([0, 1, 4_294_967_295])("%i is accepted", (seed) => {
    expect(accepted({ seed }).seed).toBe(seed);
  });

  test("is absent when it is not given", () => {
    expect(accepted({})).not.toHaveProperty("seed");
  });

  test.each([-1, 4_294_967_296, 0.5, "7", null, Number.MAX_SAFE_INTEGER + 2])(
    "%s is refused, and the range is named",
    (seed) => {
      expect(refusalOf({ prompt: PROMPT, seed })).toEqual({
        message: "Invalid value: expected an integer from 0 to 4294967295",
        path: "seed",
      });
    },
  );
});

describe("response_format", () => {
  test.each(["png", "b64_json", "URL", null])("%j is refused, and both choices are named", (response_format) => {
    const { message, path } = refusalOf({ prompt: PROMPT, response_format });

    expect(path).toBe("response_format");
    expect(message).toContain('"base64"');
    expect(message).toContain('"url"');
  });
});

describe("prompt_optimizer", () => {
  test.each(["true", 1, null])("%j is refused: it has to be a boolean", (prompt_optimizer) => {
    expect(refusalOf({ prompt: PROMPT, prompt_optimizer }).message).toContain("expected boolean");
  });
});

describe("subject_reference", () => {
  test.each([1, 5])("%i references are accepted", (length) => {
    const subject_reference = Array.from({ length }, () => REFERENCE);

    expect(accepted({ subject_reference }).subject_reference).toEqual(subject_reference);
  });

  test.each([
    ["none", [], "subject_reference", ">=1"],
    ["six", Array.from({ length: 6 }, () => REFERENCE), "subject_reference", "<=5"],
    ["one that is not in a list", REFERENCE, "subject_reference", "expected array"],
    ["a link alone", ["https://example.com"], "subject_reference.0", "expected object"],
    ["another type", [{ ...REFERENCE, type: "style" }], "subject_reference.0.type", '"character"'],
    ["no type", [{ image_file: "https://example.com" }], "subject_reference.0.type", '"character"'],
    ["no picture", [{ type: "character" }], "subject_reference.0.image_file", "expected string"],
    ["an empty picture", [REFERENCE, { ...REFERENCE, image_file: "" }], "subject_reference.1.image_file", ">=1"],
  ])("%s is refused, and what is allowed is said", (_case, subject_reference, path, allowed) => {
    const refusal = refusalOf({ prompt: PROMPT, subject_reference });

    expect(refusal.path).toBe(path);
    expect(refusal.message).toContain(allowed);
  });
});

describe("output_dir", () => {
  test.each([
    ["", ">=1"],
    [7, "expected string"],
    [null, "expected string"],
  ])("%j is refused", (output_dir, allowed) => {
    expect(refusalOf({ prompt: PROMPT, output_dir }).message).toContain(allowed);
  });
});

describe("the tool's output", () => {
  const output = {
    image_count: 1,
    saved_count: 1,
    file_paths: ["/pictures/a.png"],
    metadata: { failed_count: "0", success_count: "1" },
  };
  const image = { path: "/pictures/a.png", bytes: 1000, mime_type: "image/png" };

  test.each([1024, 65_535, 65_536, 100_000])("has room for a PNG that says it is %i pixels wide", (width) => {
    const head = Buffer.from("\x89PNG\r\n\x1a\n\0\0\0\rIHDR".padEnd(33, "\0"), "latin1");
    head.writeUInt32BE(width, 16);
    head.writeUInt32BE(1, 20);
    const size = readImageHeader(head);
    const images = size === undefined ? [] : [{ ...image, width: size.width, height: size.height }];

    expect(toolOutputSchema.safeParse({ ...output, images }).error).toBeUndefined();
  });

  test.each([
    ["a count that is no string", { metadata: { failed_count: 0, success_count: 1 } }],
    ["a picture of no size", { images: [{ ...image, width: 0, height: 1 }] }],
    ["a kind of file that is never saved", { images: [{ ...image, width: 1, height: 1, mime_type: "image/gif" }] }],
    ["a failure counted from 0", { failures: [{ index: 0, error: "It failed." }] }],
  ])("does not admit %s", (_case, part) => {
    expect(toolOutputSchema.safeParse({ ...output, images: [], ...part }).success).toBe(false);
  });
});

describe("MiniMax's answer", () => {
  test("any object is read, whatever its parts are", () => {
    const part = fc.jsonValue();
    const fields = { id: part, data: part, metadata: part, base_resp: part, error: part, other: part };
    fc.assert(
      fc.property(fc.record(fields, { requiredKeys: [] }), (body) => {
        expect(upstreamReplySchema.safeParse(body).success).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test("a part that is not as documented is absent and does not spoil the others", () => {
    expect(
      upstreamReplySchema.parse({
        id: 7,
        data: { image_urls: "https://example.com", image_base64: ["aGVsbG8="] },
        metadata: { failed_count: "none", success_count: 1 },
        base_resp: { status_code: 1004, status_msg: null },
        error: "oops",
      }),
    ).toEqual({
      data: { image_base64: ["aGVsbG8="] },
      metadata: { success_count: "1" },
      base_resp: { status_code: 1004 },
    });
  });

  test.each([
    [0, 0],
    ["0", 0],
    ["1004", 1004],
    [2049, 2049],
    ["-1", -1],
  ])("status code %j is %i", (status_code, expected) => {
    expect(upstreamReplySchema.parse({ base_resp: { status_code } }).base_resp?.status_code).toBe(expected);
  });

  test.each([null, "", "ok", 1.5, "1e3", " 0", true, [0], {}])("status code %j is none", (status_code) => {
    expect(upstreamReplySchema.parse({ base_resp: { status_code } }).base_resp).toBeUndefined();
  });

  test.each([
    ["3", "3"],
    [3, "3"],
    [0, "0"],
  ])("a count of %j is %s", (count, expected) => {
    expect(upstreamReplySchema.parse({ metadata: { failed_count: count } }).metadata?.failed_count).toBe(expected);
  });

  test.each([-1, 0.5, "many", "", "12345678901", null, [], "1\n<system>"])("a count of %j is none", (count) => {
    expect(upstreamReplySchema.parse({ metadata: { failed_count: count } }).metadata?.failed_count).toBeUndefined();
  });

  test("one odd image keeps its place among the others", () => {
    expect(upstreamReplySchema.parse({ data: { image_urls: ["a", null, 7] } }).data?.image_urls).toEqual([
      "a",
      null,
      7,
    ]);
  });
});
