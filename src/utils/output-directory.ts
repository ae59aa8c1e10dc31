import { lstat, mkdir, open, realpath } from "node:fs/promises";
import nodePath from "node:path";
import { OutputDirectoryError } from "../errors.ts";
import { messageOf, systemCode, truncate } from "../text.ts";
import type { OutputRoot } from "./output-root.ts";
import { expandHome, isInside } from "./paths.ts";
import { removeFile, temporaryPath } from "./temporary-file.ts";

/**
 * Turns `output_dir` into a directory that exists and lies inside the base after resolving symlinks on both sides.
 * Nothing is created when the directory is refused; only where another program puts a link in its place meanwhile,
 * empty directories may stay behind the link.
 *
 * @param requested - the call's `output_dir`; absent for the default directory
 * @param signal - its reason takes the place of an error that comes after the abort
 * @returns the real path
 * @throws the signal's reason on abort; OutputDirectoryError when the directory is outside the base or cannot be
 *   created
 */
export async function resolveOutputDirectory(
  requested: string | undefined,
  { base, defaultDirectory }: OutputRoot,
  homeDirectory: string | undefined,
  signal?: AbortSignal,
): Promise<string> {
  const words = requested ?? defaultDirectory;
  if (words.includes("\0")) throw outside(words, base);
  const expanded = expandHome(words, homeDirectory);
  if (expanded === undefined) {
    throw new OutputDirectoryError(
      `output_dir "${truncate(words)}" begins with ~, and the user of the server has no home directory.`,
      { recovery: "No request was made. Give an absolute path, or one that is relative to the base directory." },
    );
  }
  const target = nodePath.resolve(base, expanded);
  return refusing(target, signal, async () => {
    const resolvingBase = realPathOf(base);
    const [realBase, real] = await Promise.all([resolvingBase, target === base ? resolvingBase : realPathOf(target)]);
    if (!isInside(realBase.path, real.path)) throw outside(words, base);
    if (!real.exists) {
      await makeDirectory(real.path);
      if (!isInside(await realpath(base), await realpath(real.path))) throw outside(words, base);
    }
    return real.path;
  });
}

/**
 * Writes a file into the directory, and takes it away again.
 *
 * @param signal - once it aborts, nothing more is written, not even to prove that it can be
 * @throws the signal's reason on abort; OutputDirectoryError when the directory cannot be written
 */
export async function assertWritable(directory: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await refusing(directory, signal, () => proveWritable(directory));
}

/** Runs `operation`, and says of the directory whatever the system says of it. */
async function refusing<T>(
  directory: string,
  signal: AbortSignal | undefined,
  operation: () => Promise<T>,
): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof OutputDirectoryError) throw error;
    throw new OutputDirectoryError(
      `The output directory ${truncate(directory)} cannot be written (${systemCode(error) ?? messageOf(error)}).`,
      {
        recovery:
          "No request was made. Choose another output_dir inside the base directory, or fix the permissions or the disk.",
        cause: error,
      },
    );
  }
}

/** Whether a directory, or the nearest one above it that exists, can be written. Leaves nothing behind. */
export async function canBeWritten(directory: string): Promise<boolean> {
  try {
    if (!(await exists(directory))) return await canBeWritten(nodePath.dirname(directory));
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

/**
 * Resolves the links of the part of a path that exists, and appends the rest. A link that leads nowhere is an error.
 */
async function realPathOf(path: string): Promise<{ path: string; exists: boolean }> {
  try {
    return { path: await realpath(path), exists: true };
  } catch (error) {
    const parent = nodePath.dirname(path);
    if (systemCode(error) !== "ENOENT" || parent === path || (await exists(path))) throw error;
    return { path: nodePath.join((await realPathOf(parent)).path, nodePath.basename(path)), exists: false };
  }
}

/**
 * Level by level, because Node's recursive mkdir never returns where a filesystem says ENOENT below a directory that
 * exists (`/proc`).
 */
async function makeDirectory(path: string): Promise<void> {
  const parent = nodePath.dirname(path);
  if (parent !== path && !(await exists(parent))) await makeDirectory(parent);
  try {
    await mkdir(path);
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return false;
    throw error;
  }
}

/** Permission bits lie (read-only mounts, full disks, Windows ACLs): only writing proves it. */
async function proveWritable(directory: string): Promise<void> {
  const probe = temporaryPath(directory);
  const file = await open(probe, "wx");
  try {
    await file.writeFile("probe");
  } finally {
    await Promise.all([file.close(), removeFile(probe)]);
  }
}
