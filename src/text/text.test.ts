import { expect, test } from "vitest";
import {
  codePoints,
  formatSeconds,
  hasAtMost,
  messageOf,
  plural,
  quoted,
  shown,
  systemCode,
  truncate,
} from "./text.ts";

test.each([
  [0, "0 s"],
  [1, "1 s"],
  [1000, "1 s"],
  [60_001, "61 s"],
  [-90_000, "0 s"],
])("formatSeconds: %d ms are %s", (ms, text) => {
  expect(formatSeconds(ms)).toBe(text);
});

test.each([
  [0, "0 images"],
  [1, "1 image"],
  [2, "2 images"],
])("plural: %i", (count, text) => {
  expect(plural(count, "image")).toBe(text);
});

test("quoted: nothing is shown of an empty sentence", () => {
  expect(quoted("slow down")).toBe(' ("slow down")');
  expect(quoted("")).toBe("");
});

test.each([
  ["gen ", '"gen "'],
  ["a\nb\t", '"a\\nb\\t"'],
  ['say "x"', '"say \\"x\\""'],
  ["16\u200b:9", '"16\\u200b:9"'],
  ["\u202ea", '"\\u202ea"'],
  ["16\u00a0:9", '"16\\u00a0:9"'],
  ["\u3000x\u2028", '"\\u3000x\\u2028"'],
  ["\u007f\u0085", '"\\u007f\\u0085"'],
  ["\ud800", '"\\ud800"'],
  ["\u{e0041}", '"\\udb40\\udc41"'],
  ["猫 é 😀", '"猫 é 😀"'],
  ["😀😀😀", '"😀😀😀"'],
  ["😀😀😀😀", '"😀😀😀…"'],
])("shown: %j is %s", (text, quotation) => {
  expect(shown(text, text.startsWith("😀") ? 3 : 300)).toBe(quotation);
});

test("shown: a huge text is bounded", () => {
  expect(shown("x".repeat(10_000_000), 60)).toBe(`"${"x".repeat(60)}…"`);
});

test("codePoints: an emoji is one character", () => {
  expect(codePoints("a😀漢")).toEqual(["a", "😀", "漢"]);
});

test.each([
  ["xx", 2, true],
  ["xxx", 2, false],
  ["😀😀", 2, true],
  ["😀😀x", 2, false],
  ["x".repeat(1_000_000), 2, false],
])("hasAtMost counts code points (case %#)", (text, maximum, fits) => {
  expect(hasAtMost(text, maximum)).toBe(fits);
});

test.each([
  ["a short line", "invalid params, n must be 1 to 9", "invalid params, n must be 1 to 9"],
  ["lines and runs of white space", "  one\r\n\ttwo   three\n", "one two three"],
  ["terminal escapes", "a\u001b[31mb", "a [31mb"],
  ["NUL", "a\0b", "a b"],
  ["line separators", "a\u2028b\u2029c", "a b c"],
  ["bidirectional controls", "a\u202eb", "a b"],
  ["invisible characters", "a\u200b\ufeffb", "a b"],
  ["lone surrogates", "a\ud800b", "a b"],
  ["more than 300 characters", "x".repeat(10_000), `${"x".repeat(300)}…`],
])("truncate: %s", (_case, text, expected) => {
  expect(truncate(text)).toBe(expected);
});

test.each([
  ["abcde", 5, "abcde"],
  ["abcdef", 5, "abcde…"],
  ["😀😀😀", 2, "😀😀…"],
  ["   😀", 1, "😀"],
  [`${" ".repeat(15)}😀`, 1, "…"],
])("truncate: %j to %i code points", (text, limit, expected) => {
  expect(truncate(text, limit)).toBe(expected);
});

test.each<[string, unknown, string]>([
  ["an error", new TypeError("fetch\nfailed"), "fetch failed"],
  ["a text", "boom", "boom"],
  ["null", null, "null"],
  ["a symbol", Symbol("boom"), "Symbol(boom)"],
  ["an object without a prototype", Object.create(null), "something that is not an error was thrown"],
  ["a function", () => 1, "something that is not an error was thrown"],
  ["a long message", new Error("😀".repeat(5000)), `${"😀".repeat(300)}…`],
])("messageOf: %s", (_case, thrown, expected) => {
  expect(messageOf(thrown)).toBe(expected);
});

test.each<[string, unknown, string | undefined]>([
  ["a system error", Object.assign(new Error("no space"), { code: "ENOSPC" }), "ENOSPC"],
  ["a code that is not text", Object.assign(new Error("no"), { code: 23 }), undefined],
  ["an object that is not an error", { code: "ENOSPC" }, undefined],
  ["undefined", undefined, undefined],
])("systemCode: %s", (_case, error, code) => {
  expect(systemCode(error)).toBe(code);
});
