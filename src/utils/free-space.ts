import { statfs } from "node:fs/promises";
import { OutputDirectoryError } from "../errors.ts";
import { truncate } from "../text.ts";

/** What the disk of a directory has left. */
export interface FreeSpace {
  readonly directory: string;
  /** Infinity where the file system does not say how large it is. */
  readonly bytes: number;
}

/** Asks the disk of a directory, which exists, how much space it has left. */
export async function freeSpaceOf(directory: string): Promise<FreeSpace> {
  const { bsize, blocks, bavail } = await statfs(directory).catch(() => ({ bsize: 0, blocks: 0, bavail: 0 }));
  return { directory, bytes: blocks === 0 ? Infinity : bsize * bavail };
}

/**
 * Refuses a disk that is too full for what is going to be written.
 *
 * @param neededBytes - of all images of a call
 * @throws OutputDirectoryError when there is less free space
 */
export function assertFits({ directory, bytes }: FreeSpace, neededBytes: number): void {
  if (bytes >= neededBytes) return;
  throw new OutputDirectoryError(
    `The disk of the output directory ${truncate(directory)} is full: ${kilobytes(bytes)} are free, and the images need about ${kilobytes(neededBytes)}.`,
    { recovery: "No request was made. Free some space, or choose another output_dir inside the base directory." },
  );
}

function kilobytes(bytes: number): string {
  return `${Math.round(bytes / 1000)} kB`;
}
