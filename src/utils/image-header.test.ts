import { randomBytes } from "node:crypto";
import fc from "fast-check";
import sharp, { type Sharp } from "sharp";
import { describe, expect, test } from "vitest";
import { type ImageHeader, readImageHeader } from "./image-header.ts";

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
  ["a JPEG without chroma subsampling", "jpeg", 3, (image) => image.jpeg({ chromaSubsampling: "4:4:4" })],
  ["a grey JPEG", "jpeg", 3, (image) => image.grayscale().jpeg()],
  ["a JPEG with a colour profile", "jpeg", 3, (image) => image.withIccProfile("srgb").jpeg()],
  ["a JPEG with EXIF", "jpeg", 3, (image) => image.withExif({ IFD0: { Copyright: "nobody" } }).jpeg()],
  ["a PNG", "png", 3, (image) => image.png()],
  ["an interlaced PNG", "png", 3, (image) => image.png({ progressive: true })],
  ["a PNG with a palette", "png", 3, (image) => image.png({ palette: true })],
  ["a PNG with alpha", "png", 4, (image) => image.png()],
  ["a lossy WebP", "webp", 3, (image) => image.webp()],
  ["a lossless WebP", "webp", 3, (image) => image.webp({ lossless: true })],
  ["a lossy WebP with alpha", "webp", 4, (image) => image.webp()],
  ["a lossless WebP with alpha", "webp", 4, (image) => image.webp({ lossless: true })],
  ["a WebP with EXIF", "webp", 3, (image) => image.withExif({ IFD0: { Copyright: "nobody" } }).webp()],
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

function pngHeader(width: number, height: number): Uint8Array {
  const head = Buffer.from(
    bytes(
      "\x89PNG\r\n\x1a\n",
      [0, 0, 0, 13],
      "IHDR",
      Array.from({ length: 17 }, () => 0),
    ),
  );
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
  test.each(SIZES)("of %i by %i pixels has its format and size read", async (width, height) => {
    const file = await encode(render(width, height, channels)).toBuffer();

    expect(readImageHeader(file)).toEqual(header(extension, width, height));
  });

  test("that is cut off in its header is read rightly or not at all", async () => {
    const file = await encode(render(257, 255, channels)).toBuffer();
    const whole = header(extension, 257, 255);
    const read = Array.from({ length: Math.min(file.length, HEADER_REGION_BYTES) }, (_, length) =>
      readImageHeader(file.subarray(0, length)),
    );
    const firstRead = read.findIndex((found) => found !== undefined);

    expect(firstRead).toBeGreaterThan(20);
    expect(read.slice(0, firstRead).every((found) => found === undefined)).toBe(true);
    expect(read.slice(firstRead)).toEqual(read.slice(firstRead).map(() => whole));
  });

  test("is read also where it lies inside a larger buffer", async () => {
    const file = await encode(render(17, 33, channels)).toBuffer();
    const larger = Buffer.concat([randomBytes(13), file, randomBytes(13)]);

    expect(readImageHeader(larger.subarray(13, 13 + file.length))).toEqual(header(extension, 17, 33));
  });
});

const start = [0xff, 0xd8];

test.each([0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf])(
  "a JPEG's size comes from its frame header and nowhere else whatever its coding, here that of marker %i",
  (marker) => {
    expect(readImageHeader(bytes(start, [0xff, marker], FRAME_HEADER.slice(2)))).toEqual(header("jpeg", 10, 20));
  },
);

test("a JPEG's size comes from its frame header and nowhere else as soon as the last byte of the size is at hand, and not before", () => {
  expect(readImageHeader(bytes(start, FRAME_HEADER.slice(0, 9)))).toEqual(header("jpeg", 10, 20));
  expect(readImageHeader(bytes(start, FRAME_HEADER.slice(0, 8)))).toBeUndefined();
});

test("a thumbnail inside the metadata is passed over", () => {
  const thumbnail = [0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 0, 1, 0, 1];
  const metadata = [0xff, 0xe1, 0, 2 + thumbnail.length, ...thumbnail];

  expect(readImageHeader(bytes(start, metadata, FRAME_HEADER))).toEqual(header("jpeg", 10, 20));
});

test("tables with markers of the same range are passed over", () => {
  const tables = [0xc4, 0xc8, 0xcc].flatMap((marker) => [0xff, marker, 0, 9, 8, 0, 1, 0, 1, 0, 0]);

  expect(readImageHeader(bytes(start, tables, FRAME_HEADER))).toEqual(header("jpeg", 10, 20));
});

test("a JPEG's size comes from its frame header and nowhere else fill bytes in front of a marker are allowed", () => {
  expect(readImageHeader(bytes(start, [0xff, 0xff, 0xff], FRAME_HEADER))).toEqual(header("jpeg", 10, 20));
});

test("metadata that reaches past the bytes at hand leaves the size unknown", () => {
  expect(readImageHeader(bytes(start, [0xff, 0xe1, 0xff, 0xff], FRAME_HEADER))).toBeUndefined();
});

test.each([
  ["the scan begins before any frame header", [0xff, 0xda, 0, 12, ...Array.from({ length: 10 }, () => 0)]],
  ["the image ends before any frame header", [0xff, 0xd9]],
  ["a second image starts", [0xff, 0xd8]],
  ["a segment does not start with a marker", [0x00, 0x00]],
  ["a frame header has no marker of its own", [0x00, ...FRAME_HEADER.slice(1)]],
  ["a reserved marker comes before any frame header", [0xff, 0x02, 0, 9, 8, 0, 1, 0, 1, 0, 0]],
  ["a restart comes before any frame header", [0xff, 0xd0, 0, 9, 8, 0, 1, 0, 1, 0, 0]],
  ["a segment claims a length shorter than the length itself", [0xff, 0xe0, 0, 0]],
])("there is no size when %s", (_case, segment) => {
  expect(readImageHeader(bytes(start, [0xff, 0xe0, 0, 4, 0, 0], segment, FRAME_HEADER))).toBeUndefined();
});

test.each([
  ["width", [0, 20, 0, 0]],
  ["height", [0, 0, 0, 10]],
])("a frame header with no %s is no image", (_case, size) => {
  expect(readImageHeader(bytes(start, [0xff, 0xc0, 0, 17, 8], size, [3, 1, 0x22, 0]))).toBeUndefined();
});

test.each([
  ["VP8 ", VP8_PAYLOAD],
  ["VP8L", VP8L_PAYLOAD],
  ["VP8X", VP8X_PAYLOAD],
])("%s as soon as 30 bytes are at hand, and not before", (kind, payload) => {
  const head = webpHeader(kind, payload);

  expect(head).toHaveLength(30);
  expect(readImageHeader(head)).toEqual(header("webp", 10, 20));
  expect(readImageHeader(head.subarray(0, 29))).toBeUndefined();
});

test("a WebP's size comes from its first chunk and the scale in the upper bits of a lossy one is no part of it", () => {
  expect(readImageHeader(webpHeader("VP8 ", [...VP8_PAYLOAD.slice(0, 6), 10, 0x40, 20, 0x80]))).toEqual(
    header("webp", 10, 20),
  );
});

test.each([
  ["a lossy one", VP8_PAYLOAD],
  ["a lossless one", VP8L_PAYLOAD],
  ["an extended one", VP8X_PAYLOAD],
])("a WebP's size comes from its first chunk whose name counts: what follows may look like %s", (_case, payload) => {
  expect(readImageHeader(webpHeader("VP9 ", payload))).toBeUndefined();
});

test.each([
  ["nothing", bytes("")],
  [
    "a WAV",
    bytes("RIFF", [36, 8, 0, 0], "WAVEfmt ", [16, 0, 0, 0, 1, 0, 2, 0, 0x44, 0xac, 0, 0, 0x10, 0xb1, 2, 0, 4, 0]),
  ],
  ["an AVI", bytes("RIFF", [0, 0, 1, 0], "AVI LIST", [192, 0, 0, 0], "hdrlavih", [56, 0, 0, 0, 1, 2, 3, 4, 5, 6])],
  [
    "another RIFF file with a chunk named as in WebP",
    bytes("RIFF", [22, 0, 0, 0], "WAVEVP8X", [10, 0, 0, 0], "0123456789"),
  ],
  ["a WebP that is not in a RIFF file", webpHeader("VP8X", VP8X_PAYLOAD, "RIFX")],
  ["a JPEG without its start", bytes([0, 0], FRAME_HEADER)],
  ["a WebP of an unknown kind", bytes("RIFF", [40, 0, 0, 0], "WEBPVP9 ", [10, 0, 0, 0], "0123456789abcdef")],
  ["a lossy WebP without its start code", bytes("RIFF", [40, 0, 0, 0], "WEBPVP8 ", [10, 0, 0, 0], "0123456789abcdef")],
  [
    "a lossless WebP without its signature",
    bytes("RIFF", [40, 0, 0, 0], "WEBPVP8L", [10, 0, 0, 0], "0123456789abcdef"),
  ],
  ["a GIF", bytes("GIF89a", [1, 0, 1, 0, 0x80, 0, 0], "0123456789abcdef0123456789abcdef")],
  ["an AVIF", bytes([0, 0, 0, 32], "ftypavif", [0, 0, 0, 0], "avifmif1miafMA1B0123456789abcdef")],
  ["HTML", bytes("<!doctype html><title>Access denied</title><p>The link has expired.</p>")],
  ["an XML error of the storage", bytes("<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>")],
  ["an SVG", bytes("<svg xmlns='http://www.w3.org/2000/svg' width='10' height='10'></svg>")],
  ["the start of a JPEG alone", bytes([0xff, 0xd8, 0xff])],
  ["the signature of a PNG alone", bytes("\x89PNG\r\n\x1a\n")],
])("what is not a JPEG, PNG or WebP is undefined: %s", (_case, head) => {
  expect(readImageHeader(head)).toBeUndefined();
});

test("what is not a JPEG, PNG or WebP is undefined: a PNG whose line ends were converted on the way", async () => {
  const file = await render(9, 9, 3).png().toBuffer();
  const converted = Buffer.from(file.toString("latin1").replace("\r\n", "\n"), "latin1");

  expect(readImageHeader(converted)).toBeUndefined();
});

test.each([
  [0, 5],
  [5, 0],
])("what is not a JPEG, PNG or WebP is undefined: a PNG of %i by %i pixels", (width, height) => {
  expect(readImageHeader(pngHeader(width, height))).toBeUndefined();
});

test("what is not a JPEG, PNG or WebP is undefined: a PNG that is cut off one byte before the end of its header", () => {
  expect(readImageHeader(pngHeader(5, 5))).toEqual(header("png", 5, 5));
  expect(readImageHeader(pngHeader(5, 5).subarray(0, 32))).toBeUndefined();
});

test.each([0, 1, 2, 3, 4, 5, 6, 7])(
  "what is not a JPEG, PNG or WebP is undefined: a PNG whose signature is wrong in byte %i",
  (position) => {
    const head = Buffer.from(pngHeader(5, 5));
    head.writeUInt8(head.readUInt8(position) ^ 1, position);

    expect(readImageHeader(head)).toBeUndefined();
  },
);

test("what is not a JPEG, PNG or WebP is undefined: a PNG whose header says that it is of another length", () => {
  const head = Buffer.from(pngHeader(5, 5));
  head.writeUInt32BE(12, 8);

  expect(readImageHeader(head)).toBeUndefined();
});

test("what is not a JPEG, PNG or WebP is undefined: a PNG whose first chunk is not its header", () => {
  const head = Buffer.from(pngHeader(5, 5));
  head.write("IDAT", 12, "latin1");

  expect(readImageHeader(head)).toBeUndefined();
});

const beginnings = fc.constantFrom(
  bytes(""),
  bytes([0xff, 0xd8, 0xff]),
  bytes([0xff, 0xd8, 0xff, 0xe0, 0, 2]),
  bytes("\x89PNG\r\n\x1a\n", [0, 0, 0, 13], "IHDR"),
  bytes("RIFF", [1, 2, 3, 4], "WEBPVP8 ", [1, 2, 3, 4, 0, 0, 0, 0x9d, 1, 0x2a]),
  bytes("RIFF", [1, 2, 3, 4], "WEBPVP8L", [1, 2, 3, 4, 0x2f]),
  bytes("RIFF", [1, 2, 3, 4], "WEBPVP8X", [1, 2, 3, 4]),
);

test("reading them never throws, and a size is whole and above zero", () => {
  fc.assert(
    fc.property(beginnings, fc.uint8Array({ maxLength: 80 }), (beginning, rest) => {
      const { width, height } = readImageHeader(Buffer.concat([beginning, rest])) ?? { width: 1, height: 1 };

      expect(Number.isInteger(width) && width > 0 && Number.isInteger(height) && height > 0).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test("random bytes are no image", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 30, maxLength: 200 }), (random) => {
      expect(readImageHeader(Uint8Array.of(0x2a, ...random))).toBeUndefined();
    }),
    { numRuns: 200 },
  );
});
