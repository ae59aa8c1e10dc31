import fc from "fast-check";

const SURROGATES = { first: 0xd800, count: 0x800 };
const CODE_POINTS = 0x110000;

const character = fc
  .nat(CODE_POINTS - SURROGATES.count - 1)
  .map((index) => String.fromCodePoint(index < SURROGATES.first ? index : index + SURROGATES.count), indexOf);

/** Any text at all, like fast-check's unit `binary`, which takes a second to prepare. */
export function anyText(constraints: Omit<fc.StringConstraints, "unit"> = {}): fc.Arbitrary<string> {
  return fc.string({ ...constraints, unit: character });
}

function indexOf(text: unknown): number {
  const codePoint = typeof text === "string" ? (text.codePointAt(0) ?? -1) : -1;
  if (codePoint < 0 || String.fromCodePoint(codePoint) !== text) throw new Error("It is no character.");
  return codePoint < SURROGATES.first ? codePoint : codePoint - SURROGATES.count;
}
