import { type FileHandle, open } from "node:fs/promises";
import nodePath from "node:path";
import { ImageError } from "../errors.ts";
import type { SavedImage } from "../schemas.ts";
import { messageOf, systemCode } from "../text/text.ts";
import { endsEarly, type ImageHeader, readImageHeader } from "./image-header.ts";
import { claimName, removeFile, temporaryPath } from "./temporary-file.ts";

const TAIL_BYTES = 4096;

/** An image in a temporary file, which is gone once this is disposed of. */
export interface WrittenImage extends AsyncDisposable {
  readonly temporary: string;
  readonly header: ImageHeader;
  readonly bytes: number;
  /** Whether the bytes end before the image does. */
  readonly isTruncated: boolean;
}

/**
 * Streams one image into a temporary file of the directory.
 *
 * @param makeFile - makes and opens the file
 * @throws ImageError when the bytes are no image or cannot be written; the source's own error; the signal's reason on
 *   abort. Then the temporary file is gone
 */
export async function writeImage(
  source: AsyncIterable<Uint8Array>,
  directory: string,
  signal: AbortSignal,
  makeFile: typeof open = open,
): Promise<WrittenImage> {
  signal.throwIfAborted();
  const temporary = temporaryPath(directory);
  const remove = (): Promise<void> => removeFile(temporary).catch(() => undefined);
  try {
    const file = await onDisk(directory, () => makeFile(temporary, "wx+"));
    const { bytes, header, isTruncated } = await write(file, source, directory, signal);
    if (header === undefined) throw new ImageError("What MiniMax delivered is not a JPEG, PNG or WebP image.");
    return { temporary, header, bytes, isTruncated, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/**
 * Gives a written image the first name that is free. A file that exists is never replaced.
 *
 * @param directory - where it was written
 * @param baseNames - names without extension, as many as may be needed
 * @throws ImageError when that cannot be done; the signal's reason on abort
 */
export async function publishImage(
  { temporary, header, bytes }: WrittenImage,
  { directory, baseNames, signal }: { directory: string; baseNames: Iterable<string>; signal: AbortSignal },
): Promise<SavedImage> {
  for (const baseName of baseNames) {
    signal.throwIfAborted();
    const path = nodePath.join(directory, `${baseName}.${header.extension}`);
    if (await onDisk(directory, () => claimName(temporary, path))) {
      return { path, width: header.width, height: header.height, bytes, mime_type: header.mimeType };
    }
  }
  throw new ImageError("There is no name left for the image.");
}

/** Runs an operation on the disk, and turns its failure into one of the image, apart from those of the source. */
async function onDisk<T>(directory: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    const code = systemCode(error) ?? messageOf(error);
    throw new ImageError(`The image could not be written to ${directory} (${describe(code)}).`, {
      retryAfterMs: code === "EMFILE" ? 0 : undefined,
      cause: error,
    });
  }
}

async function write(
  file: FileHandle,
  source: AsyncIterable<Uint8Array>,
  directory: string,
  signal: AbortSignal,
): Promise<{ bytes: number; header: ImageHeader | undefined; isTruncated: boolean }> {
  let bytes = 0;
  let head: Uint8Array = new Uint8Array();
  let tail = Buffer.alloc(0);
  try {
    for await (const chunk of source) {
      signal.throwIfAborted();
      if (bytes === 0) head = chunk;
      await onDisk(directory, () => file.writeFile(chunk));
      bytes += chunk.byteLength;
      tail = Buffer.concat([tail, chunk.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES);
    }
    if (readImageHeader(head) === undefined) head = await onDisk(directory, () => wholeOf(file, bytes));
    const header = readImageHeader(head);
    return { bytes, header, isTruncated: header !== undefined && endsEarly(header, { head, tail, bytes }) };
  } finally {
    await onDisk(directory, () => file.close());
  }
}

/** Nearly every header lies in the first piece; only small pieces, or a JPEG with much metadata, need this. */
async function wholeOf(file: FileHandle, bytes: number): Promise<Uint8Array> {
  const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(bytes), 0, bytes, 0);
  return buffer.subarray(0, bytesRead);
}

function describe(code: string): string {
  if (code === "ENOSPC") return "the disk is full, ENOSPC";
  if (code === "EROFS") return "the filesystem is read-only, EROFS";
  return code;
}
