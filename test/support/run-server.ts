import { resolve } from "node:path";
import { assertOnlyJsonRpc } from "./server.ts";
import { StdioTransport } from "./stdio-transport.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

/** A run of the built server, from its start to its end. */
export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs the built server to its end. Without options it serves, and then every line on stdout has to be a JSON-RPC
 * message.
 *
 * @param options - `input` is all of its stdin, which stays open without it; `cwd` is an empty directory by default;
 *   `preload` is a module that Node runs first; `program` takes the place of the built server
 */
export async function runServer({
  args = [],
  env = {},
  cwd,
  input,
  preload,
  program = resolve("dist", "index.js"),
}: {
  args?: readonly string[];
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  input?: string;
  preload?: string;
  program?: string;
} = {}): Promise<Run> {
  await using directory = await temporaryDirectory();
  const node = preload === undefined ? [] : preloading(preload);
  const transport = new StdioTransport(process.execPath, [...node, program, ...args], {
    env,
    cwd: cwd ?? directory.path,
  });
  if (input !== undefined) transport.process.stdin.end(input);
  const { code } = await transport.exited;
  if (args.length === 0) assertOnlyJsonRpc(transport.stdout);
  return { code, stdout: transport.stdout, stderr: transport.stderr };
}

/** Node's options to run a module before the program. */
export function preloading(module: string): string[] {
  return ["--import", `data:text/javascript,${encodeURIComponent(module)}`];
}
