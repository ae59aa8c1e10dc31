import { rm, unlink } from "node:fs/promises";
import { join } from "node:path";

/** A path in the directory whose name nobody else has and has at least that many bytes. */
export function temporaryPath(directory: string, nameBytes = 0): string {
  return join(directory, `.${crypto.randomUUID()}.tmp`.padEnd(nameBytes, "0"));
}

/**
 * Deletes a file of ours if it is there, and retries a few times where another program holds it open (virus scanners
 * on Windows).
 *
 * @throws what the filesystem says when it stays undeletable
 */
export async function removeFile(path: string): Promise<void> {
  await unlink(path).catch(() => rm(path, { force: true, maxRetries: 3 }));
}
