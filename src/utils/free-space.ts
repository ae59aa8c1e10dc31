import { statfs } from "node:fs/promises";
import { OutputDirectoryError } from "../errors.ts";
import { truncate } from "../text.ts";

/**
 * Asks the disk of a directory whether so many bytes fit. A file system that does not say how large it is passes.
 *
 * @param directory - exists
 * @param neededBytes - what is going to be written
 * @throws OutputDirectoryError when there is less free space
 */
export async function assertFreeSpace(directory: string, neededBytes: number): Promise<void> {
  const { bsize, blocks, bavail } = await statfs(directory).catch(() => ({ bsize: 0, blocks: 0, bavail: 0 }));
  const freeBytes = bsize * bavail;
  if (blocks === 0 || freeBytes >= neededBytes) return;
  throw new OutputDirectoryError(
    `The disk of the output directory ${truncate(directory)} is full: ${kilobytes(freeBytes)} are free, and the images need about ${kilobytes(neededBytes)}.`,
    { recovery: "No request was made. Free some space, or choose another output_dir inside the base directory." },
  );
}

function kilobytes(bytes: number): string {
  return `${Math.round(bytes / 1000)} kB`;
}
