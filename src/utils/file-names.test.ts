import fc from "fast-check";
import { expect, test } from "vitest";
import { anyText } from "../../test/support/any-text.ts";
import { codePoints } from "../text.ts";
import {
  FILE_NAME_MAX_BYTES,
  type IsTaken,
  type NameSequence,
  numberedNames,
  promptNames,
  slugOf,
  uniqueBaseName,
} from "./file-names.ts";

const allFree: IsTaken = () => Promise.resolve(false);
const takenUpTo =
  (last: number): IsTaken =>
  (baseName) =>
    Promise.resolve(Number(baseName.replace("hero-", "")) <= last);
const bytesIn = (text: string): number => Buffer.byteLength(text);

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
])("%j gives %s", (prompt, slug) => {
  expect(slugOf(prompt)).toBe(slug);
});

test.each([
  ["Chinese", "一只橘猫,坐在窗台上", "一只橘猫-坐在窗台上"],
  ["Japanese", "猫がいる。カフェ", "猫がいる-カフェ"],
  ["Korean", "고양이 그림", "고양이-그림"],
  ["Devanagari with its vowel signs", "हिन्दी बिल्ली", "हिन्दी-बिल्ली"],
  ["Arabic", "قطة جميلة", "قطة-جميلة"],
  ["Hebrew with points", "חָתוּל", "חָתוּל".normalize("NFC")],
  ["Thai", "แมวน้อย", "แมวน้อย"],
  ["Cyrillic", "Рыжий кот", "Рыжий-кот"],
  ["digits of another script", "٣ قطط", "٣-قطط"],
  ["letters outside the basic plane", "𠮷野家 𝒜", "𠮷野家-𝒜"],
])("a slug keeps the letters of every script: %s", (_script, prompt, slug) => {
  expect(slugOf(prompt)).toBe(slug);
});

test("an accent typed as a letter and a mark becomes one letter", () => {
  expect(slugOf("cafe\u0301 Zu\u0308rich")).toBe("caf\u00e9-Z\u00fcrich");
});

test("the same words give the same slug in either form of Unicode", () => {
  const prompt = "Crème brûlée für Åsa";

  expect(slugOf(prompt.normalize("NFD"))).toBe(slugOf(prompt.normalize("NFC")));
});

test("emoji are dropped", () => {
  expect(slugOf("a 😀 cat 👩‍👩‍👧")).toBe("a-cat");
});

test.each(["", "   ", "!?…", "😀😀", "---", "..", "/", "\u0301\u0308", "\u200b\u202e", "\ud800"])(
  "a prompt without any letter or digit gives `image`: %j",
  (prompt) => {
    expect(slugOf(prompt)).toBe("image");
  },
);

test("one word of more than 50 letters is cut at 50", () => {
  expect(slugOf("x".repeat(51))).toBe("x".repeat(50));
});

test("words are kept whole: the first that does not fit and all after it are left out", () => {
  expect(slugOf(`${"x".repeat(30)} ${"y".repeat(19)} z`)).toBe(`${"x".repeat(30)}-${"y".repeat(19)}`);
  expect(slugOf(`${"x".repeat(30)} ${"y".repeat(20)} z`)).toBe("x".repeat(30));
});

test("50 letters of two bytes fill both limits and stay", () => {
  expect(slugOf("é".repeat(60))).toBe("é".repeat(50));
});

test("letters of three bytes are cut at 100 bytes", () => {
  expect(slugOf("猫".repeat(60))).toBe("猫".repeat(33));
});

test("letters of four bytes are cut between letters, not inside one", () => {
  expect(slugOf(`a${"𠮷".repeat(60)}`)).toBe(`a${"𠮷".repeat(24)}`);
});

test("a very long prompt of very many words is no trouble", () => {
  expect(slugOf("ab ".repeat(50_000))).toBe(Array.from({ length: 17 }, () => "ab").join("-"));
});

const samples = fc.constantFrom("a", "Z", "7", "é", "e\u0301", "猫", "हि", "𠮷", "😀", " ", "-", ".", "/", "\\", "\0");
const prompts = fc.oneof(
  anyText({ maxLength: 200 }),
  fc.string({ unit: "grapheme", maxLength: 200 }),
  fc.string({ unit: samples, maxLength: 200 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 100 }).map((units) => String.fromCharCode(...units)),
);

test("whatever the prompt its slug is a short name that is safe on every system", () => {
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

test("whatever the prompt: the whole file name fits the narrowest common filesystem", () => {
  fc.assert(
    fc.property(prompts, fc.integer({ min: 1, max: 9 }), (prompt, index) => {
      expect(bytesIn(`${uniqueBaseName(slugOf(prompt), 9_999_999_999_999, index)}.jpeg`)).toBeLessThanOrEqual(143);
    }),
    { numRuns: 200 },
  );
});

test.each([
  [undefined, "a cat"],
  [undefined, "猫".repeat(50)],
  ["hero", "a cat"],
  ["hero.jpeg", "a cat"],
  ["é".repeat(60), "a cat"],
])("no name of a call of filename %j and prompt %j is longer than every filesystem takes", async (filename, prompt) => {
  const namesOf = filename === undefined ? promptNames(prompt, 9_999_999_999_999) : numberedNames(filename, 9);
  const nextName = namesOf(9);

  for (let taken = 0; taken < 2_000; taken++) {
    expect(bytesIn(`${await nextName(allFree)}.jpeg`)).toBeLessThanOrEqual(FILE_NAME_MAX_BYTES);
  }
});

test("uniqueBaseName is slug, milliseconds, index and eight hex digits", () => {
  expect(uniqueBaseName("a-cat", 1_764_000_000_123, 2)).toMatch(/^a-cat-1764000000123-2-[0-9a-f]{8}$/);
});

test("uniqueBaseName has whole milliseconds also from a clock that counts finer", () => {
  expect(uniqueBaseName("a-cat", 1_764_000_000_123.75, 1)).toMatch(/^a-cat-1764000000123-1-/);
});

test("uniqueBaseName is different each time", () => {
  expect(new Set(Array.from({ length: 100 }, () => uniqueBaseName("a-cat", 1, 1))).size).toBe(100);
});

test("names made of the prompt carry slug, time and index, and are different each time", () => {
  const nextBaseName = promptNames("A red fox!", 1_700_000_000_123)(2);
  const baseNames = [nextBaseName(allFree), nextBaseName(allFree), nextBaseName(allFree)];

  for (const baseName of baseNames) expect(baseName).toMatch(/^A-red-fox-1700000000123-2-[0-9a-f]{8}$/);
  expect(new Set(baseNames).size).toBe(3);
});

const inTurn = async (nextBaseName: ReturnType<NameSequence>, count: number): Promise<string[]> => {
  const baseNames: string[] = [];
  while (baseNames.length < count) baseNames.push(await nextBaseName(allFree));
  return baseNames;
};

test("names that were asked for are plain for one image, and numbered from 2 when they are taken", async () => {
  expect(await inTurn(numberedNames("hero", 1)(1), 4)).toEqual(["hero", "hero-2", "hero-3", "hero-4"]);
});

test("names that were asked for are numbered by the images when there are several", async () => {
  const names = numberedNames("hero", 3);

  expect(await Promise.all([1, 2, 3].map(async (index) => names(index)(allFree)))).toEqual([
    "hero-1",
    "hero-2",
    "hero-3",
  ]);
});

test("names that were asked for go on after the last image's number where one is taken", async () => {
  expect(await inTurn(numberedNames("hero", 3)(2), 3)).toEqual(["hero-2", "hero-4", "hero-5"]);
});

test("names that were asked for are never proposed twice, although the images look for theirs at the same time", async () => {
  const names = numberedNames("hero", 3);
  const sequences = [names(3), names(1), names(2)];
  const proposed: string[] = [];
  for (let round = 0; round < 3; round++) {
    proposed.push(...(await Promise.all(sequences.map(async (nextBaseName) => nextBaseName(takenUpTo(1000))))));
  }

  expect(new Set(proposed).size).toBe(9);
});

test.each([2, 3, 5, 100, 59_999, 60_000, 65_537, 1_000_000])(
  "names that were asked for that are taken up to %i go on with the next, which is found in few looks",
  async (last) => {
    let looks = 0;
    const isTaken: IsTaken = (baseName) => {
      looks += 1;
      return takenUpTo(last)(baseName);
    };
    const nextBaseName = numberedNames("hero", 1)(1);
    await nextBaseName(isTaken);

    expect(await nextBaseName(isTaken)).toBe(`hero-${last + 1}`);
    expect(looks).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(last)) + 1);
  },
);

test("names that were asked for that are taken with gaps go on in a gap or behind them all, never on one that is taken", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.integer({ min: 2, max: 60 })), async (numbers) => {
      const taken = new Set(numbers.map((number) => `hero-${number}`));
      const nextBaseName = numberedNames("hero", 1)(1);
      await nextBaseName(allFree);

      expect(taken).not.toContain(await nextBaseName((baseName) => Promise.resolve(taken.has(baseName))));
    }),
  );
});

test("names that were asked for stop being looked for when the look fails", async () => {
  const nextBaseName = numberedNames("hero", 1)(1);
  await nextBaseName(allFree);

  await expect(nextBaseName(() => Promise.reject(new Error("cancelled")))).rejects.toThrow("cancelled");
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
])(
  "names that were asked for lose an image extension, because the bytes decide it: %s gives %s",
  async (filename, baseName) => {
    expect(await numberedNames(filename, 1)(1)(allFree)).toBe(baseName);
  },
);
