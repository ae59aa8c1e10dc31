import { constants, type FileHandle, lstat, open, readlink, realpath } from "node:fs/promises";
import nodePath from "node:path";
import process from "node:process";
import { isInside } from "./paths.ts";

/** Windows has neither flag: there they count as 0, and what is open is proved all the same. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const ROUNDS_OF_PROOF = 3;

/** The path of an open file as the system knows it; undefined where it does not say. */
export type PathOfOpenFile = (file: FileHandle) => Promise<string | undefined>;

/**
 * Opens a file for reading, if it lies inside one of the directories after resolving symlinks. Nothing outside is
 * opened on purpose, no other end of a pipe is waited for, and what was opened is proved to be inside afterwards:
 * between resolving and opening, the file or a directory above it may be swapped for a link that leads out.
 *
 * @param path - absolute
 * @param directories - absolute; one that is not there allows nothing
 * @param pathOfOpenFile - asks the system; without its word, the path has to lead to the very file that is open, and to
 *   lie inside, several times in a row
 * @returns undefined when it is outside; the caller closes what it gets
 * @throws what the filesystem says, also when the file was replaced meanwhile
 */
export async function openInside(
  path: string,
  directories: readonly string[],
  pathOfOpenFile: PathOfOpenFile = pathFromKernel,
): Promise<FileHandle | undefined> {
  const real = await realpath(path);
  if (!(await isInsideAny(real, directories))) return undefined;
  const file = await open(real, OPEN_FLAGS);
  let isProved = false;
  try {
    isProved = await isProvedInside(file, real, directories, await pathOfOpenFile(file));
    return isProved ? file : undefined;
  } finally {
    if (!isProved) await file.close();
  }
}

/** A filesystem that ignores case may know the file by another spelling than the one it was opened by. */
async function isProvedInside(
  file: FileHandle,
  real: string,
  directories: readonly string[],
  opened: string | undefined,
): Promise<boolean> {
  if (opened !== undefined && (await isInsideAny(opened, directories))) return true;
  const mayBeReal = opened === undefined || opened.toLowerCase() === real.toLowerCase();
  return mayBeReal && leadsTo(file, real, directories);
}

/** Linux keeps the path of everything that is open. Source: proc_pid_fd(5). */
async function pathFromKernel({ fd }: FileHandle): Promise<string | undefined> {
  if (process.platform !== "linux") return undefined;
  return readlink(`/proc/self/fd/${fd}`).catch(() => undefined);
}

/** Whether `real`, seen several times, is inside and is the open file itself. */
async function leadsTo(file: FileHandle, real: string, directories: readonly string[]): Promise<boolean> {
  const opened = await identityOf(file.stat({ bigint: true }));
  for (let round = 0; round < ROUNDS_OF_PROOF; round++) {
    if (!(await isInsideAny(await realpath(real), directories))) return false;
    if ((await identityOf(lstat(real, { bigint: true }))) !== opened) {
      throw new Error("it was replaced while it was being opened");
    }
  }
  return true;
}

/** Whether a real path lies in one of the directories, by their own real paths. */
export async function isInsideAny(real: string, directories: readonly string[]): Promise<boolean> {
  if (!nodePath.isAbsolute(real)) return false;
  const allowed = await Promise.all(directories.map((directory) => realpath(directory).catch(() => directory)));
  return allowed.some((directory) => isInside(directory, real));
}

/**
 * Device and file number. Only the low half of the device: Windows' serial number of a volume has 64 bits when asked by
 * path and 32 when asked by handle.
 */
async function identityOf(status: Promise<{ readonly dev: bigint; readonly ino: bigint }>): Promise<string> {
  const { dev, ino } = await status;
  return `${BigInt.asUintN(32, dev)}:${ino}`;
}
