import { link, open, rename, rm, unlink } from "node:fs/promises";
import { join } from "node:path";
import { systemCode } from "../text/text.ts";

/** A path in the directory with a unique name of at least that many bytes. */
export function temporaryPath(directory: string, nameBytes = 0): string {
  return join(directory, `.${crypto.randomUUID()}.tmp`.padEnd(nameBytes, "0"));
}

/**
 * Deletes a file of ours if it is there, and retries a few times where another program holds it open (virus scanners
 * on Windows).
 *
 * @throws the file system's error when it stays undeletable
 */
export async function removeFile(path: string): Promise<void> {
  await unlink(path).catch(() => rm(path, { force: true, maxRetries: 3 }));
}

/**
 * Gives a finished file its name in one step. A hard link does that; where it fails for any reason (FAT and network
 * shares say so in many ways), the name is reserved, if it is free, by an empty file of our own, which the finished one
 * then replaces.
 *
 * @param makeLink - makes the hard link
 * @returns false when the name is taken; then nothing has changed
 * @throws the file system's error; then there is no file of that name
 */
export async function claimName(temporary: string, path: string, makeLink: typeof link = link): Promise<boolean> {
  try {
    await makeLink(temporary, path).catch(() => reserveAndReplace(temporary, path));
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw error;
  }
}

async function reserveAndReplace(temporary: string, path: string): Promise<void> {
  await (await open(path, "wx")).close();
  try {
    await rename(temporary, path);
  } catch (error) {
    await removeFile(path);
    throw error;
  }
}
