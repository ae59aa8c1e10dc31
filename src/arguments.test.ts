import { expect, test } from "vitest";
import { parseArguments, warningsOfInput } from "./arguments.ts";
import { UserFacingError } from "./errors.ts";

function refusalOf(args: unknown): UserFacingError {
  try {
    parseArguments(args);
  } catch (error) {
    if (error instanceof UserFacingError) return error;
    throw error;
  }
  throw new Error("The arguments were accepted.");
}

test("null and an empty style count as not given", () => {
  const input = parseArguments({
    prompt: "x",
    n: null,
    style: { style_type: null },
    subject_reference: null,
    output_dir: null,
  });

  expect(input).toMatchObject({ prompt: "x", n: 1 });
  expect(Object.keys(input)).not.toContain("style");
});

const REFERENCE = { type: "character", image_file: "anna.jpg" };
const LIVE = { prompt: "x", model: "image-01-live" };

test.each<[Record<string, unknown>, Record<string, unknown>]>([
  [{ Prompt: "x" }, { prompt: "x" }],
  [{ prompt: "x", aspectRatio: "16:9" }, { aspect_ratio: "16:9" }],
  [{ prompt: "x", "aspect-ratio": "16:9" }, { aspect_ratio: "16:9" }],
  [{ prompt: "x", AspectRatio: "16:9" }, { aspect_ratio: "16:9" }],
  [{ prompt: "x", N: 3 }, { n: 3 }],
  [{ prompt: "x", Seed: 0 }, { seed: 0 }],
  [{ prompt: "x", responseFormat: "url" }, { response_format: "url" }],
  [{ prompt: "x", promptOptimizer: true }, { prompt_optimizer: true }],
  [{ prompt: "x", subjectReference: [REFERENCE] }, { subject_reference: [REFERENCE] }],
  [
    { prompt: "x", SUBJECT_REFERENCE: [{ Type: "character", imageFile: "anna.jpg" }] },
    { subject_reference: [REFERENCE] },
  ],
  [{ prompt: "x", outputDir: "a" }, { output_dir: "a" }],
  [{ prompt: "x", OUTPUT_DIR: "a" }, { output_dir: "a" }],
  [
    { prompt: "x", Width: 512, HEIGHT: 1024 },
    { width: 512, height: 1024 },
  ],
  [{ prompt: "x", fileName: "a" }, { filename: "a" }],
  [{ prompt: "x", file_name: "a" }, { filename: "a" }],
  [{ prompt: "x", Model: "image-01" }, { model: "image-01" }],
  [
    { ...LIVE, Style: { styleType: "漫画", "style-weight": 0.5 } },
    { style: { style_type: "漫画", style_weight: 0.5 } },
  ],
  [{ prompt: "x", aigcWatermark: false }, { aigc_watermark: false }],
  [{ prompt: "x", returnImages: true }, { return_images: true }],
])("a parameter in another spelling is taken: %j", (args, taken) => {
  const input = parseArguments(args);

  expect(input).toMatchObject(taken);
  expect(warningsOfInput(input)).toEqual([]);
});

test("a parameter in our spelling wins, unless it is null", () => {
  const both = parseArguments({ prompt: "x", outputDir: "theirs", output_dir: "ours" });

  expect(both.output_dir).toBe("ours");
  expect(warningsOfInput(both)).toEqual(["Ignored unknown parameters: outputDir."]);
  expect(parseArguments({ prompt: "x", outputDir: "theirs", output_dir: null }).output_dir).toBe("theirs");
});

test.each([
  ["size", "width and height, or aspect_ratio"],
  ["image_size", "width and height, or aspect_ratio"],
  ["imageSize", "width and height, or aspect_ratio"],
  ["resolution", "width and height, or aspect_ratio"],
  ["num_images", "n"],
  ["numImages", "n"],
  ["count", "n"],
  ["batch_size", "n"],
  ["image", "subject_reference"],
  ["image_url", "subject_reference"],
  ["imageUrl", "subject_reference"],
  ["reference_image", "subject_reference"],
  ["output_path", "output_dir"],
  ["save_path", "output_dir"],
  ["savePath", "output_dir"],
  ["directory", "output_dir"],
  ["path", "output_dir and filename"],
  ["image_file", "subject_reference"],
  ["init_image", "subject_reference"],
  ["style_type", "style"],
  ["num_samples", "n"],
  ["ratio", "aspect_ratio"],
  ["dir", "output_dir"],
  ["output_filename", "filename"],
])("another server's parameter %s is refused with ours, %s", (key, ours) => {
  const { message, recovery } = refusalOf({ prompt: "x", [key]: "1024x1024" });

  expect(message).toBe(`The arguments are not valid.\n- ${key}: not a parameter of this tool: use ${ours}`);
  expect(recovery).toContain("No request was made.");
  expect(parseArguments({ prompt: "x", [key]: null })).toMatchObject({ prompt: "x" });
});

test.each(["wait_for_previous", "_meta", "requestId", "tool_call_id", "negative_prompt", "quality", "task_progress"])(
  "a key of a client or model that changes no image is ignored: %s",
  (key) => {
    expect(parseArguments({ prompt: "x", [key]: "y" })).toMatchObject({ prompt: "x", n: 1 });
  },
);

test("white space around enums, paths and names is dropped, and kept in the prompt", () => {
  expect(
    parseArguments({
      prompt: " x\n",
      output_dir: "public/img\n",
      filename: "hero ",
      aspect_ratio: "16:9 ",
      response_format: "\turl",
      model: " image-01-live",
      style: { style_type: "漫画 " },
      subject_reference: [{ type: "character\n", image_file: " anna.jpg " }],
    }),
  ).toMatchObject({
    prompt: " x\n",
    output_dir: "public/img",
    filename: "hero",
    aspect_ratio: "16:9",
    response_format: "url",
    model: "image-01-live",
    style: { style_type: "漫画" },
    subject_reference: [REFERENCE],
  });
});

test.each([
  [1200, 630, "The nearest size is 1200x632. "],
  [3000, 1000, "The nearest size is 2048x680. "],
  [400, 300, "The nearest size is 680x512. "],
  [1920.5, 1080, "The nearest size is 1920x1080. "],
  [4000, 100, "The nearest size is 2048x512. "],
])("a size of %d x %d is told the nearest that can be drawn", (width, height, words) => {
  expect(refusalOf({ prompt: "x", width, height }).recovery).toContain(words);
});

test.each([
  { prompt: "x", width: 0, height: 512 },
  { prompt: "x", width: "1200", height: "630" },
  { prompt: "", width: 1200, height: 632 },
  { prompt: "x", width: 1200 },
])("no nearest size is told for %j", (args) => {
  expect(refusalOf(args).recovery).not.toContain("nearest");
});

test.each([
  { type: "character", image_file: "anna.jpg" },
  { type: "character", image_url: "https://e.test/anna.jpg" },
  [{ type: "character", image_url: "https://e.test/anna.jpg" }],
  [{ type: "character", url: "https://e.test/anna.jpg" }],
])("a reference in another form is told the right one: %j", (subject_reference) => {
  expect(refusalOf({ prompt: "x", subject_reference }).recovery).toContain(
    'Use subject_reference [{"type": "character", "image_file": "…"}], a list,',
  );
});

test("a reference in the right form gets no hint", () => {
  expect(refusalOf({ prompt: "x", subject_reference: [{ ...REFERENCE, type: "style" }] }).recovery).not.toContain(
    "Use",
  );
});

test.each([
  [{}, "- prompt: expected text of 1 to 1500 characters; got nothing"],
  [{ prompt: 7 }, "got 7 (number)"],
  [{ prompt: true }, "got true (boolean)"],
  [{ prompt: ["x"] }, "got a list of 1 item"],
  [{ prompt: { text: "x" } }, "got an object"],
  [{ prompt: "x", aspect_ratio: "16\u200b:9" }, 'got "16\\u200b:9" (text)'],
  [{ prompt: "x", filename: "a\nb" }, 'got "a\\nb" (text)'],
  [{ prompt: "x", model: "image\u00a0-01\u0007" }, '\\u0007" (text)'],
  [{ prompt: "x", n: "3" }, '- n: expected an integer from 1 to 9; got "3" (text)'],
  [{ prompt: "x", output_dir: ["a", "b"] }, "got a list of 2 items"],
  [{ prompt: "y".repeat(1501) }, "got text of 1501 characters"],
  [{ prompt: "y".repeat(200_000) }, "got text of more than 50000 characters"],
  [{ prompt: "x", subject_reference: [{ type: "character" }] }, "- subject_reference[0].image_file: "],
  ["{}", "- arguments: "],
])("arguments are refused with the value given: %j", (args, words) => {
  const { message, recovery } = refusalOf(args);

  expect(message).toContain(words);
  expect(message.length).toBeLessThan(1000);
  expect(recovery).toContain("No request was made.");
});

test.each([
  ["public/img/hero.jpg", 'Use output_dir "public/img" and filename "hero". '],
  ["/hero", 'Use output_dir "." and filename "hero". '],
  ["img\\hero.png", 'Use output_dir "img" and filename "hero". '],
])("a path as filename, %s, gets a hint to output_dir", (filename, words) => {
  expect(refusalOf({ prompt: "x", filename }).recovery).toContain(words);
});

test("each bad parameter is named once", () => {
  const { message, recovery } = refusalOf({ prompt: "", n: 10, seed: -1 });

  expect(message.match(/^- (?:prompt|n|seed):/gm)).toHaveLength(3);
  expect(recovery).toContain("parameters named above");
});

test("ten unknown parameters are named, and no key of a client", () => {
  const unknown = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`odd_${index}`, 1]));

  expect(warningsOfInput(parseArguments({ prompt: "x", negative_prompt: "y", wait_for_previous: true }))).toEqual([
    "Ignored unknown parameters: negative_prompt.",
  ]);
  expect(warningsOfInput(parseArguments({ prompt: "x", ...unknown }))[0]).toMatch(/odd_9, ….$/);
  expect(warningsOfInput(parseArguments({ prompt: "x", [`long\n${"y".repeat(100)}`]: 1 }))).toEqual([
    `Ignored unknown parameters: long ${"y".repeat(35)}….`,
  ]);
});

test("only a ratio that contradicts the size is warned of", () => {
  const size = { prompt: "x", width: 1920, height: 1080 };

  expect(warningsOfInput(parseArguments({ ...size, aspect_ratio: "1:1" }))).toEqual([
    "aspect_ratio 1:1 was not used: the size 1920x1080 was given.",
  ]);
  expect(warningsOfInput(parseArguments({ ...size, aspect_ratio: "16:9" }))).toEqual([]);
});
