import fc from "fast-check";
import { expect, test } from "vitest";
import { anyText } from "../../test/support/any-text.ts";
import { codePoints } from "../text/text.ts";
import { FILE_NAME_MAX_BYTES, numberedNames, promptNames, slugOf } from "./file-names.ts";

const LATEST_MS = 9_999_999_999_999;
const bytesIn = (text: string): number => Buffer.byteLength(text);

function first(count: number, names: Iterable<string>): string[] {
  const iterator = names[Symbol.iterator]();
  return Array.from({ length: count }, () => String(iterator.next().value));
}

test.each([
  ["a cat", "a-cat"],
  ["A red fox, at dawn!", "A-red-fox-at-dawn"],
  ["3 cats in 2024", "3-cats-in-2024"],
  ["snake_case and kebab-case", "snake-case-and-kebab-case"],
  ["...hidden", "hidden"],
  ["../../etc/passwd", "etc-passwd"],
  ["a/b\0c", "a-b-c"],
  ['<script>"x"|y?*', "script-x-y"],
  ["一只橘猫,坐在窗台上", "一只橘猫-坐在窗台上"],
  ["हिन्दी बिल्ली", "हिन्दी-बिल्ली"],
  ["חָתוּל", "חָתוּל".normalize("NFC")],
  ["٣ قطط", "٣-قطط"],
  ["𠮷野家 𝒜", "𠮷野家-𝒜"],
  ["cafe\u0301 Zu\u0308rich", "caf\u00e9-Z\u00fcrich"],
  ["a 😀 cat 👩‍👩‍👧", "a-cat"],
])("the slug of %j is %s", (prompt, slug) => {
  expect(slugOf(prompt)).toBe(slug);
});

test.each(["", "   ", "!?…", "😀😀", "../-", "\u0301\u0308", "\u200b\u202e", "\ud800"])(
  "the slug of %j, without a letter or digit, is image",
  (prompt) => {
    expect(slugOf(prompt)).toBe("image");
  },
);

test.each([
  ["one word of 51 letters", "x".repeat(51), "x".repeat(50)],
  ["words that just fit", `${"x".repeat(30)} ${"y".repeat(19)} z`, `${"x".repeat(30)}-${"y".repeat(19)}`],
  ["a word that does not fit", `${"x".repeat(30)} ${"y".repeat(20)} z`, "x".repeat(30)],
  ["letters of two bytes", "é".repeat(60), "é".repeat(50)],
  ["letters of three bytes", "猫".repeat(60), "猫".repeat(33)],
  ["letters of four bytes", `a${"𠮷".repeat(60)}`, `a${"𠮷".repeat(24)}`],
  ["very many words", "ab ".repeat(50_000), Array(17).fill("ab").join("-")],
])("a slug is cut: %s", (_case, prompt, slug) => {
  expect(slugOf(prompt)).toBe(slug);
});

const samples = fc.constantFrom("a", "Z", "7", "é", "e\u0301", "猫", "हि", "𠮷", "😀", " ", "-", ".", "/", "\\", "\0");
const prompts = fc.oneof(anyText({ maxLength: 200 }), fc.string({ unit: samples, maxLength: 200 }));

test("a slug is short and safe on every system", () => {
  fc.assert(
    fc.property(prompts, (prompt) => {
      const slug = slugOf(prompt);

      expect(slug).toMatch(/^[\p{L}\p{N}][\p{L}\p{N}\p{M}-]*$/u);
      expect(slug).not.toMatch(/--|-$/);
      expect(slug).toBe(slug.normalize("NFC"));
      expect(codePoints(slug).length).toBeLessThanOrEqual(50);
      expect(bytesIn(slug)).toBeLessThanOrEqual(100);
    }),
    { numRuns: 300 },
  );
});

test.each([
  ["a long prompt", () => promptNames("猫".repeat(50), LATEST_MS)],
  ["a long filename", () => numberedNames("é".repeat(60), 9)],
])("every name fits the narrowest common file system: %s", (_case, baseNames) => {
  for (const name of first(2_000, baseNames()(8))) {
    expect(bytesIn(`${name}.jpeg`)).toBeLessThanOrEqual(FILE_NAME_MAX_BYTES);
  }
});

test("names made of the prompt have slug, time, index and 8 hex digits", () => {
  const names = first(100, promptNames("A red fox!", 1_700_000_000_123.75)(1));

  for (const name of names) expect(name).toMatch(/^A-red-fox-1700000000123-2-[0-9a-f]{8}$/);
  expect(new Set(names).size).toBe(100);
});

test("a filename is plain for one image, and numbered when it is taken", () => {
  expect(first(4, numberedNames("hero", 1)(0))).toEqual(["hero", "hero-2", "hero-3", "hero-4"]);
});

test.each([
  ["from 1", [1, 1, 1], ["hero-1", "hero-2", "hero-3"]],
  ["on after one that is taken", [1, 3, 1], ["hero-1", "hero-4", "hero-5"]],
  ["past an image that never asked", [1, 0, 1], ["hero-1", undefined, "hero-3"]],
])("a filename for several images is numbered %s", (_case, tries, names) => {
  const baseNames = numberedNames("hero", 3);

  expect(tries.map((count, position) => first(count, baseNames(position)).at(-1))).toEqual(names);
});

test.each([
  ["hero.jpeg", "hero"],
  ["hero.JPG", "hero"],
  ["hero.png", "hero"],
  ["hero.webp", "hero"],
  ["hero.gif", "hero.gif"],
  ["v1.2", "v1.2"],
  ["jpeg", "jpeg"],
  ["hero.png.jpeg", "hero.png"],
])("the filename %s loses an image extension: %s", (filename, baseName) => {
  expect(first(1, numberedNames(filename, 1)(0))).toEqual([baseName]);
});
