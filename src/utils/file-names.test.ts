import fc from "fast-check";
import { expect, test } from "vitest";
import { anyText } from "../../test/support/any-text.ts";
import { codePoints } from "../text/text.ts";
import { FILE_NAME_MAX_BYTES, numberedNames, promptNames, slugOf } from "./file-names.ts";

const LATEST_MS = 9_999_999_999_999;
const bytesIn = (text: string): number => Buffer.byteLength(text);

function first(count: number, names: Iterable<string>): string[] {
  const taken: string[] = [];
  for (const name of names) {
    taken.push(name);
    if (taken.length === count) break;
  }
  return taken;
}

test.each([
  ["a cat", "a-cat"],
  ["A red fox, at dawn!", "A-red-fox-at-dawn"],
  ["  spaces \t and\nlines  ", "spaces-and-lines"],
  ["3 cats in 2024", "3-cats-in-2024"],
  ["snake_case and kebab-case", "snake-case-and-kebab-case"],
  ["--help", "help"],
  ["...hidden", "hidden"],
  ["../../etc/passwd", "etc-passwd"],
  ["C:\\Windows\\System32", "C-Windows-System32"],
  ["a/b\0c", "a-b-c"],
  ['<script>"x"|y?*', "script-x-y"],
  ["一只橘猫,坐在窗台上", "一只橘猫-坐在窗台上"],
  ["猫がいる。カフェ", "猫がいる-カフェ"],
  ["고양이 그림", "고양이-그림"],
  ["हिन्दी बिल्ली", "हिन्दी-बिल्ली"],
  ["قطة جميلة", "قطة-جميلة"],
  ["חָתוּל", "חָתוּל".normalize("NFC")],
  ["แมวน้อย", "แมวน้อย"],
  ["Рыжий кот", "Рыжий-кот"],
  ["٣ قطط", "٣-قطط"],
  ["𠮷野家 𝒜", "𠮷野家-𝒜"],
  ["cafe\u0301 Zu\u0308rich", "caf\u00e9-Z\u00fcrich"],
  ["a 😀 cat 👩‍👩‍👧", "a-cat"],
])("the slug of %j is %s", (prompt, slug) => {
  expect(slugOf(prompt)).toBe(slug);
});

test.each(["", "   ", "!?…", "😀😀", "---", "..", "/", "\u0301\u0308", "\u200b\u202e", "\ud800"])(
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
const prompts = fc.oneof(
  anyText({ maxLength: 200 }),
  fc.string({ unit: "grapheme", maxLength: 200 }),
  fc.string({ unit: samples, maxLength: 200 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 100 }).map((units) => String.fromCharCode(...units)),
);

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
  ["a long prompt", promptNames("猫".repeat(50), LATEST_MS)],
  ["a filename", numberedNames("hero", 9)],
  ["a long filename", numberedNames("é".repeat(60), 9)],
])("every name fits the narrowest common file system: %s", (_case, baseNames) => {
  for (const name of first(2_000, baseNames(8))) {
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

test("a filename is numbered from 1 for several images", () => {
  const baseNames = numberedNames("hero", 3);

  expect([0, 1, 2].flatMap((position) => first(1, baseNames(position)))).toEqual(["hero-1", "hero-2", "hero-3"]);
});

test("numbers go on after one that is taken, in the order of the images", () => {
  const baseNames = numberedNames("hero", 3);

  expect([1, 3, 1].map((tries, position) => first(tries, baseNames(position)).at(-1))).toEqual([
    "hero-1",
    "hero-4",
    "hero-5",
  ]);
});

test("an image that never asked leaves its number free", () => {
  const baseNames = numberedNames("hero", 3);

  expect([0, 2].flatMap((position) => first(1, baseNames(position)))).toEqual(["hero-1", "hero-3"]);
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
