import { codePoints } from "../text.ts";

/** No name that these sequences give has more UTF-8 bytes: the narrowest common filesystem, eCryptfs, takes 143. */
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

/** Whether a file of this base name exists. */
export type IsTaken = (baseName: string) => Promise<boolean>;

/**
 * Gives the base names to try for the image with this index, counted from 1; each call of the inner function gives the
 * next one.
 *
 * @throws (the inner function) what `isTaken` throws
 */
export type NameSequence = (index: number) => (isTaken: IsTaken) => string | Promise<string>;

/** Names made of the prompt: `<slug>-<unix ms>-<index>-<8 hex>`. */
export function promptNames(prompt: string, unixMs: number): NameSequence {
  const slug = slugOf(prompt);
  return (index) => () => uniqueBaseName(slug, unixMs, index);
}

/**
 * Names that were asked for. One image: `hero`, then `hero-2`, `hero-3` …; several: `hero-1` to `hero-<count>`, and for
 * each that is taken the next number after those.
 *
 * @param filename - a leading part of a file name; an image extension is dropped, because the bytes decide it
 */
export function numberedNames(filename: string, count: number): NameSequence {
  const baseName = withoutExtension(filename);
  let next = count + 1;
  return (index) => {
    let isFirst = true;
    return async (isTaken) => {
      if (isFirst) {
        isFirst = false;
        return count === 1 ? baseName : `${baseName}-${index}`;
      }
      const free = await firstFree(next, (number) => isTaken(`${baseName}-${number}`));
      const number = Math.max(free, next);
      next = number + 1;
      return `${baseName}-${number}`;
    };
  };
}

/**
 * The first number from `start` on that is free, where the taken ones follow one another; where they have gaps, the
 * first of one of the gaps. Looks in steps that double, then halves the last one: 32 looks among 60,000 names.
 */
async function firstFree(start: number, isTaken: (number: number) => Promise<boolean>): Promise<number> {
  let taken = start - 1;
  let step = 1;
  while (await isTaken(taken + step)) {
    taken += step;
    step *= 2;
  }
  let free = taken + step;
  while (free - taken > 1) {
    const middle = Math.floor((taken + free) / 2);
    if (await isTaken(middle)) taken = middle;
    else free = middle;
  }
  return free;
}

function withoutExtension(filename: string): string {
  return filename.replace(IMAGE_EXTENSION, "");
}

/** `<slug>-<unix ms>-<index>-<8 hex>`, without the extension; different each time. `index` counts from 1. */
export function uniqueBaseName(slug: string, unixMs: number, index: number): string {
  return `${slug}-${Math.floor(unixMs)}-${index}-${crypto.randomUUID().slice(0, 8)}`;
}
