import { link, open, rename, rm } from "node:fs/promises";
import { systemCode } from "../text/text.ts";

/**
 * Gives a finished file its name in one step. A hard link does that; where it fails for any reason but that the name is
 * taken (FAT and network shares say so in many ways), the name is reserved by an empty file of our own, which the
 * finished one then replaces.
 *
 * @param makeLink - makes the hard link
 * @returns false when the name is taken; then nothing has changed
 * @throws whatever the filesystem reports; then there is no file of that name
 */
export async function claimName(temporary: string, path: string, makeLink: typeof link = link): Promise<boolean> {
  try {
    await makeLink(temporary, path).catch(async (error: unknown) => {
      if (systemCode(error) === "EEXIST") throw error;
      await reserveAndReplace(temporary, path);
    });
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
    await rm(path, { force: true });
    throw error;
  }
}
