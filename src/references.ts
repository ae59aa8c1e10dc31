import { REFERENCE_MAX_BYTES } from "./constants.ts";
import { ServerError } from "./errors.ts";

const IMAGE_DATA_URL = /^data:image\/(?:jpeg|png|webp);base64,/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const ALLOWED =
  "Allowed: an https:// URL, or a data:image/jpeg, data:image/png or data:image/webp URL in base64 of less than 10 MB.";

/** A subject reference that MiniMax would not take. Nothing has been sent. */
export class ReferenceError extends ServerError {
  override readonly name = "ReferenceError";
}

/**
 * Checks one `image_file`.
 *
 * @param position - its place in `subject_reference`, counted from 0, for the message
 * @returns what goes to MiniMax
 * @throws ReferenceError when it is neither an https URL nor an image data URL
 */
export function resolveReference(imageFile: string, position: number): string {
  if (isHttpsUrl(imageFile)) return imageFile;
  const prefix = IMAGE_DATA_URL.exec(imageFile)?.[0];
  if (prefix === undefined) throw refused(position, "is neither an https:// URL nor an image data URL");
  const encoded = imageFile.slice(prefix.length);
  if (encoded.length % 4 !== 0 || !BASE64.test(encoded))
    throw refused(position, "is a data URL whose base64 is not valid");
  if ((encoded.length / 4) * 3 >= REFERENCE_MAX_BYTES) throw refused(position, "holds 10 MB or more");
  return imageFile;
}

function isHttpsUrl(text: string): boolean {
  return /^https:\/\//i.test(text) && URL.canParse(text);
}

function refused(position: number, why: string): ReferenceError {
  return new ReferenceError(`subject_reference[${String(position)}].image_file ${why}.`, {
    recovery: `No request was made. ${ALLOWED}`,
  });
}
