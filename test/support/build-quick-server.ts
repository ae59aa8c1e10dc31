import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import process from "node:process";
import type { Plugin } from "rolldown";
import { bundleProxyClient, bundleServer } from "../../scripts/build/bundle.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const QUICK_CLOCK = "quick-clock";
const FAST_CLOCK = resolve("test", "support", "fast-clock.ts");

/** Puts a clock that runs `TEST_SPEED` times faster in the place of the system's, which only that clock still sees. */
const quickClock: Plugin = {
  name: QUICK_CLOCK,
  resolveId: (specifier, importer) => {
    if (specifier === QUICK_CLOCK) return specifier;
    return specifier.endsWith("/clock.ts") && importer !== FAST_CLOCK ? QUICK_CLOCK : null;
  },
  load: (id) =>
    id === QUICK_CLOCK
      ? `import { fastClock } from ${JSON.stringify(FAST_CLOCK)};
         export const systemClock = fastClock(Number(process.env["TEST_SPEED"]));`
      : null,
};

/**
 * Builds the server on the quick clock into a directory of its own, whose file the environment's `QUICK_SERVER` names
 * from then on. Vitest calls this once before all tests.
 *
 * @returns what removes the directory
 */
export async function setup(): Promise<() => Promise<void>> {
  const directory = await temporaryDirectory();
  const [server, proxyClient] = await Promise.all([bundleServer([quickClock]), bundleProxyClient()]);
  process.env["QUICK_SERVER"] = join(directory.path, "quick-server.js");
  await writeFile(process.env["QUICK_SERVER"], server.code);
  await writeFile(join(directory.path, proxyClient.fileName), proxyClient.code);
  await writeFile(join(directory.path, "package.json"), '{"type":"module"}');
  return () => Promise.resolve(directory[Symbol.asyncDispose]());
}
