import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { bundle } from "../../scripts/build/bundle.ts";

/** The same server as the built one, on a clock that runs `TEST_SPEED` times faster. */
export const QUICK_SERVER = "node_modules/.cache/minimax-image-mcp/quick-server.js";

/** Vitest calls this once before all tests. */
export async function setup(): Promise<void> {
  const { program } = await bundle("test/support/quick-server.ts");
  await mkdir(dirname(QUICK_SERVER), { recursive: true });
  await writeFile(QUICK_SERVER, program);
}
