import { REFERENCE_MAX_BYTES } from "../constants.ts";
import { SubjectReferenceError } from "../errors.ts";
import { truncate } from "../text.ts";
import { readReferenceFile, type ReferencePlaces } from "../utils/reference-file.ts";

const IMAGE_DATA_URL = /^data:image\/(?:jpeg|png|webp);base64,/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const SCHEME = /^[a-z][a-z0-9+.-]+:/i;
const QUOTED_CHARACTERS = 60;

/**
 * Turns one `image_file` into what MiniMax takes.
 *
 * @param name - how the parameter is called in messages
 * @returns the https or data URL as it was given, or a data URL of the local file
 * @throws SubjectReferenceError for anything else
 */
export async function resolveReference(imageFile: string, name: string, places: ReferencePlaces): Promise<string> {
  if (/^https:\/\//i.test(imageFile) && URL.canParse(imageFile)) return imageFile;
  if (/^data:/i.test(imageFile)) return checkedDataUrl(imageFile, name);
  if (SCHEME.test(imageFile) && !/^file:/i.test(imageFile)) {
    throw new SubjectReferenceError(
      `${name}: "${truncate(imageFile, QUOTED_CHARACTERS)}" is not an https:// URL, an image data URL or a file.`,
    );
  }
  return readReferenceFile(imageFile, name, places);
}

function checkedDataUrl(imageFile: string, name: string): string {
  const prefix = IMAGE_DATA_URL.exec(imageFile)?.[0];
  if (prefix === undefined) {
    throw new SubjectReferenceError(`${name}: the data URL is not a JPEG, PNG or WebP image in base64.`);
  }
  const encoded = imageFile.slice(prefix.length);
  if (encoded.length % 4 !== 0 || !BASE64.test(encoded)) {
    throw new SubjectReferenceError(`${name}: the data URL's base64 is not valid.`);
  }
  if ((encoded.length / 4) * 3 >= REFERENCE_MAX_BYTES) {
    throw new SubjectReferenceError(`${name}: the data URL holds 10 MB or more.`);
  }
  return imageFile;
}
