import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeBase64 } from "./base64.ts";

const NOT_VALID = "it is not valid base64";
const TEN_BYTES = Buffer.alloc(10, 7).toString("base64");

function decode(text: string, maxBytes = 1_000_000): Buffer | string {
  const decoded = decodeBase64(text, maxBytes);
  return "bytes" in decoded ? Buffer.from(decoded.bytes) : decoded.problem;
}

test("any bytes come back, with white space wherever it stands", () => {
  const spaces = fc.array(fc.tuple(fc.nat({ max: 400 }), fc.constantFrom(" ", "\n", "\r\n", "\t")), { maxLength: 9 });
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), spaces, (bytes, blanks) => {
      const characters = Array.from(Buffer.from(bytes).toString("base64"));
      for (const [position, blank] of blanks) characters.splice(position, 0, blank);

      expect(decode(characters.join(""))).toEqual(Buffer.from(bytes));
    }),
  );
});

test.each([
  ["with both paddings", "aA==", "h"],
  ["with one padding", "aGU=", "he"],
  ["with its padding left out", "aGVsbG8", "hello"],
  ["behind a prefix without a type", "data:;base64,aGVsbG8=", "hello"],
  ["behind a prefix with a parameter", "data:image/webp;x=y; base64 ,aGVsbG8=", "hello"],
  ["behind a prefix in capitals", " DATA:IMAGE/PNG;BASE64,aGVsbG8=", "hello"],
])("text %s gives its bytes", (_case, text, expected) => {
  expect(decode(text)).toEqual(Buffer.from(expected));
});

test.each([
  ["nothing", ""],
  ["white space", " \r\n\t"],
  ["a data: prefix alone", "data:image/jpeg;base64,"],
])("%s is empty", (_case, text) => {
  expect(decode(text)).toBe("it is empty");
});

test.each([
  ["a sign outside the alphabet", "aGV!bG8="],
  ["a NUL", "aGVs\0bG8"],
  ["letters whose low byte is a base64 letter", "ŁŁŁŁ"],
  ["one character too few to hold a byte", "aGVsb"],
  ["padding that starts too early", "a==="],
  ["padding after a whole group", "aGVs=="],
  ["text after the padding", "aA==aGVs"],
  ["a prefix that is not in front", "aGVsdata:image/png;base64,aGVs"],
])("%s is not valid base64", (_case, text) => {
  expect(decode(text)).toBe(NOT_VALID);
});

test.each([
  ["exactly the limit", TEN_BYTES, 10, Buffer.alloc(10, 7)],
  ["one byte more", TEN_BYTES, 9, "it is larger than 9 bytes"],
  ["prefix and white space uncounted", `data:image/jpeg;base64,${TEN_BYTES}${" ".repeat(99)}`, 10, Buffer.alloc(10, 7)],
])("the limit counts bytes: %s", (_case, text, maxBytes, expected) => {
  expect(decode(text, maxBytes)).toEqual(expected);
});
