import { randomBytes } from "node:crypto";
import { codePoints } from "../text.ts";

const SLUG_MAX_CHARACTERS = 50;
const SLUG_MAX_BYTES = 100;

/**
 * Makes a file name stem of a prompt: letters, their marks and digits of every script (NFC), words joined with `-`, at most 50 characters
 * and 100 UTF-8 bytes, so that with time, index and ending it fits the 143 bytes of the narrowest common filesystem (eCryptfs). Without any letter or digit: `image`.
 */
export function slugOf(prompt: string): string {
  const words = prompt.normalize("NFC").match(/[\p{L}\p{N}][\p{L}\p{N}\p{M}]*/gu) ?? [];
  let slug = cut(words[0] ?? "image");
  for (const word of words.slice(1)) {
    const longer = `${slug}-${word}`;
    if (cut(longer) !== longer) break;
    slug = longer;
  }
  return slug;
}

/** As many leading characters as fit. */
function cut(text: string): string {
  let fitting = "";
  for (const character of codePoints(text).slice(0, SLUG_MAX_CHARACTERS)) {
    if (Buffer.byteLength(fitting + character) > SLUG_MAX_BYTES) break;
    fitting += character;
  }
  return fitting;
}

/** `<slug>-<unix ms>-<index>-<8 hex>`, without the ending; different each time. `index` counts from 1. */
export function fileStem(slug: string, unixMs: number, index: number): string {
  return `${slug}-${String(Math.floor(unixMs))}-${String(index)}-${randomBytes(4).toString("hex")}`;
}
