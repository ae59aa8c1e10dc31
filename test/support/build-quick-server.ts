import { build } from "rolldown";

/** The same server as the built one, on a clock that runs `TEST_SPEED` times faster. */
export const QUICK_SERVER = "node_modules/.cache/minimax-image-mcp/quick-server.js";

/** Vitest calls this once before all tests. */
export async function setup(): Promise<void> {
  await build({
    input: "test/support/quick-server.ts",
    platform: "node",
    output: { file: QUICK_SERVER, format: "esm", codeSplitting: false },
  });
}
