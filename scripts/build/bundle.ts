import { build } from "rolldown";
import { lazySchemas } from "./lazy-schemas.ts";
import { withoutUnusedLibraries } from "./unused-libraries.ts";

/** A program in one file. */
export interface Bundle {
  /** The text of an ES module that runs the program. */
  readonly program: string;
  /** Every file whose code is in it, absolute. */
  readonly sources: readonly string[];
}

/**
 * Bundles a program and everything it imports.
 *
 * @throws when the bundler warns, as of an import cycle in the program's own files
 */
export async function bundle(input: string): Promise<Bundle> {
  const { output } = await build({
    input,
    platform: "node",
    write: false,
    plugins: [withoutUnusedLibraries, lazySchemas()],
    checks: { circularDependency: true },
    onLog: (_level, log) => {
      const isThirdPartyCycle = log.code === "CIRCULAR_DEPENDENCY" && log.message.includes("node_modules");
      if (!isThirdPartyCycle) throw new Error(log.message);
    },
    output: { format: "cjs", minify: true, codeSplitting: false },
  });
  const [{ code, modules }] = output;
  const sources = Object.entries(modules).flatMap(([id, { code }]) => (code === null ? [] : [id]));
  return { program: withCompileCache(code), sources };
}

/**
 * Node keeps what V8 made of a module for the next start, but never for the file that a process is started with: that
 * one is compiled before it can ask for it. So the file holds the program as text, asks, and compiles it. Parsing takes
 * a fifth of the start otherwise. On Node 20, which has no such cache, the text is merely compiled.
 */
function withCompileCache(code: string): string {
  return `#!/usr/bin/env node
import nodeModule from "node:module";
nodeModule.enableCompileCache?.();
new nodeModule.Module(import.meta.filename)._compile(${JSON.stringify(code.replace(/^#!.*\n/, ""))}, import.meta.filename);
`;
}
