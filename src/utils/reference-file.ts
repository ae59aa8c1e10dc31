import type { FileHandle } from "node:fs/promises";
import type { PlatformPath } from "node:path";
import { fileURLToPath } from "node:url";
import { SubjectReferenceError } from "../errors.ts";
import { messageOf, systemCode, truncate } from "../text.ts";
import { type ImageHeader, readImageHeader } from "./image-header.ts";
import { openInside } from "./open-inside.ts";
import { expandHome, isInside, isOnForeignShare } from "./paths.ts";
import { PLATFORM, type Platform, realPathOf } from "./real-path.ts";
import { similarName } from "./similar-name.ts";
import { unsupportedImageKind, wordsForUnsupported } from "./unsupported-image.ts";

/** Where local reference images may be read. All paths are absolute. */
export interface ReferencePlaces {
  /** Relative paths start here, and it may be read. */
  readonly base: string;
  /** What else may be read. */
  readonly directories: readonly string[];
  readonly homeDirectory: string | undefined;
}

/** An image file, whole. */
export interface LocalImage {
  readonly bytes: Uint8Array;
  readonly header: ImageHeader;
}

/**
 * Reads a local image that may be read: the one guard of local files.
 *
 * @param imageFile - an absolute path, a `file://` URL, a path below `~`, or a path relative to the base
 * @param name - how the parameter is called in messages
 * @param limitBytes - the smallest size that is refused, in whole MB
 * @throws SubjectReferenceError unless it is a regular file below that limit, inside an allowed directory after
 *   resolving symlinks, also when it is swapped for one meanwhile, and a JPEG, PNG or WebP by its leading bytes
 */
export async function readLocalImage(
  imageFile: string,
  name: string,
  places: ReferencePlaces,
  limitBytes: number,
  platform: Platform = PLATFORM,
): Promise<LocalImage> {
  const { path } = platform;
  const expanded = expandHome(localPath(imageFile, name, path), places.homeDirectory, path);
  if (expanded === undefined) throw refused(name, "begins with ~, and this user has no home directory");
  const target = path.resolve(places.base, expanded);
  const bytes = await readAllowed(target, name, [places.base, ...places.directories], limitBytes, platform);
  const header = readImageHeader(bytes);
  if (header === undefined) {
    const kind = unsupportedImageKind(bytes);
    throw refused(
      name,
      `${truncate(target)} is ${kind === undefined ? "not a JPEG, PNG or WebP image" : wordsForUnsupported(kind)}`,
    );
  }
  return { bytes, header };
}

function localPath(imageFile: string, name: string, path: PlatformPath): string {
  if (imageFile.includes("\0")) throw refused(name, "contains a NUL character");
  if (!/^file:/i.test(imageFile)) return imageFile;
  try {
    return fileURLToPath(imageFile, { windows: path.sep === "\\" });
  } catch {
    throw refused(name, `${truncate(imageFile)} is not a local file URL`);
  }
}

/** Nobody learns whether a file outside the allowed directories is there. */
async function readAllowed(
  path: string,
  name: string,
  allowed: readonly string[],
  limitBytes: number,
  platform: Platform,
): Promise<Uint8Array> {
  const outside = refused(
    name,
    `${truncate(path)} is outside the directories that may be read (${truncate(allowed.join(", "))})`,
  );
  if (await leadsToForeignShare(path, allowed, platform)) throw outside;
  try {
    const file = await openMeant(path, allowed);
    if (file === undefined) throw outside;
    try {
      return await readWhole(file, path, name, limitBytes);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof SubjectReferenceError) throw error;
    if (!(await wouldBeInside(path, allowed, platform))) throw outside;
    throw refused(name, `${truncate(path)} cannot be read (${systemCode(error) ?? messageOf(error)})`);
  }
}

/** The file of that name; where there is none, the one file beside it whose name differs only in how it is encoded. */
async function openMeant(path: string, allowed: readonly string[]): Promise<FileHandle | undefined> {
  try {
    return await openInside(path, allowed);
  } catch (error) {
    const similar = systemCode(error) === "ENOENT" ? await similarName(path, allowed) : undefined;
    if (similar === undefined) throw error;
    return openInside(similar, allowed);
  }
}

/** Judged by the words; only the allowed directories are looked at, because a drive may stand for a share. */
async function leadsToForeignShare(target: string, allowed: readonly string[], platform: Platform): Promise<boolean> {
  if (!isOnForeignShare(target, allowed, platform.path)) return false;
  return isOnForeignShare(target, await realPathsOf(allowed, platform), platform.path);
}

/** Where a file that cannot be read lies, or would lie. */
async function wouldBeInside(target: string, allowed: readonly string[], platform: Platform): Promise<boolean> {
  if (allowed.some((directory) => isInside(directory, target, platform.path))) return true;
  const real = await realPathOf(target, platform).catch(() => undefined);
  if (real === undefined) return false;
  const directories = await realPathsOf(allowed, platform);
  return directories.some((directory) => isInside(directory, real.path, platform.path));
}

function realPathsOf(directories: readonly string[], { realpath }: Platform): Promise<string[]> {
  return Promise.all(directories.map((directory) => realpath(directory).catch(() => directory)));
}

/** Asks the open file what it is, so that nothing can be put in its place in between. */
async function readWhole(file: FileHandle, path: string, name: string, limitBytes: number): Promise<Uint8Array> {
  const status = await file.stat();
  if (!status.isFile()) throw refused(name, `${truncate(path)} is not a regular file`);
  if (status.size >= limitBytes) throw refused(name, `${truncate(path)} is ${limitBytes / 1_000_000} MB or larger`);
  const { buffer, bytesRead } = await file.read(new Uint8Array(status.size));
  return buffer.subarray(0, bytesRead);
}

function refused(name: string, why: string): SubjectReferenceError {
  return new SubjectReferenceError(`${name}: ${why}.`);
}
