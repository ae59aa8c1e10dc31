import type { FileHandle } from "node:fs/promises";
import type { PlatformPath } from "node:path";
import { fileURLToPath } from "node:url";
import { SubjectReferenceError } from "../errors.ts";
import { expandHome, isOnForeignShare } from "../text/paths.ts";
import { messageOf, systemCode, truncate } from "../text/text.ts";
import type { Places } from "./base-directory.ts";
import { type ImageHeader, readImageHeader } from "./image-header.ts";
import { isInsideAny, openInside } from "./open-inside.ts";
import { PLATFORM, type Platform, realPathOf } from "./real-path.ts";
import { similarName } from "./similar-name.ts";

/** An image file, whole. */
export interface LocalImage {
  readonly bytes: Uint8Array;
  readonly header: ImageHeader;
}

/** The image that is asked for. */
export interface WantedImage {
  /** An absolute path, a `file://` URL, a path below `~`, or a path relative to the base. */
  readonly path: string;
  /** The parameter's name in messages. */
  readonly name: string;
  /** The smallest size that is refused, in bytes. */
  readonly limitBytes: number;
}

/**
 * Reads a local image that may be read: the one guard of local files.
 *
 * @throws SubjectReferenceError unless it is a regular file below the limit, inside an allowed directory after
 *   resolving symlinks, also when it is swapped for one meanwhile, and a JPEG, PNG or WebP by its leading bytes
 */
export async function readLocalImage(
  wanted: WantedImage,
  { base, referenceDirectories, homeDirectory }: Pick<Places, "base" | "referenceDirectories" | "homeDirectory">,
  platform: Platform = PLATFORM,
): Promise<LocalImage> {
  const { path } = platform;
  const expanded = expandHome(localPath(wanted, path), homeDirectory, path);
  if (expanded === undefined) throw refused(wanted, "begins with ~, and this user has no home directory");
  const target = { ...wanted, path: path.resolve(base, expanded) };
  const bytes = await readAllowed(target, [base, ...referenceDirectories], platform);
  const header = readImageHeader(bytes);
  if (header !== undefined) return { bytes, header };
  throw refused(wanted, `${truncate(target.path)} is not a JPEG, PNG or WebP image: convert it to one of these`);
}

function localPath(wanted: WantedImage, path: PlatformPath): string {
  if (wanted.path.includes("\0")) throw refused(wanted, "contains a NUL character");
  if (!/^file:/i.test(wanted.path)) return wanted.path;
  try {
    return fileURLToPath(wanted.path, { windows: path.sep === "\\" });
  } catch {
    throw refused(wanted, `${truncate(wanted.path)} is not a local file URL`);
  }
}

/** Outside the allowed directories, the refusal does not tell whether there is a file. */
async function readAllowed(wanted: WantedImage, allowed: readonly string[], platform: Platform): Promise<Uint8Array> {
  const { path } = wanted;
  const outside = refused(
    wanted,
    `${truncate(path)} is outside the directories that may be read (${truncate(allowed.join(", "))})`,
  );
  if (await leadsToForeignShare(path, allowed, platform)) throw outside;
  try {
    const file = await openMeant(path, allowed);
    if (file === undefined) throw outside;
    try {
      return await readWhole(file, wanted);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof SubjectReferenceError) throw error;
    if (!(await wouldBeInside(path, allowed, platform))) throw outside;
    throw refused(wanted, `${truncate(path)} cannot be read (${systemCode(error) ?? messageOf(error)})`);
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

/** Judged by the words; only the allowed directories are looked at, because a drive may be mapped to a share. */
async function leadsToForeignShare(
  target: string,
  allowed: readonly string[],
  { path, realpath }: Platform,
): Promise<boolean> {
  if (!isOnForeignShare(target, allowed, path)) return false;
  const real = await Promise.all(allowed.map((directory) => realpath(directory).catch(() => directory)));
  return isOnForeignShare(target, real, path);
}

/** Whether a file that cannot be read lies inside, or would; a link that leads nowhere leads out. */
async function wouldBeInside(target: string, allowed: readonly string[], platform: Platform): Promise<boolean> {
  const real = await realPathOf(target, platform).catch((error: unknown) =>
    systemCode(error) === "ENOENT" ? undefined : target,
  );
  return real !== undefined && isInsideAny(real, allowed, platform);
}

/** Asks the open file for its kind and size, so that it cannot be replaced in between. */
async function readWhole(file: FileHandle, wanted: WantedImage): Promise<Uint8Array> {
  const { path, limitBytes } = wanted;
  const status = await file.stat();
  if (!status.isFile()) throw refused(wanted, `${truncate(path)} is not a regular file`);
  if (status.size >= limitBytes) throw refused(wanted, `${truncate(path)} is ${limitBytes / 1_000_000} MB or larger`);
  const { buffer, bytesRead } = await file.read(new Uint8Array(status.size));
  return buffer.subarray(0, bytesRead);
}

function refused({ name }: WantedImage, why: string): SubjectReferenceError {
  return new SubjectReferenceError(`${name}: ${why}.`);
}
