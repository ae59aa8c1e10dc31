import fc from "fast-check";
import { expect, test } from "vitest";
import { Base64Decoder } from "./base64.ts";

const NOT_VALID = "it is not valid base64";

function decodePieces(pieces: readonly string[], maxBytes = 1_000_000): Buffer | string {
  const decoder = new Base64Decoder(maxBytes);
  for (const piece of pieces) decoder.push(Buffer.from(piece));
  const result = decoder.finish();
  return "chunks" in result ? Buffer.concat(result.chunks) : result.problem;
}

function cutAt(text: string, positions: readonly number[]): string[] {
  const cuts = [...positions.map((position) => position % (text.length + 1)), text.length].sort((a, b) => a - b);
  return cuts.map((end, index) => text.slice(cuts[index - 1] ?? 0, end));
}

const cutPositions = fc.array(fc.nat(10_000), { maxLength: 20 });

test("Base64Decoder gives back the bytes whatever the pieces", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), cutPositions, (bytes, positions) => {
      const text = Buffer.from(bytes).toString("base64");

      expect(decodePieces(cutAt(text, positions))).toEqual(Buffer.from(bytes));
    }),
    { numRuns: 300 },
  );
});

test("Base64Decoder gives back the bytes when each character comes alone", () => {
  expect(decodePieces(Array.from("aGVsbG8="))).toEqual(Buffer.from("hello"));
});

test.each([
  ["with both paddings", "aA==", "h"],
  ["with one padding", "aGU=", "he"],
  ["without padding", "aGVs", "hel"],
  ["with its padding left out", "aGVsbG8", "hello"],
])("Base64Decoder gives back the bytes: %s", (_case, text, expected) => {
  expect(decodePieces([text])).toEqual(Buffer.from(expected));
});

test("Base64Decoder gives back the bytes broken into lines, as mail does", () => {
  const bytes = Buffer.from(Array.from({ length: 200 }, (_, index) => index));
  const lines = bytes.toString("base64").replace(/.{76}/g, "$&\r\n");

  expect(decodePieces([lines, "\n"])).toEqual(bytes);
});

test("Base64Decoder gives back the bytes, with white space wherever the pieces are cut", () => {
  expect(decodePieces(["aG", " ", "\tVsb", "\r\n", "G8=", "\n"])).toEqual(Buffer.from("hello"));
});

test.each(["data:image/jpeg;base64,", "data:image/png;base64,", "data:;base64,", "data:image/webp;x=y;base64,"])(
  "Base64Decoder gives back the bytes without the prefix %s",
  (prefix) => {
    expect(decodePieces([`${prefix}aGVs`, "bG8="])).toEqual(Buffer.from("hello"));
  },
);

test.each([
  ["nothing was pushed", []],
  ["the text is empty", [""]],
  ["there is only white space", [" \r\n", "\t"]],
  ["there is only a data: prefix", ["data:image/jpeg;base64,"]],
])("Base64Decoder says why there are no bytes it is empty: %s", (_case, pieces) => {
  expect(decodePieces(pieces)).toBe("it is empty");
});

test.each([
  ["a sign outside the alphabet", "aGV!bG8="],
  ["HTML", "<!doctype html><title>502 Bad Gateway</title>"],
  ["a link", "https://example.com/picture.jpeg"],
  ["a backslash", "aGVs\\/bG8"],
  ["a NUL", "aGVs\0bG8"],
  ["a letter that is not ASCII", "aGVé"],
  ["letters whose low byte is a base64 letter", "ŁŁŁŁ"],
  ["one character too few to hold a byte", "aGVsb"],
  ["padding alone", "===="],
  ["padding that starts too early", "a==="],
  ["padding in the middle", "aA==aGVs"],
  ["padding after a whole group", "aGVs=="],
  ["three paddings", "aA==="],
])("Base64Decoder says why there are no bytes it is not valid: %s", (_case, text) => {
  expect(decodePieces([text])).toBe(NOT_VALID);
  expect(decodePieces(Array.from(text))).toBe(NOT_VALID);
});

test("a second data: prefix, or one in a later piece, is not base64", () => {
  expect(decodePieces(["data:image/png;base64,data:image/png;base64,aGVs"])).toBe(NOT_VALID);
  expect(decodePieces(["aGVs", "data:image/png;base64,aGVs"])).toBe(NOT_VALID);
});

test("Base64Decoder says why there are no bytes: what follows a finished text is not base64, and gives no bytes either", () => {
  expect(decodePieces(["aA==", "aGVs"])).toBe(NOT_VALID);
});

test("one bad piece is not made good by the ones after it", () => {
  expect(decodePieces(["aGVs", "!!!!", "aGVs"])).toBe(NOT_VALID);
});

test("any text gives bytes or a problem, the same however it is cut", () => {
  const character = fc.constantFrom(...Array.from("Aa9+/=-_ \n!é"));
  fc.assert(
    fc.property(fc.array(character, { maxLength: 24 }), cutPositions, (characters, positions) => {
      const text = characters.join("");

      expect(decodePieces(cutAt(text, positions))).toEqual(decodePieces([text]));
    }),
    { numRuns: 300 },
  );
});

const tenBytes = Buffer.alloc(10, 7).toString("base64");

test("Base64Decoder keeps to its limit: exactly as many bytes as allowed are kept", () => {
  expect(decodePieces([tenBytes], 10)).toEqual(Buffer.alloc(10, 7));
});

test("one byte more is a problem that names the limit", () => {
  expect(decodePieces([tenBytes], 9)).toBe("it is larger than 9 bytes");
});

test("the limit counts all pieces together", () => {
  expect(decodePieces(Array.from(tenBytes), 9)).toBe("it is larger than 9 bytes");
});

test("the limit counts bytes, not characters, prefix or white space", () => {
  expect(decodePieces([`data:image/jpeg;base64,${tenBytes}`, " ".repeat(100)], 10)).toEqual(Buffer.alloc(10, 7));
});
