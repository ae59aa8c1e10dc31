import { IMAGES_MAX } from "../constants.ts";
import type { UpstreamReply } from "../schemas.ts";
import { decodeBase64 } from "./base64.ts";
import { secureLink } from "./links.ts";

/** Largest image that is kept, in bytes; anything larger is a failure of that image alone. */
export const IMAGE_MAX_BYTES = 32 * 1024 * 1024;

const LINK_MAX_CHARACTERS = 2048;

/** The bytes of an image, its link (https, or http on this machine), or why it cannot be used. */
type ImageContent = { readonly bytes: Uint8Array } | { readonly link: string } | { readonly problem: string };

/** One image as MiniMax delivered it. */
export type GeneratedImage = {
  /** Its position in MiniMax's reply, from 0. */
  readonly index: number;
} & ImageContent;

/** The images of one reply. */
export interface DeliveredImages {
  /** At most nine, in MiniMax's order; empty when no entry holds anything. */
  readonly images: readonly GeneratedImage[];
  /** How many entries the answer has, empty ones among them. */
  readonly entryCount: number;
  /** Whether an entry is an object that holds something: nothing MiniMax documents, and perhaps an image. */
  readonly holdsObjects: boolean;
}

/**
 * Takes the images out of a reply: those that hold something first, and empty entries only as far as nine images leave
 * room, so that nothing is decoded, counted or copied beyond nine.
 *
 * @param allowLoopback - whether links may lead to this machine, because the API host itself is on it
 */
export function imagesOf({ data }: UpstreamReply, allowLoopback: boolean): DeliveredImages {
  const encoded = entriesOf(data.image_base64);
  const links = entriesOf(data.image_urls);
  const holdsObjects = holdsObject([encoded, links]);
  if (encoded.some(holdsText)) {
    return {
      images: take(encoded, (text) => encodedImage(text, allowLoopback)),
      entryCount: encoded.length,
      holdsObjects,
    };
  }
  if (links.some(holdsText)) {
    return { images: take(links, (text) => linkedImage(text, allowLoopback)), entryCount: links.length, holdsObjects };
  }
  return { images: [], entryCount: encoded.length + links.length, holdsObjects };
}

/** Looks a few lists deep: a reply may nest them without end. */
function holdsObject(entry: unknown, depth = 4): boolean {
  if (Array.isArray(entry)) return depth > 0 && entry.some((inner) => holdsObject(inner, depth - 1));
  return typeof entry === "object" && entry !== null && Object.keys(entry).length > 0;
}

/** MiniMax documents an array; a single text is taken for its only entry. */
function entriesOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  return value === undefined || value === null || value === false || value === "" ? [] : [value];
}

function holdsText(entry: unknown): entry is string {
  return typeof entry === "string" && /\S/.test(entry);
}

function take(entries: readonly unknown[], read: (text: string) => ImageContent): GeneratedImage[] {
  return positionsToTake(entries).map((index) => {
    const entry = entries[index];
    return holdsText(entry)
      ? { index, ...read(entry) }
      : { index, problem: entry === "" ? "it is empty" : "MiniMax's response has no image data for it" };
  });
}

function positionsToTake(entries: readonly unknown[]): number[] {
  const held: number[] = [];
  const empty: number[] = [];
  for (const [index, entry] of entries.entries()) {
    const positions = holdsText(entry) ? held : empty;
    if (positions.length < IMAGES_MAX) positions.push(index);
    if (held.length === IMAGES_MAX) break;
  }
  return [...held, ...empty].slice(0, IMAGES_MAX).sort((a, b) => a - b);
}

function encodedImage(text: string, allowLoopback: boolean): ImageContent {
  return /^\s*https?:/i.test(text) ? linkOf(text, allowLoopback) : decodeBase64(text, IMAGE_MAX_BYTES);
}

function linkedImage(text: string, allowLoopback: boolean): ImageContent {
  return /^\s*data:/i.test(text) ? decodeBase64(text, IMAGE_MAX_BYTES) : linkOf(text, allowLoopback);
}

function linkOf(text: string, allowLoopback: boolean): ImageContent {
  const link = text.length <= LINK_MAX_CHARACTERS ? secureLink(text, allowLoopback) : undefined;
  return link === undefined ? { problem: "MiniMax delivered no usable link for it" } : { link: link.href };
}
