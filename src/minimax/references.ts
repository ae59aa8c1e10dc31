import { REFERENCE_MAX_BYTES } from "../constants.ts";
import { SubjectReferenceError } from "../errors.ts";
import { truncate } from "../text/text.ts";
import { readImageHeader } from "../utils/image-header.ts";
import type { LocalImage, WantedImage } from "../utils/local-image.ts";

const IMAGE_DATA_URL = /^data:image\/(?:jpeg|jpg|pjpeg|png|webp);base64,/i;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const SCHEME = /^[a-z][a-z0-9+.-]+:/i;
const QUOTED_CHARACTERS = 60;

/** Reads a local image that may be read. @throws SubjectReferenceError when it may not or cannot be */
export type ReadReference = (wanted: WantedImage) => Promise<LocalImage>;

/**
 * Turns one `image_file` into the form that MiniMax takes.
 *
 * @param name - the parameter's name in messages
 * @returns the https URL as it was given, or a data URL
 * @throws SubjectReferenceError for anything else; the errors of `read`
 */
export async function resolveReference(imageFile: string, name: string, read: ReadReference): Promise<string> {
  if (/^https:\/\//i.test(imageFile) && URL.canParse(imageFile)) return imageFile;
  if (/^data:/i.test(imageFile)) return checkedDataUrl(imageFile, name);
  if (SCHEME.test(imageFile) && !/^file:/i.test(imageFile)) {
    throw new SubjectReferenceError(
      `${name}: "${truncate(imageFile, QUOTED_CHARACTERS)}" is not an https:// URL, an image data URL or a file.`,
    );
  }
  const { bytes, header } = await read({ path: imageFile, name, limitBytes: REFERENCE_MAX_BYTES });
  return `data:${header.mimeType};base64,${Buffer.from(bytes).toString("base64")}`;
}

/** The data URL by the type that its bytes have: some programs write `image/jpg`. */
function checkedDataUrl(imageFile: string, name: string): string {
  const prefix = IMAGE_DATA_URL.exec(imageFile)?.[0];
  if (prefix === undefined) throw notAnImage(name);
  const encodedLength = imageFile.length - prefix.length;
  if ((encodedLength / 4) * 3 >= REFERENCE_MAX_BYTES) {
    throw new SubjectReferenceError(`${name}: the data URL holds 10 MB or more.`);
  }
  const encoded = imageFile.slice(prefix.length);
  if (encoded.length % 4 !== 0 || !BASE64.test(encoded)) {
    throw new SubjectReferenceError(`${name}: the data URL's base64 is not valid.`);
  }
  const header = readImageHeader(Buffer.from(encoded, "base64"));
  if (header === undefined) throw notAnImage(name);
  return `data:${header.mimeType};base64,${encoded}`;
}

function notAnImage(name: string): SubjectReferenceError {
  return new SubjectReferenceError(
    `${name}: the data URL is not a JPEG, PNG or WebP image in base64: convert it to one of these.`,
  );
}
