import { type FileHandle, open } from "node:fs/promises";
import nodePath from "node:path";
import { ImageError } from "../errors.ts";
import type { SavedImage } from "../schemas.ts";
import { messageOf, systemCode } from "../text.ts";
import { claimName, isNameTaken } from "./claim-name.ts";
import type { IsTaken } from "./file-names.ts";
import { ImageEnd } from "./image-end.ts";
import { type ImageHeader, readImageHeader } from "./image-header.ts";
import { removeFile, temporaryPath } from "./temporary-file.ts";

/** Where one image goes. */
export interface Destination {
  /** Absolute; exists. */
  readonly directory: string;
  /** A file name without its extension; called again when that one turns out to be taken. */
  readonly nextBaseName: (isTaken: IsTaken) => string | Promise<string>;
}

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
 * @throws ImageError when the bytes are no image or cannot be written; the source's own error; the signal's reason on
 *   abort. Then the temporary file is gone
 */
export async function writeImage(
  source: AsyncIterable<Uint8Array>,
  directory: string,
  signal: AbortSignal,
): Promise<WrittenImage> {
  signal.throwIfAborted();
  const temporary = temporaryPath(directory);
  const remove = (): Promise<void> => removeFile(temporary).catch(() => undefined);
  try {
    const { bytes, header, isTruncated } = await write(temporary, source, directory, signal);
    if (header === undefined) throw new ImageError("What MiniMax delivered is not a JPEG, PNG or WebP image.");
    return { temporary, header, bytes, isTruncated, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/**
 * Gives a written image its name. A file that exists is never replaced.
 *
 * @throws ImageError when that cannot be done; the signal's reason on abort
 */
export async function publishImage(
  { temporary, header, bytes }: WrittenImage,
  destination: Destination,
  signal: AbortSignal,
): Promise<SavedImage> {
  signal.throwIfAborted();
  const path = await publish(temporary, destination, header, signal);
  return { path, width: header.width, height: header.height, bytes, mime_type: header.mimeType };
}

/**
 * Runs an operation on the disk, whose failures are told from those of the source.
 *
 * @throws ImageError in place of whatever the operation throws
 */
async function onDisk<T>(directory: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    const reason = describe(systemCode(error) ?? messageOf(error));
    throw new ImageError(`The image could not be written to ${directory} (${reason}).`, { cause: error });
  }
}

async function write(
  path: string,
  source: AsyncIterable<Uint8Array>,
  directory: string,
  signal: AbortSignal,
): Promise<{ bytes: number; header: ImageHeader | undefined; isTruncated: boolean }> {
  const file = await onDisk(directory, () => open(path, "wx+"));
  const end = new ImageEnd();
  let bytes = 0;
  let header: ImageHeader | undefined;
  try {
    for await (const chunk of source) {
      signal.throwIfAborted();
      if (bytes === 0) header = readImageHeader(chunk);
      await onDisk(directory, () => file.writeFile(chunk));
      bytes += chunk.byteLength;
      end.add(chunk);
    }
    header ??= await onDisk(directory, () => headerOf(file, bytes));
    return { bytes, header, isTruncated: end.isMissing };
  } finally {
    await onDisk(directory, () => file.close());
  }
}

/**
 * Nearly every header lies in the first piece; only small pieces, or a JPEG with much metadata, need this look at what
 * was written.
 */
async function headerOf(file: FileHandle, bytes: number): Promise<ImageHeader | undefined> {
  const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(bytes), 0, bytes, 0);
  return readImageHeader(buffer.subarray(0, bytesRead));
}

/** Gives the finished file the first name that is free. */
async function publish(
  temporary: string,
  { directory, nextBaseName }: Destination,
  { extension }: ImageHeader,
  signal: AbortSignal,
): Promise<string> {
  const pathOf = (baseName: string): string => nodePath.join(directory, `${baseName}.${extension}`);
  const isTaken = (baseName: string): Promise<boolean> => {
    signal.throwIfAborted();
    return isNameTaken(pathOf(baseName));
  };
  for (;;) {
    signal.throwIfAborted();
    const path = pathOf(await nextBaseName(isTaken));
    if (await onDisk(directory, () => claimName(temporary, path))) return path;
  }
}

function describe(code: string): string {
  if (code === "ENOSPC") return "the disk is full, ENOSPC";
  if (code === "EROFS") return "the filesystem is read-only, EROFS";
  return code;
}
