const QUOTE_MAX_CHARACTERS = 300;
const SCANNED_PER_CHARACTER = 16;

/** Whole seconds, rounded up, with the unit: `1500` → `2 s`. */
export function formatSeconds(ms: number): string {
  return `${String(Math.max(0, Math.ceil(ms / 1000)))} s`;
}

/** A count with its noun: `1 image`, `3 images`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** A sentence from outside in brackets and quotation marks, with a space in front; nothing when there is none. */
export function quoted(sentence: string): string {
  return sentence === "" ? "" : ` ("${sentence}")`;
}

/** The Unicode code points of a text, which is how MiniMax and JSON Schema count characters. */
export function codePoints(text: string): string[] {
  return Array.from(text);
}

/** Whether a text has at most `maximum` code points; a text that is far longer is not counted. */
export function hasAtMost(text: string, maximum: number): boolean {
  return text.length <= 2 * maximum && codePoints(text).length <= maximum;
}

/**
 * Text from outside made fit to quote: control characters, lone surrogates and runs of white space become one space, at
 * most `maxCharacters` code points stay, and `…` marks a cut.
 */
export function truncate(text: string, maxCharacters: number = QUOTE_MAX_CHARACTERS): string {
  const scanned = text.slice(0, maxCharacters * SCANNED_PER_CHARACTER);
  const line = scanned.replace(/[\s\p{Cc}\p{Cf}\p{Cs}]+/gu, " ").trim();
  const characters = codePoints(line);
  if (characters.length <= maxCharacters && scanned.length === text.length) return line;
  return `${characters.slice(0, maxCharacters).join("")}…`;
}

/** A text from outside in quotation marks, bounded, with its odd characters and blanks at the ends to be seen. */
export function shown(text: string, maxCharacters: number = QUOTE_MAX_CHARACTERS): string {
  const characters = codePoints(text.slice(0, 2 * maxCharacters));
  const isWhole = text.length <= 2 * maxCharacters && characters.length <= maxCharacters;
  const quotation = JSON.stringify(isWhole ? text : `${characters.slice(0, maxCharacters).join("")}…`);
  return quotation.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, (character) =>
    Array.from({ length: character.length }, (_, unit) => escaped(character.charCodeAt(unit))).join(""),
  );
}

function escaped(codeUnit: number): string {
  return `\\u${codeUnit.toString(16).padStart(4, "0")}`;
}

/** The message of an unknown thrown value, on one bounded line. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) return truncate(error.message);
  return (typeof error === "object" && error !== null) || typeof error === "function"
    ? "something that is not an error was thrown"
    : truncate(String(error));
}

/** The system's code of an error (`ENOSPC`, `ECONNREFUSED`), if it has one. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
