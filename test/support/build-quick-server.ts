import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Plugin } from "rolldown";
import { bundleProxyClient, bundleServer } from "../../scripts/build/bundle.ts";

/** The same server as the built one, on a clock that runs `TEST_SPEED` times faster. */
export const QUICK_SERVER = "node_modules/.cache/minimax-image-mcp/quick-server.js";

const SUPPORT = resolve("test", "support");
const QUICK_CLOCK = join(SUPPORT, "quick-clock.ts");

/** Puts the quick clock in the place of the system's; only the quick clock itself still sees that one. */
const quickClock: Plugin = {
  name: "quick-clock",
  resolveId: (specifier, importer) =>
    specifier.endsWith("/clock.ts") && importer?.startsWith(SUPPORT) === false ? QUICK_CLOCK : null,
};

/** Vitest calls this once before all tests. */
export async function setup(): Promise<void> {
  const directory = dirname(QUICK_SERVER);
  const [server, proxyClient] = await Promise.all([bundleServer([quickClock]), bundleProxyClient()]);
  await mkdir(directory, { recursive: true });
  await writeFile(QUICK_SERVER, server.code);
  await writeFile(join(directory, proxyClient.fileName), proxyClient.code);
}
