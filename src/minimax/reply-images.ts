import { IMAGES_MAX } from "../constants.ts";
import type { UpstreamReply } from "../schemas.ts";
import { secureLink } from "./links.ts";
import type { DecodedImage } from "./reply-body.ts";

const LINK_MAX_CHARACTERS = 2048;

/** An image that can be had: its bytes, or a link (https, or http on this machine). */
export type UsableImage = { readonly chunks: readonly Uint8Array[] } | { readonly link: string };

/** One image as MiniMax delivered it, or why it cannot be used. */
export type GeneratedImage = {
  /** Its position in MiniMax's answer, from 0. */
  readonly index: number;
} & (UsableImage | { readonly problem: string });

/** How the images of one answer are read. */
export interface ImageReading {
  /** The bytes behind a base64 text of the answer. */
  readonly decode: (text: string) => DecodedImage;
  /** Whether links may lead to this machine, because the API host itself is on it. */
  readonly allowLoopback: boolean;
}

/** The images of one answer. */
export interface DeliveredImages {
  /** At most nine, in MiniMax's order; empty when no entry holds anything. */
  readonly images: readonly GeneratedImage[];
  /** How many entries the answer has, empty ones among them. */
  readonly entryCount: number;
  /** Whether an entry is an object that holds something: nothing MiniMax documents, and perhaps an image. */
  readonly holdsObjects: boolean;
}

/**
 * Takes the images out of an answer: those that hold something first, and empty entries only as far as nine images
 * leave room, so that nothing is decoded, counted or copied beyond nine.
 */
export function imagesOf({ data }: UpstreamReply, reading: ImageReading): DeliveredImages {
  const encoded = entriesOf(data.image_base64);
  const links = entriesOf(data.image_urls);
  const holdsObjects = holdsObject([encoded, links]);
  if (encoded.some(holdsText)) {
    return { images: take(encoded, (text) => encodedImage(text, reading)), entryCount: encoded.length, holdsObjects };
  }
  if (links.some(holdsText)) {
    return { images: take(links, (text) => linkedImage(text, reading)), entryCount: links.length, holdsObjects };
  }
  return { images: [], entryCount: encoded.length + links.length, holdsObjects };
}

/** Looks a few lists deep: an answer may nest them without end. */
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
  return typeof entry === "string" && entry.trim() !== "";
}

type ImageContent = DecodedImage | { readonly link: string };

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

function encodedImage(text: string, reading: ImageReading): ImageContent {
  return /^\s*https?:/i.test(text) ? linkOf(text, reading) : reading.decode(text);
}

function linkedImage(text: string, reading: ImageReading): ImageContent {
  return /^\s*(?:data|lifted):/i.test(text) ? reading.decode(text) : linkOf(text, reading);
}

function linkOf(text: string, { allowLoopback }: ImageReading): ImageContent {
  const link = text.length <= LINK_MAX_CHARACTERS ? secureLink(text, allowLoopback) : undefined;
  return link === undefined ? { problem: "MiniMax delivered no usable link for it" } : { link: link.href };
}
