import { constants, type FileHandle, open } from "node:fs/promises";
import { isInside } from "../text/paths.ts";
import { type FileId, PLATFORM, type Platform } from "./real-path.ts";

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
export async function openInside(
  path: string,
  directories: readonly string[],
  platform: Platform = PLATFORM,
): Promise<FileHandle | undefined> {
  const real = await platform.realpath(path);
  if (!(await isInsideAny(real, directories, platform))) return undefined;
  const file = await open(real, OPEN_FLAGS);
  let isProved = false;
  try {
    isProved = await isStillInside(file, real, directories, platform);
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
 * Where the system does not say where an open file lies, or says it in other letters because the file system ignores
 * case, the path has to lead to the same file each time it is asked: one look falls between two swaps too easily.
 */
async function isStillInside(
  file: FileHandle,
  real: string,
  directories: readonly string[],
  platform: Platform,
): Promise<boolean> {
  const opened = await platform.pathOf(file);
  if (opened !== undefined && (await isInsideAny(opened, directories, platform))) return true;
  if (opened !== undefined && opened.toLowerCase() !== real.toLowerCase()) return false;
  const openFile = await file.stat({ bigint: true });
  for (let look = 0; look < LOOKS; look += 1) {
    const again = await platform.realpath(real);
    const found = await platform.lstat(again);
    if (!isSameFile(openFile, found) || !(await isInsideAny(again, directories, platform))) return false;
  }
  return true;
}

/** Only the low half of the device: Windows' serial number of a volume has 64 bits by path, and 32 by handle. */
function isSameFile(one: FileId, other: FileId): boolean {
  return BigInt.asUintN(32, one.dev) === BigInt.asUintN(32, other.dev) && one.ino === other.ino;
}
