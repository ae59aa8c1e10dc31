import fc from "fast-check";
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
const NAMES = ["prompt", "subject_reference", "style", "output_dir", "filename", "width", "height", "size", "odd"];
const LIVE = { prompt: "x", model: "image-01-live" };

test.each<[string, string, unknown]>([
  ["Seed", "seed", 0],
  ["N", "n", 3],
  ["aspectRatio", "aspect_ratio", "16:9"],
  ["aspect-ratio", "aspect_ratio", "16:9"],
  ["OUTPUT_DIR", "output_dir", "a"],
  ["file_name", "filename", "a"],
])("the parameter %s is taken for %s", (key, name, value) => {
  const input = parseArguments({ prompt: "x", [key]: value });

  expect(input).toMatchObject({ [name]: value });
  expect(warningsOfInput(input)).toEqual([]);
});

test("parameters inside others are taken in another spelling", () => {
  expect(parseArguments({ ...LIVE, Style: { styleType: "漫画", "style-weight": 0.5 } })).toMatchObject({
    style: { style_type: "漫画", style_weight: 0.5 },
  });
  expect(
    parseArguments({ prompt: "x", SUBJECT_REFERENCE: [{ Type: "character", imageFile: "anna.jpg" }] }),
  ).toMatchObject({ subject_reference: [REFERENCE] });
});

test("a parameter in our spelling wins, unless it is null", () => {
  const both = parseArguments({ prompt: "x", outputDir: "theirs", output_dir: "ours" });

  expect(both.output_dir).toBe("ours");
  expect(warningsOfInput(both)).toEqual(["Ignored unknown parameters: outputDir."]);
  expect(parseArguments({ prompt: "x", outputDir: "theirs", output_dir: null }).output_dir).toBe("theirs");
});

test("a key named __proto__ sets no parameter", () => {
  const input = parseArguments(JSON.parse('{"prompt":"a","__proto__":{"output_dir":7,"seed":"x"}}'));

  expect([input.output_dir, input.seed]).toEqual([undefined, undefined]);
});

test("any JSON value is taken or refused", () => {
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom(...NAMES), fc.jsonValue())), (value) => {
      try {
        parseArguments(value);
      } catch (error) {
        expect(error).toBeInstanceOf(UserFacingError);
      }
    }),
  );
});

test.each([
  ["width and height, or aspect_ratio", ["size", "image_size", "imageSize", "resolution", "dimensions"]],
  ["aspect_ratio", ["ratio"]],
  ["n", ["count", "num_images", "number_of_images", "image_count", "num_outputs", "num_samples", "batch_size"]],
  ["subject_reference", ["image", "images", "image_url", "image_file", "init_image", "input_image"]],
  ["subject_reference", ["reference_image", "reference_images"]],
  ["style", ["style_type", "style_weight"]],
  ["output_dir", ["output_path", "output_directory", "output_folder", "save_path", "save_dir"]],
  ["output_dir", ["directory", "folder", "dir"]],
  ["filename", ["output_filename"]],
  ["output_dir and filename", ["output_file", "file_path", "path"]],
])("another server's parameter is refused with ours, %s", (ours, keys) => {
  for (const key of keys) {
    const { name, message, recovery } = refusalOf({ prompt: "x", [key]: "1024x1024" });

    expect(name).toBe("InvalidArgumentsError");
    expect(message).toBe(`The arguments are not valid.\n- ${key}: not a parameter of this tool: use ${ours}`);
    expect(recovery).toContain("No request was made. Correct the parameter named above");
    expect(parseArguments({ prompt: "x", [key]: null })).toMatchObject({ prompt: "x" });
  }
});

test("white space around anything but the prompt is dropped", () => {
  const input = parseArguments({
    prompt: " x\n",
    output_dir: "public/img\n",
    aspect_ratio: "16:9 ",
    subject_reference: [{ type: "character\n", image_file: " anna.jpg " }],
  });

  expect(input).toMatchObject({
    prompt: " x\n",
    output_dir: "public/img",
    aspect_ratio: "16:9",
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
  { type: "character", image_file: "anna.jpg" },
  { type: "character", image_url: "https://e.test/anna.jpg" },
  [{ type: "character", image_url: "https://e.test/anna.jpg" }],
  [{ type: "character", url: "https://e.test/anna.jpg" }],
])("a reference in another form is told the right one: %j", (subject_reference) => {
  expect(refusalOf({ prompt: "x", subject_reference }).recovery).toContain(
    'Use subject_reference [{"type": "character", "image_file": "…"}], a list,',
  );
});

test.each([
  ["public/img/hero.jpg", 'Use output_dir "public/img" and filename "hero". '],
  ["/hero", 'Use output_dir "." and filename "hero". '],
  ["img\\hero.png", 'Use output_dir "img" and filename "hero". '],
  ["a\\b/hero.v1.jpg", 'Use output_dir "a\\b" and filename "hero.v1". '],
])("a path as filename, %s, gets a hint to output_dir", (filename, words) => {
  expect(refusalOf({ prompt: "x", filename }).recovery).toContain(words);
});

test.each([
  [{}, "- prompt: expected text of 1 to 1500 characters; got nothing\n"],
  [{ prompt: 7 }, "got 7 (number)\n"],
  [{ prompt: true }, "got true (boolean)\n"],
  [{ prompt: ["x"] }, "got a list of 1 item\n"],
  [{ prompt: { text: "x" } }, "got an object\n"],
  [{ prompt: "", width: 1200, height: 632 }, '- prompt: expected text that is not blank; got "" (text)\n'],
  [{ prompt: "y".repeat(1501) }, `got text of 1501 characters: "${"y".repeat(60)}…"\n`],
  [{ prompt: "y".repeat(100_000) }, "got text of 100000 characters: "],
  [{ prompt: "y".repeat(200_000) }, "got text of more than 50000 characters\n"],
  [{ prompt: "x", aspect_ratio: "16\u200b:9" }, 'got "16\\u200b:9" (text)\n'],
  [{ prompt: "x", aspect_ratio: "y".repeat(60) }, `got "${"y".repeat(60)}" (text)\n`],
  [{ prompt: "x", filename: "a\nb" }, 'got "a\\nb" (text)\n'],
  [{ prompt: "x", output_dir: ["a", "b"] }, "got a list of 2 items\n"],
  [{ prompt: "x", filename: 7 }, "got 7 (number)\n"],
  [{ prompt: "x", width: "1200", height: 632 }, 'got "1200" (text)\n'],
  [{ prompt: "x", width: 1200, height: "632" }, 'got "632" (text)\n'],
  [{ prompt: "x", width: 0, height: 512 }, "got 0 (number)\n"],
  [{ prompt: "x", width: 512, height: 0 }, "got 0 (number)\n"],
  [{ prompt: "x", height: 1200 }, "- width: missing: give width and height together, or neither\n"],
  [{ prompt: "x", subject_reference: ["a.png"] }, 'got "a.png" (text)\n'],
  [{ prompt: "x", subject_reference: [null] }, "got null\n"],
  [{ prompt: "x", subject_reference: [{ ...REFERENCE, image_file: 7 }] }, "- subject_reference[0].image_file: "],
  [null, "- arguments: expected an object; got null\n"],
  [undefined, "- arguments: expected an object; got nothing\n"],
  ["{}", '- arguments: expected an object; got "{}" (text)\n'],
])("arguments are refused with the value given, and no hint: %j", (args, words) => {
  const { message, recovery } = refusalOf(args);

  expect(`${message}\n`).toContain(words);
  expect(message.length).toBeLessThan(1000);
  expect(recovery).toBe("No request was made. Correct the parameter named above, then call again.");
});

test("of many bad parameters ten are named", () => {
  const numbers = "seed aspect_ratio response_format prompt_optimizer output_dir filename model style width height";
  const bad = Object.fromEntries(numbers.split(" ").map((name) => [name, 0.5]));

  const { message, recovery } = refusalOf({ prompt: "x", n: 0.5, ...bad });

  expect(message.match(/^- \w+/gm)).toHaveLength(10);
  expect(recovery).toContain("Correct the parameters named above");
});

test("of two mistakes of one parameter the first is named", () => {
  expect(refusalOf({ prompt: "x", width: 3001, height: 1000 }).message).toBe(
    "The arguments are not valid.\n- width: expected an integer from 512 to 2048; got 3001 (number)",
  );
});

test("a value is not looked into however deep it is", () => {
  let deep: unknown = "";
  for (let depth = 0; depth < 100_000; depth += 1) deep = [{ deep }];

  expect(parseArguments({ prompt: "x", deep })).toHaveProperty("deep");
});

test("ten unknown parameters are named, and no key of a client", () => {
  const unknown = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`odd_${index}`, 1]));

  expect(warningsOfInput(parseArguments({ prompt: "x", negative_prompt: "y", wait_for_previous: true }))).toEqual([
    "Ignored unknown parameters: negative_prompt.",
  ]);
  expect(warningsOfInput(parseArguments({ prompt: "x", ...unknown }))[0]).toMatch(/odd_8, odd_9, ….$/);
  expect(warningsOfInput(parseArguments({ prompt: "x", [`long\n${"y".repeat(100)}`]: 1 }))).toEqual([
    `Ignored unknown parameters: long ${"y".repeat(35)}….`,
  ]);
});

test.each([
  [undefined, []],
  ["16:9", []],
  ["1:1", ["aspect_ratio 1:1 was not used: the size 1368x768 was given."]],
])("only a ratio that contradicts the size is warned of: %s", (aspect_ratio, warnings) => {
  expect(warningsOfInput(parseArguments({ prompt: "x", width: 1368, height: 768, aspect_ratio }))).toEqual(warnings);
});
