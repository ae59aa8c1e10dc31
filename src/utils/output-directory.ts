import { open } from "node:fs/promises";
import nodePath from "node:path";
import { OutputDirectoryError } from "../errors.ts";
import { messageOf, systemCode, truncate } from "../text.ts";
import { FILE_NAME_MAX_BYTES } from "./file-names.ts";
import type { OutputRoot } from "./output-root.ts";
import { expandHome, isInside, isOnForeignShare } from "./paths.ts";
import { exists, PLATFORM, type Platform, type RealPath, realPathOf } from "./real-path.ts";
import { removeFile, temporaryPath } from "./temporary-file.ts";
import { badDirectoryName } from "./windows-names.ts";

const CHOOSE_ANOTHER =
  "No request was made. Choose another output_dir inside the base directory, or fix the permissions or the disk.";
const SET_BASE =
  "No request was made. Set MINIMAX_OUTPUT_DIR to a directory that can be written, or fix the permissions or the disk.";

/**
 * Turns `output_dir` into a directory that exists and lies inside the base after resolving symlinks on both sides.
 * Nothing is created when the directory is refused; only where another program puts a link in its place meanwhile,
 * empty directories may stay behind the link. What can be refused by its words alone is not looked for on the disk.
 *
 * @param requested - the call's `output_dir`; absent for the default directory
 * @returns the real path
 * @throws OutputDirectoryError when the directory is outside the base or cannot be created
 */
export async function resolveOutputDirectory(
  requested: string | undefined,
  { base, defaultDirectory }: OutputRoot,
  homeDirectory: string | undefined,
  platform: Platform = PLATFORM,
): Promise<string> {
  const { path, realpath } = platform;
  const words = requested ?? defaultDirectory;
  if (words.includes("\0")) throw outside(words, base);
  const badName = requested === undefined ? undefined : badDirectoryName(requested, path);
  if (badName !== undefined) throw unusableName(words, badName);
  const expanded = expandHome(words, homeDirectory, path);
  if (expanded === undefined) throw homeless(words);
  const target = path.resolve(base, expanded);
  return refusing(target, base, async () => {
    const realBase = await realPathOf(base, platform);
    if (isOnForeignShare(target, [base, realBase.path], path)) throw outside(words, base);
    const real = target === base ? realBase : await realTarget(words, target, base, platform);
    if (!isInside(realBase.path, real.path, path)) throw outside(words, base);
    if (!real.exists) {
      await makeDirectory(real.path, platform);
      if (!isInside(await realpath(base), await realpath(real.path), path)) throw outside(words, base);
    }
    return real.path;
  });
}

/**
 * A path that does not lie in the base by its words has to be shown to lie there: a drive that is gone shows nothing.
 */
async function realTarget(words: string, target: string, base: string, platform: Platform): Promise<RealPath> {
  try {
    return await realPathOf(target, platform);
  } catch (error) {
    throw isInside(base, target, platform.path) ? error : outside(words, base);
  }
}

/**
 * Writes a file into the directory, and takes it away again. Its name is as long as an image's may be: where a short
 * name fits, a long one may not.
 *
 * @param base - the base directory, which the error's hint may have to name
 * @throws OutputDirectoryError when the directory cannot be written
 */
export async function assertWritable(directory: string, base: string): Promise<void> {
  await refusing(directory, base, () => proveWritable(directory));
}

/** Runs `operation`, and says of the directory whatever the system says of it. */
async function refusing<T>(directory: string, base: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    if (error instanceof OutputDirectoryError) throw error;
    throw new OutputDirectoryError(
      `The output directory ${truncate(directory)} cannot be written (${systemCode(error) ?? messageOf(error)}).`,
      { recovery: (await canBeWritten(base)) ? CHOOSE_ANOTHER : SET_BASE, cause: error },
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
  return new OutputDirectoryError(`output_dir "${truncate(requested)}" is outside the base directory ${base}.`, {
    recovery:
      "No request was made. Give a path inside the base directory, or leave output_dir out. The base directory is set with MINIMAX_OUTPUT_DIR.",
  });
}

function homeless(requested: string): OutputDirectoryError {
  return new OutputDirectoryError(
    `output_dir "${truncate(requested)}" begins with ~, and the user of the server has no home directory.`,
    { recovery: "No request was made. Give an absolute path, or one that is relative to the base directory." },
  );
}

function unusableName(requested: string, name: string): OutputDirectoryError {
  return new OutputDirectoryError(
    `output_dir "${truncate(requested)}" holds "${truncate(name)}", which Windows cannot use as the name of a directory.`,
    {
      recovery:
        'No request was made. Use names without < > : " | ? * and control characters, without a dot or space at the end, and not those of devices such as CON or NUL.',
    },
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
