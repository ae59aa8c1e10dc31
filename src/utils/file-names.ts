import { codePoints } from "../text/text.ts";

/** No name made here has more UTF-8 bytes: the narrowest common filesystem, eCryptfs, takes 143. */
export const FILE_NAME_MAX_BYTES = 143;

const SLUG_MAX_CHARACTERS = 50;
const SLUG_MAX_BYTES = 100;
const IMAGE_EXTENSION = /\.(?:jpe?g|png|webp)$/i;

/**
 * Makes a base name of a prompt: letters, their marks and digits of every script (NFC), words joined with `-`, at
 * most 50 characters and 100 UTF-8 bytes, so that with time, index and extension it fits `FILE_NAME_MAX_BYTES`. Without
 * any letter or digit: `image`.
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

/**
 * The base names to try, in this order, for the image at a position counted from 0. Images ask one after another, in
 * their order; the last name that one took is where the next begins.
 */
export type BaseNames = (position: number) => Iterable<string>;

/** Names made of the prompt: `<slug>-<unix ms>-<number from 1>-<8 hex>`, different each time. */
export function promptNames(prompt: string, unixMs: number): BaseNames {
  const slug = slugOf(prompt);
  return function* (position) {
    for (;;) yield `${slug}-${Math.floor(unixMs)}-${position + 1}-${crypto.randomUUID().slice(0, 8)}`;
  };
}

/** A file name that was asked for without its image extension, which the bytes decide. */
export function baseNameOf(filename: string): string {
  return filename.replace(IMAGE_EXTENSION, "");
}

/**
 * Names that were asked for. One image: `hero`, then `hero-2`, `hero-3` …; several: `hero-1` to `hero-<count>`, and
 * after one that is taken the numbers go on from there, so that they follow the order of the images.
 */
export function numberedNames(filename: string, count: number): BaseNames {
  const baseName = baseNameOf(filename);
  let next = 1;
  return function* (position) {
    for (let number = Math.max(position + 1, next); ; number += 1) {
      next = number + 1;
      yield count === 1 && number === 1 ? baseName : `${baseName}-${number}`;
    }
  };
}
