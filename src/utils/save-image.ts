import { randomUUID } from "node:crypto";
import { type FileHandle, link, open, rename, rm } from "node:fs/promises";
import nodePath from "node:path";
import { ImageError } from "../errors.ts";
import type { SavedImage } from "../schemas.ts";
import { systemCode } from "../text.ts";
import { type ImageHeader, readImageHeader } from "./image-header.ts";

const HEAD_BYTES = [64 * 1024, 1024 * 1024];
const NO_HARD_LINKS: ReadonlySet<string> = new Set(["EPERM", "ENOTSUP", "ENOSYS", "EOPNOTSUPP", "EMLINK", "EACCES"]);

/** Where one image goes. */
export interface Destination {
  /** Absolute; exists. */
  readonly directory: string;
  /** A file name without its ending; called again with each name that is taken. */
  readonly nextStem: () => string;
}

/**
 * Writes one image. It streams into a temporary file beside its destination and gets its name only when it is whole and is an image;
 * a file that exists is never replaced. Whatever happens, the temporary file is gone afterwards.
 *
 * @throws ImageError when the bytes are no image or cannot be written; the source's own error; the signal's reason on abort
 */
export async function saveImage(
  source: AsyncIterable<Uint8Array>,
  { directory, nextStem }: Destination,
  signal: AbortSignal,
): Promise<SavedImage> {
  const temporary = nodePath.join(directory, `.${randomUUID()}.tmp`);
  try {
    const { bytes, header } = await write(temporary, source, signal);
    if (header === undefined) throw new ImageError("What MiniMax delivered is not a JPEG, PNG or WebP image.");
    signal.throwIfAborted();
    const path = await publish(temporary, directory, nextStem, header);
    return { path, width: header.width, height: header.height, bytes, mime_type: header.mimeType };
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined || error instanceof ImageError || signal.aborted) throw error;
    throw new ImageError(`The image could not be written to ${directory} (${describe(code)}).`, {}, { cause: error });
  } finally {
    await rm(temporary, { force: true });
  }
}

async function write(
  path: string,
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<{ bytes: number; header: ImageHeader | undefined }> {
  const file = await open(path, "wx+");
  try {
    for await (const chunk of source) {
      signal.throwIfAborted();
      await file.writeFile(chunk);
    }
    const { size } = await file.stat();
    return { bytes: size, header: await headerOf(file, size) };
  } finally {
    await file.close();
  }
}

/** Nearly every header lies in the first piece; only a JPEG with much metadata needs the second look. */
async function headerOf(file: FileHandle, size: number): Promise<ImageHeader | undefined> {
  for (const length of HEAD_BYTES) {
    const { buffer, bytesRead } = await file.read(new Uint8Array(Math.min(size, length)), 0, null, 0);
    const header = readImageHeader(buffer.subarray(0, bytesRead));
    if (header !== undefined || size <= length) return header;
  }
  return undefined;
}

/** Gives the finished file its name in one step that fails when the name is taken. */
async function publish(
  temporary: string,
  directory: string,
  nextStem: () => string,
  { extension }: ImageHeader,
): Promise<string> {
  for (;;) {
    const path = nodePath.join(directory, `${nextStem()}.${extension}`);
    try {
      await claim(temporary, path);
      return path;
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw error;
    }
  }
}

/** A hard link is atomic. Where the filesystem has none (FAT, some network shares), the name is reserved by an empty file of our own, which the finished one then replaces. */
async function claim(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    if (!NO_HARD_LINKS.has(systemCode(error) ?? "")) throw error;
    await (await open(path, "wx")).close();
    try {
      await rename(temporary, path);
    } catch (failure) {
      await rm(path, { force: true });
      throw failure;
    }
  }
}

function describe(code: string): string {
  if (code === "ENOSPC") return "the disk is full, ENOSPC";
  if (code === "EROFS") return "the filesystem is read-only, EROFS";
  return code;
}
