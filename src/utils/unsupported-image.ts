const HEADER_BYTES = 512;

/** Leading bytes, as Latin-1 text, of kinds of images that MiniMax does not take. */
const KINDS: readonly (readonly [RegExp, string])[] = [
  [/^.{4}ftyp(?:avif|avis)/s, "AVIF"],
  [/^.{4}ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)/s, "HEIC"],
  [/^GIF8[79]a/, "GIF"],
  [/^(?:II\*\0|MM\0\*)/, "TIFF"],
  [/^BM.{4}\0{4}/s, "BMP"],
  [/^(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<svg[\s>]/i, "SVG"],
];

/** What a file is that is no JPEG, PNG or WebP image, by its leading bytes; undefined for what is not known here. */
export function unsupportedImageKind(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.subarray(0, HEADER_BYTES)).toString("latin1");
  const kind = KINDS.find(([pattern]) => pattern.test(head))?.[1];
  return kind === "HEIC" && head.slice(16, 64).includes("avif") ? "AVIF" : kind;
}

/** Says what an image is and what to make of it, as a sentence's end: `a HEIC image, …`. */
export function wordsForUnsupported(kind: string): string {
  return `${/^(?:AVIF|SVG)/.test(kind) ? "an" : "a"} ${kind} image, which MiniMax does not accept: convert it to JPEG or PNG`;
}
