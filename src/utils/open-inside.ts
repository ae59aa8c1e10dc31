import { constants, type FileHandle, lstat, open, readlink } from "node:fs/promises";
import { isInside } from "../text/paths.ts";
import { PLATFORM, type Platform, realpath } from "./real-path.ts";

/** Windows has neither of the last two: there they count as 0. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** How often a file is looked at by its path, where the system does not say where an open one lies. */
const LOOKS = 3;

/**
 * Opens a file for reading, if it lies inside one of the directories after resolving symlinks. Nothing outside is
 * opened on purpose, and no other end of a pipe is waited for. Between resolving and opening, the file or a directory
 * above it may be swapped for a link that leads out, so the open file is judged once more.
 *
 * @param path - absolute
 * @param directories - absolute; one that is not there allows nothing
 * @returns undefined when it is outside; the caller closes the file
 * @throws the file system's error
 */
export async function openInside(path: string, directories: readonly string[]): Promise<FileHandle | undefined> {
  const real = await realpath(path);
  if (!(await isInsideAny(real, directories))) return undefined;
  const file = await open(real, OPEN_FLAGS);
  let isProved = false;
  try {
    isProved = await isStillInside(file, real, directories);
    return isProved ? file : undefined;
  } finally {
    if (!isProved) await file.close();
  }
}

/** Whether a real path lies in one of the directories, by their own real paths; the first that holds it decides. */
export async function isInsideAny(
  real: string,
  directories: readonly string[],
  { path, realpath }: Platform = PLATFORM,
): Promise<boolean> {
  if (!path.isAbsolute(real)) return false;
  for (const directory of directories) {
    if (isInside(await realpath(directory).catch(() => directory), real, path)) return true;
  }
  return false;
}

/**
 * Linux says where an open file lies; elsewhere, and where a file system that ignores case says it in other letters,
 * the path has to lead to the same file each time it is asked: one look falls between two swaps too easily. Source:
 * proc_pid_fd(5).
 */
async function isStillInside(file: FileHandle, real: string, directories: readonly string[]): Promise<boolean> {
  const opened =
    process.platform === "linux" ? await readlink(`/proc/self/fd/${file.fd}`).catch(() => undefined) : undefined;
  if (opened !== undefined && (await isInsideAny(opened, directories))) return true;
  if (opened !== undefined && opened.toLowerCase() !== real.toLowerCase()) return false;
  const openFile = await file.stat({ bigint: true });
  for (let look = 0; look < LOOKS; look += 1) {
    const again = await realpath(real);
    const found = await lstat(again, { bigint: true });
    if (!isSameFile(openFile, found) || !(await isInsideAny(again, directories))) return false;
  }
  return true;
}

/**
 * By device and file number. Only the low half of the device: Windows' serial number of a volume has 64 bits when asked
 * by path and 32 when asked by handle.
 */
function isSameFile(one: { dev: bigint; ino: bigint }, other: { dev: bigint; ino: bigint }): boolean {
  return BigInt.asUintN(32, one.dev) === BigInt.asUintN(32, other.dev) && one.ino === other.ino;
}
