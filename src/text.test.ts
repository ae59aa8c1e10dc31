import fc from "fast-check";
import { expect, test } from "vitest";
import { anyText } from "../test/support/any-text.ts";
import { codePoints, formatSeconds, messageOf, plural, systemCode, truncate } from "./text.ts";

const LONE_SURROGATE = /\p{Surrogate}/u;

test.each([
  [0, "0 s"],
  [1, "1 s"],
  [999.5, "1 s"],
  [1000, "1 s"],
  [1500, "2 s"],
  [60_000, "60 s"],
  [-1, "0 s"],
  [-90_000, "0 s"],
])("seconds: %d ms are %s", (ms, text) => {
  expect(formatSeconds(ms)).toBe(text);
});

test.each([
  [0, "0 images"],
  [1, "1 image"],
  [2, "2 images"],
])("plural: %i", (count, text) => {
  expect(plural(count, "image")).toBe(text);
});

test("codePoints: an emoji outside the basic plane is one character", () => {
  expect(codePoints("a😀漢")).toEqual(["a", "😀", "漢"]);
});

test("codePoints together they are the text again", () => {
  fc.assert(
    fc.property(anyText(), (text) => {
      expect(codePoints(text).join("")).toBe(text);
    }),
    { numRuns: 200 },
  );
});

test("a truncated text: a short line stays as it is", () => {
  expect(truncate("invalid params, prompt length must be less than 1500")).toBe(
    "invalid params, prompt length must be less than 1500",
  );
});

test("several lines become one, and runs of white space one space", () => {
  expect(truncate("  one\r\n\ttwo   three\n")).toBe("one two three");
});

test.each([
  ["terminal escapes", "a\u001b[31mb", "a [31mb"],
  ["NUL", "a\0b", "a b"],
  ["line separators", "a\u2028b\u2029c", "a b c"],
  ["marks that turn the direction of text", "a\u202eb", "a b"],
  ["invisible characters", "a\u200b\ufeffb", "a b"],
])("bounded: %s become a space", (_case, text, expected) => {
  expect(truncate(text)).toBe(expected);
});

test("a truncated text: text of exactly the limit stays whole, one character more is cut and marked", () => {
  expect(truncate("abcde", 5)).toBe("abcde");
  expect(truncate("abcdef", 5)).toBe("abcde…");
});

test("a truncated text: the limit counts code points, so no emoji is cut in half", () => {
  expect(truncate("😀😀😀", 2)).toBe("😀😀…");
});

test("a truncated text without a limit of its own: 300 characters stay", () => {
  expect(truncate("x".repeat(10_000))).toBe(`${"x".repeat(300)}…`);
});

test.each([
  ["after white space", "   😀", 1],
  ["after much white space", `${" ".repeat(1199)}😀`, 300],
  ["after control characters", `${"\u0007".repeat(7)}😀😀`, 2],
])("bounded: no emoji is cut in half %s", (_case, text, limit) => {
  expect(truncate(text, limit)).not.toMatch(LONE_SURROGATE);
});

test("a truncated text, whatever the text: one line, within the limit, no control characters, nothing cut in half", () => {
  const text = fc.string({ unit: fc.constantFrom(" ", "\n", "\0", "\u200b", "a", "é", "漢", "😀"), maxLength: 60 });
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 12 }), (outside, limit) => {
      const line = truncate(outside, limit);

      expect(codePoints(line.replace(/…$/, "")).length).toBeLessThanOrEqual(limit);
      expect(line).not.toMatch(/[\p{Cc}\p{Cf}]|^\s|\s$|\s\s/u);
      expect(line).not.toMatch(LONE_SURROGATE);
    }),
    { numRuns: 300 },
  );
});

test("messageOf: an error speaks through its message", () => {
  expect(messageOf(new TypeError("fetch\nfailed"))).toBe("fetch failed");
});

test.each([
  ["a text", "boom", "boom"],
  ["a number", 42, "42"],
  ["null", null, "null"],
  ["undefined", undefined, "undefined"],
  ["a symbol", Symbol("boom"), "Symbol(boom)"],
])("messageOf: %s that was thrown speaks for itself", (_case, thrown, expected) => {
  expect(messageOf(thrown)).toBe(expected);
});

test("messageOf: a long message is bounded", () => {
  expect(codePoints(messageOf(new Error("😀".repeat(5000)))).length).toBe(301);
});

test.each([
  ["an object without a prototype", Object.create(null)],
  ["an object whose toString is no function", { toString: 1 }],
])("messageOf: %s that was thrown does not make it throw", (_case, thrown: unknown) => {
  expect(messageOf(thrown)).toBeTypeOf("string");
});

test("systemCode: a system error has its code", () => {
  expect(systemCode(Object.assign(new Error("no space"), { code: "ENOSPC" }))).toBe("ENOSPC");
});

test.each([
  ["an error without a code", new Error("no")],
  ["a code that is no text", Object.assign(new Error("no"), { code: 23 })],
  ["a thing that is no error", { code: "ENOSPC" }],
  ["undefined", undefined],
  ["null", null],
])("systemCode: %s has none", (_case, error: unknown) => {
  expect(systemCode(error)).toBeUndefined();
});
