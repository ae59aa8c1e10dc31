import { constants, open, realpath } from "node:fs/promises";
import nodePath from "node:path";
import { fileURLToPath } from "node:url";
import { REFERENCE_MAX_BYTES } from "../constants.ts";
import { SubjectReferenceError } from "../errors.ts";
import { messageOf, systemCode, truncate } from "../text.ts";
import { readImageHeader } from "./image-header.ts";
import { expandHome, isInside } from "./paths.ts";

/** Where local reference images may be read. All paths are absolute. */
export interface ReferencePlaces {
  /** Relative paths start here, and it may be read. */
  readonly base: string;
  /** What else may be read. */
  readonly directories: readonly string[];
  readonly homeDirectory: string;
}

/**
 * Reads a local image and makes a data URL of it.
 *
 * @param imageFile - an absolute path, a `file://` URL, a path below `~`, or a path relative to the base
 * @param name - how the parameter is called in messages
 * @throws SubjectReferenceError unless it is a regular file of less than 10 MB, inside an allowed directory after
 *   resolving symlinks, and a JPEG, PNG or WebP by its leading bytes
 */
export async function readReferenceFile(imageFile: string, name: string, places: ReferencePlaces): Promise<string> {
  const path = await allowedPath(imageFile, name, places);
  const bytes = await readWhole(path, name);
  const header = readImageHeader(bytes);
  if (header === undefined) throw refused(name, `${truncate(path)} is not a JPEG, PNG or WebP image`);
  return `data:${header.mimeType};base64,${Buffer.from(bytes).toString("base64")}`;
}

async function allowedPath(
  imageFile: string,
  name: string,
  { base, directories, homeDirectory }: ReferencePlaces,
): Promise<string> {
  const path = nodePath.resolve(base, expandHome(localPath(imageFile, name), homeDirectory));
  const allowed = [base, ...directories];
  const outside = refused(
    name,
    `${truncate(path)} is outside the directories that may be read (${truncate(allowed.join(", "))})`,
  );
  const real = await realpath(path).catch((error: unknown) => {
    if (!allowed.some((directory) => isInside(directory, path))) throw outside;
    throw refused(name, `${truncate(path)} cannot be read (${systemCode(error) ?? messageOf(error)})`);
  });
  const realDirectories = await Promise.all(allowed.map((directory) => realpath(directory).catch(() => directory)));
  if (!realDirectories.some((directory) => isInside(directory, real))) throw outside;
  return real;
}

function localPath(imageFile: string, name: string): string {
  if (imageFile.includes("\0")) throw refused(name, "holds a NUL character");
  if (!/^file:/i.test(imageFile)) return imageFile;
  try {
    return fileURLToPath(imageFile);
  } catch {
    throw refused(name, `${truncate(imageFile)} is not a local file URL`);
  }
}

/**
 * Opens first, without waiting for the other end of a pipe, and asks the open file, so that nothing can be put in its
 * place in between.
 */
async function readWhole(path: string, name: string): Promise<Uint8Array> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const status = await file.stat();
      if (!status.isFile()) throw refused(name, `${truncate(path)} is not a regular file`);
      if (status.size >= REFERENCE_MAX_BYTES) throw refused(name, `${truncate(path)} is 10 MB or larger`);
      const { buffer, bytesRead } = await file.read(new Uint8Array(status.size));
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof SubjectReferenceError) throw error;
    throw refused(name, `${truncate(path)} cannot be read (${systemCode(error) ?? messageOf(error)})`);
  }
}

function refused(name: string, why: string): SubjectReferenceError {
  return new SubjectReferenceError(`${name}: ${why}.`);
}
