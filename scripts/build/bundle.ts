import { fileURLToPath } from "node:url";
import { build, type Plugin } from "rolldown";
import { assembleViewPage } from "./view-page.ts";

const UNUSED_LIBRARY = fileURLToPath(new URL("unused-library.cjs", import.meta.url));
const UNUSED_LIBRARIES = ["ajv", "ajv-formats", "zod/v3", "zod-to-json-schema"];

const SERVER_PARTS = { "./cli/proxy-client.ts": "./proxy.js", "./page.ts": "./view.js" };

/** One file of the program. */
export interface BuiltFile {
  readonly fileName: string;
  /** The text of an ES module. */
  readonly code: string;
  /** Every file whose code is in it, absolute. */
  readonly sources: readonly string[];
}

/**
 * The few lines that clients start: they check the Node version and import the server beside them. Also a Node that is
 * far too old has to understand them.
 */
export function bundleLauncher(): Promise<BuiltFile> {
  const beside = { "./index.ts": "./server.js" };
  return bundle("index.js", { input: "src/launch.ts", beside, minify: false, target: "node12.20" });
}

/**
 * The server and everything it imports.
 *
 * @param plugins - what is to be resolved otherwise; for tests
 */
export function bundleServer(plugins: readonly Plugin[] = []): Promise<BuiltFile> {
  return bundle("server.js", { input: "src/index.ts", beside: SERVER_PARTS, plugins });
}

/** The proxy client, which only a configured proxy loads. */
export function bundleProxyClient(): Promise<BuiltFile> {
  return bundle("proxy.js", { input: "src/cli/proxy-client.ts", beside: {} });
}

/**
 * The view, which only a client that shows it loads: the finished page, in the place of the module that assembles it.
 */
export async function bundleView(): Promise<BuiltFile> {
  return {
    fileName: "view.js",
    code: `export const page = ${JSON.stringify(await assembleViewPage())};\n`,
    sources: [],
  };
}

/**
 * Bundles one file.
 *
 * @throws when the bundler warns, as of an import cycle in the program's own files; third-party cycles are let through
 */
async function bundle(
  fileName: string,
  {
    input,
    beside,
    minify = true,
    target = "node20.19",
    plugins = [],
  }: {
    input: string;
    /** Imports that become files of their own. */
    beside: Readonly<Record<string, string>>;
    minify?: boolean;
    target?: string;
    plugins?: readonly Plugin[];
  },
): Promise<BuiltFile> {
  const filesBeside: Plugin = {
    name: "files-beside",
    resolveId: (specifier) => (specifier in beside ? { id: beside[specifier] ?? specifier, external: true } : null),
  };
  const { output } = await build({
    input,
    platform: "node",
    transform: { target },
    resolve: { alias: Object.fromEntries(UNUSED_LIBRARIES.map((name) => [name, UNUSED_LIBRARY])) },
    plugins: [filesBeside, ...plugins],
    write: false,
    checks: { circularDependency: true },
    onLog: (_level, log) => {
      const isThirdPartyCycle = log.code === "CIRCULAR_DEPENDENCY" && log.message.includes("node_modules");
      if (!isThirdPartyCycle) throw new Error(log.message);
    },
    output: { minify, codeSplitting: false },
  });
  const [{ code, modules }] = output;
  const sources = Object.entries(modules).flatMap(([id, module]) => (module.code === null ? [] : [id]));
  return { fileName, code, sources };
}
