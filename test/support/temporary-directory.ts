import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A real, empty directory that is removed with all its contents when the test is over. */
export interface TemporaryDirectory extends AsyncDisposable {
  /** Absolute, without symlinks. */
  readonly path: string;
}

/** Makes a directory of its own for one test. */
export async function temporaryDirectory(): Promise<TemporaryDirectory> {
  const path = await realpath(await mkdtemp(join(tmpdir(), "minimax-image-mcp-")));
  return {
    path,
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    },
  };
}
