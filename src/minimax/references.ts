import { REFERENCE_MAX_BYTES } from "../constants.ts";
import { SubjectReferenceError } from "../errors.ts";
import { truncate } from "../text.ts";
import type { LocalImage } from "../utils/reference-file.ts";
import { unsupportedImageKind, wordsForUnsupported } from "../utils/unsupported-image.ts";

const IMAGE_DATA_URL = /^data:image\/(jpeg|jpg|pjpeg|png|webp);base64,/i;
const DATA_URL_KIND = /^data:image\/(hei[cf]|avif|gif|tiff|bmp|svg)/i;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const SCHEME = /^[a-z][a-z0-9+.-]+:/i;
const QUOTED_CHARACTERS = 60;
const LEADING_CHARACTERS = 400;

/**
 * Reads a local image that may be read and has less than `REFERENCE_MAX_BYTES`; `name` is how the parameter is called
 * in messages.
 *
 * @throws SubjectReferenceError for anything else
 */
export type ReadReference = (imageFile: string, name: string) => Promise<LocalImage>;

/**
 * Turns one `image_file` into what MiniMax takes.
 *
 * @param name - how the parameter is called in messages
 * @returns the https URL as it was given, or a data URL
 * @throws SubjectReferenceError for anything else, and what `read` throws
 */
export async function resolveReference(imageFile: string, name: string, read: ReadReference): Promise<string> {
  if (/^https:\/\//i.test(imageFile) && URL.canParse(imageFile)) return imageFile;
  if (/^data:/i.test(imageFile)) return checkedDataUrl(imageFile, name);
  if (SCHEME.test(imageFile) && !/^file:/i.test(imageFile)) {
    throw new SubjectReferenceError(
      `${name}: "${truncate(imageFile, QUOTED_CHARACTERS)}" is not an https:// URL, an image data URL or a file.`,
    );
  }
  const { bytes, header } = await read(imageFile, name);
  return `data:${header.mimeType};base64,${Buffer.from(bytes).toString("base64")}`;
}

/** The data URL by the name that MiniMax knows: some programs write `image/jpg`. */
function checkedDataUrl(imageFile: string, name: string): string {
  const [prefix, kind = ""] = IMAGE_DATA_URL.exec(imageFile) ?? [];
  if (prefix === undefined) {
    const [, other] = DATA_URL_KIND.exec(imageFile) ?? [];
    throw new SubjectReferenceError(
      other === undefined
        ? `${name}: the data URL is not a JPEG, PNG or WebP image in base64.`
        : `${name}: the data URL is ${wordsForUnsupported(other.toUpperCase())}.`,
    );
  }
  const encodedLength = imageFile.length - prefix.length;
  if ((encodedLength / 4) * 3 >= REFERENCE_MAX_BYTES) {
    throw new SubjectReferenceError(`${name}: the data URL holds 10 MB or more.`);
  }
  const encoded = imageFile.slice(prefix.length);
  if (encoded.length % 4 !== 0 || !BASE64.test(encoded)) {
    throw new SubjectReferenceError(`${name}: the data URL's base64 is not valid.`);
  }
  const unsupported = unsupportedImageKind(Buffer.from(encoded.slice(0, LEADING_CHARACTERS), "base64"));
  if (unsupported !== undefined) {
    throw new SubjectReferenceError(`${name}: the data URL is ${wordsForUnsupported(unsupported)}.`);
  }
  return `data:image/${kind.toLowerCase().replace(/^p?jpe?g$/, "jpeg")};base64,${encoded}`;
}
