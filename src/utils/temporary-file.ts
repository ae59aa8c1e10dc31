import { rm, unlink } from "node:fs/promises";

/**
 * Deletes a file of ours if it is there, and tries a few times more where another program holds it open (virus scanners
 * on Windows).
 *
 * @throws what the filesystem says when it stays undeletable
 */
export async function removeFile(path: string): Promise<void> {
  await unlink(path).catch(() => rm(path, { force: true, maxRetries: 3 }));
}
