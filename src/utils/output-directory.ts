import { open } from "node:fs/promises";
import nodePath from "node:path";
import { OutputDirectoryError } from "../errors.ts";
import { placeholdersIn } from "../text/mistakes.ts";
import { badDirectoryName, expandHome, isInside, isOnForeignShare } from "../text/paths.ts";
import { messageOf, shown, systemCode, truncate } from "../text/text.ts";
import type { Places } from "./base-directory.ts";
import { FILE_NAME_MAX_BYTES } from "./file-names.ts";
import { exists, PLATFORM, type Platform, realPathOf } from "./real-path.ts";
import { removeFile, temporaryPath } from "./temporary-file.ts";

const CHOOSE_ANOTHER = "Choose another output_dir inside the base directory, or fix the permissions or the disk.";
const SET_BASE = "Set MINIMAX_OUTPUT_DIR to a directory that can be written, or fix the permissions or the disk.";

/** The directory that a call asks for. */
interface WantedDirectory extends Pick<Places, "base" | "defaultDirectory" | "homeDirectory"> {
  /** The call's `output_dir`; undefined for the default directory. */
  readonly requested: string | undefined;
}

/**
 * Turns `output_dir` into a directory that exists and lies inside the base after resolving symlinks on both sides.
 * A directory that is refused is not created; only where another program puts a link in its place meanwhile, empty
 * directories may stay behind the link. A refusal by the words alone does not touch the disk.
 *
 * @returns the real path
 * @throws OutputDirectoryError when the directory is outside the base or cannot be created
 */
export async function resolveOutputDirectory(
  { requested, base, defaultDirectory, homeDirectory }: WantedDirectory,
  platform: Platform = PLATFORM,
): Promise<string> {
  const { path, realpath } = platform;
  const words = requested ?? defaultDirectory;
  if (words.includes("\0")) throw outside(words, base);
  const badName = badDirectoryName(requested ?? "", path);
  if (badName !== undefined) throw invalidName(words, badName);
  const expanded = expandHome(words, homeDirectory, path);
  if (expanded === undefined) throw homeless(words);
  const target = await meantTarget(path.resolve(base, expanded), platform);
  const realBase = await blamingDirectory(base, base, () => realPathOf(base, platform));
  return blamingDirectory(target, base, async () => {
    if (isOnForeignShare(target, [base, realBase], path)) throw outside(words, base);
    const found = await realpath(target).catch(() => undefined);
    const real =
      found ??
      (await realPathOf(target, platform).catch((error: unknown) => {
        throw isInside(base, target, path) ? error : outside(words, base);
      }));
    if (!isInside(realBase, real, path)) throw outside(words, base);
    if (found === undefined) {
      if (await hasPlaceholder(target, platform)) throw unfilled(words);
      await makeDirectory(real, platform);
      if (!isInside(await realpath(base), await realpath(real), path)) throw outside(words, base);
    }
    return real;
  });
}

/** Elsewhere than on Windows a model may escape a blank as a shell wants it, when no directory is spelled so. */
async function meantTarget(target: string, platform: Platform): Promise<string> {
  const escaped = /^[^]*?\\ [^/]*/.exec(target)?.[0];
  if (platform.path.sep === "\\" || escaped === undefined) return target;
  const unescape = (path: string): string => path.replaceAll("\\ ", " ");
  const isThere = (path: string): Promise<boolean> => exists(path, platform).catch(() => false);
  return !(await isThere(escaped)) && (await isThere(unescape(escaped))) ? unescape(target) : target;
}

/** Whether a name looks like a placeholder and is not on the disk. */
async function hasPlaceholder(target: string, platform: Platform): Promise<boolean> {
  for (const path of placeholdersIn(target)) if (!(await exists(path, platform))) return true;
  return false;
}

/**
 * Writes a file into the directory, and takes it away again. Its name is as long as an image's may be: where a short
 * name fits, a long one may not.
 *
 * @param base - the base directory, which the error's hint may have to name
 * @throws OutputDirectoryError when the directory cannot be written
 */
export async function assertWritable(directory: string, base: string): Promise<void> {
  await blamingDirectory(directory, base, () => proveWritable(directory));
}

/** Runs `operation`, and turns the system's errors into one about the directory. */
async function blamingDirectory<T>(directory: string, base: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    if (error instanceof OutputDirectoryError) throw error;
    throw new OutputDirectoryError(
      `The output directory ${truncate(directory)} cannot be written (${systemCode(error) ?? messageOf(error)}).`,
      (await canBeWritten(base)) ? CHOOSE_ANOTHER : SET_BASE,
      { cause: error },
    );
  }
}

/** Whether a directory, or the nearest one above it that exists, can be written. Leaves nothing behind. */
export async function canBeWritten(directory: string): Promise<boolean> {
  try {
    const parent = nodePath.dirname(directory);
    if (parent !== directory && !(await exists(directory))) return await canBeWritten(parent);
    await proveWritable(directory);
    return true;
  } catch {
    return false;
  }
}

function outside(requested: string, base: string): OutputDirectoryError {
  return new OutputDirectoryError(
    `output_dir ${shown(requested)} is outside the base directory ${base}.`,
    "Give a path inside the base directory, or leave output_dir out. The base directory is set with MINIMAX_OUTPUT_DIR.",
  );
}

function unfilled(requested: string): OutputDirectoryError {
  return new OutputDirectoryError(
    `output_dir ${shown(requested)} contains an unfilled placeholder.`,
    "Write the full path, or a path that is relative to the base directory.",
  );
}

function homeless(requested: string): OutputDirectoryError {
  return new OutputDirectoryError(
    `output_dir ${shown(requested)} begins with ~, and the user of the server has no home directory.`,
    "Give an absolute path, or one that is relative to the base directory.",
  );
}

function invalidName(requested: string, name: string): OutputDirectoryError {
  return new OutputDirectoryError(
    `output_dir ${shown(requested)} contains ${shown(name)}, which is not a valid directory name on Windows.`,
    'Use names without < > : " | ? * and control characters, without a dot or space at the end, and not those of devices such as CON or NUL.',
  );
}

/**
 * Level by level, because Node's recursive mkdir never returns where a filesystem says ENOENT below a directory that
 * exists (`/proc`).
 */
async function makeDirectory(directory: string, platform: Platform): Promise<void> {
  const parent = platform.path.dirname(directory);
  if (parent !== directory && !(await exists(parent, platform))) await makeDirectory(parent, platform);
  try {
    await platform.mkdir(directory);
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
  }
}

/** Permission bits lie (read-only mounts, full disks, Windows ACLs): only writing proves it. */
async function proveWritable(directory: string): Promise<void> {
  const probe = temporaryPath(directory, FILE_NAME_MAX_BYTES);
  const file = await open(probe, "wx");
  try {
    await file.writeFile("probe");
  } finally {
    await Promise.all([file.close(), removeFile(probe)]);
  }
}
