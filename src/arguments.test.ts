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

test.each([
  [{}, "- prompt: expected text of 1 to 1500 characters; got nothing"],
  [{ prompt: 7 }, "got 7 (number)"],
  [{ prompt: true }, "got true (boolean)"],
  [{ prompt: ["x"] }, "got a list of 1 item"],
  [{ prompt: { text: "x" } }, "got an object"],
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
