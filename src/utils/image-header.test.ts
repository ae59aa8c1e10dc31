import { randomBytes } from "node:crypto";
import sharp, { type Sharp } from "sharp";
import { describe, expect, test } from "vitest";
import { endsEarly, type ImageHeader, readImageHeader } from "./image-header.ts";

const HEADER_REGION_BYTES = 1500;

const SIZES = [
  [1, 1],
  [3, 5],
  [17, 33],
  [257, 255],
  [1001, 7],
  [8, 1999],
] as const;

type Encoding = (image: Sharp) => Sharp;

const ENCODINGS: readonly (readonly [string, ImageHeader["extension"], 3 | 4, Encoding])[] = [
  ["a baseline JPEG", "jpeg", 3, (image) => image.jpeg()],
  ["a progressive JPEG", "jpeg", 3, (image) => image.jpeg({ progressive: true })],
  ["a grey JPEG", "jpeg", 3, (image) => image.grayscale().jpeg()],
  ["a JPEG with a colour profile", "jpeg", 3, (image) => image.withIccProfile("srgb").jpeg()],
  ["a JPEG with EXIF", "jpeg", 3, (image) => image.withExif({ IFD0: { Copyright: "Ada" } }).jpeg()],
  ["a PNG", "png", 3, (image) => image.png()],
  ["a PNG with a palette", "png", 3, (image) => image.png({ palette: true })],
  ["a PNG with alpha", "png", 4, (image) => image.png()],
  ["a lossy WebP", "webp", 3, (image) => image.webp()],
  ["a lossless WebP", "webp", 3, (image) => image.webp({ lossless: true })],
  ["a lossless WebP with alpha", "webp", 4, (image) => image.webp({ lossless: true })],
  ["a WebP with EXIF", "webp", 3, (image) => image.withExif({ IFD0: { Copyright: "Ada" } }).webp()],
];

function render(width: number, height: number, channels: 3 | 4): Sharp {
  return sharp(randomBytes(width * height * channels), { raw: { width, height, channels } });
}

function header(extension: ImageHeader["extension"], width: number, height: number): ImageHeader {
  return { mimeType: `image/${extension}`, extension, width, height };
}

function bytes(...parts: (string | readonly number[])[]): Uint8Array {
  return Buffer.concat(
    parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : Buffer.from(part))),
  );
}

function changed(head: Buffer, position: number): Buffer {
  const other = Buffer.from(head);
  other.writeUInt8(other.readUInt8(position) ^ 1, position);
  return other;
}

function isCut(file: Buffer): boolean {
  const found = readImageHeader(file);
  if (found === undefined) throw new Error("It has no header.");
  return endsEarly(found, { head: file, tail: file.subarray(-4096), bytes: file.length });
}

function pngHeader(width: number, height: number): Buffer {
  const head = Buffer.concat([bytes("\x89PNG\r\n\x1a\n", [0, 0, 0, 13], "IHDR"), Buffer.alloc(17)]);
  head.writeUInt32BE(width, 16);
  head.writeUInt32BE(height, 20);
  return head;
}

function webpHeader(kind: string, payload: readonly number[], riff = "RIFF"): Uint8Array {
  return bytes(riff, [22, 0, 0, 0], "WEBP", kind, [10, 0, 0, 0], payload);
}

const VP8_PAYLOAD = [0, 0, 0, 0x9d, 0x01, 0x2a, 10, 0, 20, 0];
const VP8L_PAYLOAD = [0x2f, 9, 0xc0, 4, 0, 0, 0, 0, 0, 0];
const VP8X_PAYLOAD = [0, 0, 0, 0, 9, 0, 0, 19, 0, 0];
const FRAME_HEADER = [0xff, 0xc0, 0, 17, 8, 0, 20, 0, 10, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1];

describe.each(ENCODINGS)("%s", (_name, extension, channels, encode) => {
  test.each(SIZES)("of %i by %i pixels is measured, also inside a larger buffer", async (width, height) => {
    const file = await encode(render(width, height, channels)).toBuffer();
    const larger = Buffer.concat([randomBytes(13), file, randomBytes(13)]);

    expect(readImageHeader(file)).toEqual(header(extension, width, height));
    expect(readImageHeader(larger.subarray(13, -13))).toEqual(header(extension, width, height));
  });

  test("is measured rightly or not at all when it is cut off", async () => {
    const file = await encode(render(257, 255, channels)).toBuffer();
    const whole = header(extension, 257, 255);
    const lengths = [...Array(Math.min(file.length, HEADER_REGION_BYTES)).keys()];
    const read = lengths.map((length) => readImageHeader(file.subarray(0, length)));
    const measured = read.slice(read.findIndex((found) => found !== undefined));

    expect(read[20]).toBeUndefined();
    expect(measured).toEqual(measured.map(() => whole));
  });

  test("ends early only when its last bytes are missing", async () => {
    const file = await encode(render(257, 255, channels)).toBuffer();

    expect(isCut(file)).toBe(false);
    expect(isCut(Buffer.concat([file, Buffer.alloc(100)]))).toBe(false);
    expect(isCut(file.subarray(0, -1))).toBe(true);
    expect(isCut(file.subarray(0, file.length / 2))).toBe(true);
  });
});

const start = [0xff, 0xd8];
const APP1 = 0xe1;
const THUMBNAIL = [0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 0, 1, 0, 1];
const TABLES = [0xc4, 0xc8, 0xcc].flatMap((marker) => [0xff, marker, 0, 9, 8, 0, 1, 0, 1, 0, 0]);

test.each([0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf])(
  "a JPEG with frame header %i is measured",
  (marker) => {
    expect(readImageHeader(bytes(start, [0xff, marker], FRAME_HEADER.slice(2)))).toEqual(header("jpeg", 10, 20));
  },
);

test.each([
  ["cut off right after its size", bytes(start, FRAME_HEADER.slice(0, 9))],
  ["with a thumbnail", bytes(start, [0xff, APP1, 0, 2 + THUMBNAIL.length], THUMBNAIL, FRAME_HEADER)],
  ["with tables of similar markers", bytes(start, TABLES, FRAME_HEADER)],
  ["with fill bytes before a marker", bytes(start, [0xff, 0xff, 0xff], FRAME_HEADER)],
])("a JPEG %s is measured by its frame header", (_case, head) => {
  expect(readImageHeader(head)).toEqual(header("jpeg", 10, 20));
});

test.each([
  ["one byte too short", FRAME_HEADER.slice(0, 8)],
  ["metadata to beyond the bytes at hand", [0xff, APP1, 0xff, 0xff, ...FRAME_HEADER]],
  ["a scan first", [0xff, 0xda, 0, 12, ...Array<number>(10).fill(0), ...FRAME_HEADER]],
  ["a frame header without its marker", [0x00, ...FRAME_HEADER.slice(1)]],
  ["a reserved marker first", [0xff, 0x02, 0, 9, 8, 0, 1, 0, 1, 0, 0, ...FRAME_HEADER]],
  ["a restart first", [0xff, 0xd0, 0, 9, 8, 0, 1, 0, 1, 0, 0, ...FRAME_HEADER]],
  ["a segment shorter than its length", [0xff, 0xe0, 0, 0, ...FRAME_HEADER]],
  ["no width", [0xff, 0xc0, 0, 17, 8, 0, 20, 0, 0, 3, 1, 0x22, 0]],
  ["no height", [0xff, 0xc0, 0, 17, 8, 0, 0, 0, 10, 3, 1, 0x22, 0]],
])("a JPEG with %s is not measured", (_case, rest) => {
  expect(readImageHeader(bytes(start, rest))).toBeUndefined();
  expect(readImageHeader(bytes(start, [0xff, 0xe0, 0, 4, 0, 0], rest))).toBeUndefined();
});

test.each([
  ["VP8 ", VP8_PAYLOAD],
  ["VP8L", VP8L_PAYLOAD],
  ["VP8X", VP8X_PAYLOAD],
])("a WebP with %s is measured by its first 30 bytes", (kind, payload) => {
  const head = webpHeader(kind, payload);

  expect(head).toHaveLength(30);
  expect(readImageHeader(head)).toEqual(header("webp", 10, 20));
  expect(readImageHeader(head.subarray(0, 29))).toBeUndefined();
  expect(readImageHeader(webpHeader("VP9 ", payload))).toBeUndefined();
});

test("the scale of a lossy WebP is no part of its size", () => {
  expect(readImageHeader(webpHeader("VP8 ", [...VP8_PAYLOAD.slice(0, 6), 10, 0x40, 20, 0x80]))).toEqual(
    header("webp", 10, 20),
  );
});

test("the size of an extended WebP has three bytes", () => {
  const head = webpHeader("VP8X", [0, 0, 0, 0, 9, 0, 1, 19, 0, 2]);

  expect(readImageHeader(head)).toEqual(header("webp", 10 + 0x1_0000, 20 + 0x2_0000));
});

const TEXT = "0123456789abcdef";

test.each([
  ["nothing", bytes("")],
  ["a WAV", bytes("RIFF", [36, 8, 0, 0], "WAVEfmt ", TEXT, TEXT)],
  ["a RIFF file with a chunk as in WebP", bytes("RIFF", [22, 0, 0, 0], "WAVEVP8X", [10, 0, 0, 0], TEXT)],
  ["a WebP that is not in a RIFF file", webpHeader("VP8X", VP8X_PAYLOAD, "RIFX")],
  ["a JPEG without its start", bytes([0, 0], FRAME_HEADER)],
  ["a lossy WebP without its start code", bytes("RIFF", [40, 0, 0, 0], "WEBPVP8 ", [10, 0, 0, 0], TEXT)],
  ["a lossless WebP without its signature", bytes("RIFF", [40, 0, 0, 0], "WEBPVP8L", [10, 0, 0, 0], TEXT)],
  ["HTML", bytes("<!doctype html><title>Access denied</title><p>The link has expired.</p>")],
  ["the start of a JPEG", bytes([0xff, 0xd8, 0xff])],
  ["a PNG without a width", pngHeader(0, 5)],
  ["a PNG without a height", pngHeader(5, 0)],
  ["a PNG one byte too short", pngHeader(5, 5).subarray(0, 32)],
  ["a PNG with a header of another length", changed(pngHeader(5, 5), 11)],
  ["a PNG with another first chunk", changed(pngHeader(5, 5), 12)],
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((position): [string, Uint8Array] => [
    `a PNG with a wrong byte ${position}`,
    changed(pngHeader(5, 5), position),
  ]),
])("%s is no image", (_case, head) => {
  expect(readImageHeader(head)).toBeUndefined();
});

test("a PNG is measured by its first 33 bytes", () => {
  expect(readImageHeader(pngHeader(5, 6))).toEqual(header("png", 5, 6));
});
