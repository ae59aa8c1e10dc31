import { statfs } from "node:fs/promises";
import { OutputDirectoryError } from "../errors.ts";
import { truncate } from "../text/text.ts";

/** Mounts that do not know their size report one this small, in bytes, and take files all the same. */
const IMPLAUSIBLE_TOTAL_BYTES = 1024 * 1024;

/** The size of a file system and its free part, in blocks of `bsize` bytes. */
interface Capacity {
  readonly bsize: number;
  readonly blocks: number;
  readonly bavail: number;
}

/**
 * Refuses a disk that is too full for the images of a call. Quota and object-store mounts report no free space, or no
 * size to speak of, and take files: their figures are not believed.
 *
 * @param directory - exists, and a file was just written there
 * @param neededBytes - of all images of the call
 * @param capacityOf - asks the file system of a directory
 * @throws OutputDirectoryError when there is less free space
 */
export async function assertFits(
  directory: string,
  neededBytes: number,
  capacityOf: (directory: string) => Promise<Capacity> = statfs,
): Promise<void> {
  const { bsize, blocks, bavail } = await capacityOf(directory).catch(() => ({ bsize: 0, blocks: 0, bavail: 0 }));
  const freeBytes = bsize * bavail;
  if (freeBytes === 0 || freeBytes >= neededBytes || bsize * blocks <= IMPLAUSIBLE_TOTAL_BYTES) return;
  throw new OutputDirectoryError(
    `Not enough disk space in ${truncate(directory)}: ${sizeOf(freeBytes)} free, about ${sizeOf(neededBytes)} needed.`,
    "Free some space, or choose another output_dir inside the base directory.",
  );
}

function sizeOf(bytes: number): string {
  return bytes < 1_000_000 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
