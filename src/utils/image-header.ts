import type { SavedImage } from "../schemas.ts";

/** Format and size of an image by its leading bytes. Sizes are in pixels, as stored. */
export interface ImageHeader {
  readonly mimeType: SavedImage["mime_type"];
  readonly extension: "jpeg" | "png" | "webp";
  readonly width: number;
  readonly height: number;
}

const RIFF_HEADER_BYTES = 8;
const JPEG_END = Buffer.from("ffd9", "hex");
const PNG_END = Buffer.from("49454e44ae426082", "hex");

/**
 * Reads format and size from the first bytes of a file.
 *
 * @param head - the beginning of the file; for JPEG it has to reach to the frame header
 * @returns undefined unless it is the whole header of a JPEG, PNG or WebP with a size above zero
 */
export function readImageHeader(head: Uint8Array): ImageHeader | undefined {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const size = jpegSize(view) ?? pngSize(view) ?? webpSize(view);
  return size === undefined || size.width === 0 || size.height === 0 ? undefined : size;
}

/** Walks the segments up to the frame header (SOF). Source: ITU-T T.81, annex B. */
function jpegSize(view: DataView): ImageHeader | undefined {
  if (!startsWith(view, 0, [0xff, 0xd8, 0xff])) return undefined;
  let position = 2;
  while (position + 9 <= view.byteLength && view.getUint8(position) === 0xff) {
    const marker = view.getUint8(position + 1);
    if (marker === 0xff) {
      position += 1;
      continue;
    }
    if (isFrameHeader(marker)) {
      return {
        mimeType: "image/jpeg",
        extension: "jpeg",
        height: view.getUint16(position + 5),
        width: view.getUint16(position + 7),
      };
    }
    if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xda)) return undefined;
    position += 2 + view.getUint16(position + 2);
  }
  return undefined;
}

function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/** The signature and the IHDR chunk. Source: PNG specification, third edition, sections 5.2 and 11.2.1. */
function pngSize(view: DataView): ImageHeader | undefined {
  const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
  if (
    view.byteLength < 33 ||
    !startsWith(view, 0, signature) ||
    !startsWith(view, 8, [0, 0, 0, 13]) ||
    !hasText(view, 12, "IHDR")
  ) {
    return undefined;
  }
  return { mimeType: "image/png", extension: "png", width: view.getUint32(16), height: view.getUint32(20) };
}

/**
 * The RIFF header and the first chunk: VP8 (lossy), VP8L (lossless) or VP8X (extended). Source: RFC 9649, RFC 6386
 * section 9.1.
 */
function webpSize(view: DataView): ImageHeader | undefined {
  if (view.byteLength < 30 || !hasText(view, 0, "RIFF") || !hasText(view, 8, "WEBP")) return undefined;
  const size = (width: number, height: number): ImageHeader => ({
    mimeType: "image/webp",
    extension: "webp",
    width,
    height,
  });
  if (hasText(view, 12, "VP8 ") && startsWith(view, 23, [0x9d, 0x01, 0x2a])) {
    return size(view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff);
  }
  if (hasText(view, 12, "VP8L") && view.getUint8(20) === 0x2f) {
    const bits = view.getUint32(21, true);
    return size((bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1);
  }
  if (hasText(view, 12, "VP8X")) return size(uint24(view, 24) + 1, uint24(view, 27) + 1);
  return undefined;
}

function uint24(view: DataView, offset: number): number {
  return view.getUint16(offset, true) + view.getUint8(offset + 2) * 0x1_0000;
}

function startsWith(view: DataView, offset: number, bytes: readonly number[]): boolean {
  return (
    view.byteLength >= offset + bytes.length && bytes.every((byte, index) => view.getUint8(offset + index) === byte)
  );
}

function hasText(view: DataView, offset: number, text: string): boolean {
  return startsWith(view, offset, [...Buffer.from(text, "latin1")]);
}

/**
 * Whether an image stops before its format's end: a JPEG without an end marker in its last 4 kB, a PNG without IEND
 * there, a WebP shorter than it says. Bytes after the end marker do no harm. Sources: ITU-T T.81, annex B; PNG
 * specification, section 11.2.5; RFC 9649, section 2.3.
 *
 * @param file - its beginning, from the header on; its last 4 kB; and its size in bytes
 */
export function endsEarly(
  { mimeType }: ImageHeader,
  { head, tail, bytes }: { head: Uint8Array; tail: Buffer; bytes: number },
): boolean {
  if (mimeType === "image/webp") return bytes < RIFF_HEADER_BYTES + Buffer.from(head.subarray(4, 8)).readUInt32LE();
  return !tail.includes(mimeType === "image/jpeg" ? JPEG_END : PNG_END);
}
