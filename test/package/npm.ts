import { execFile } from "node:child_process";
import process from "node:process";
import { promisify } from "node:util";
import { name, version } from "../../package.json";

/** What `npm run package` leaves behind. */
export const TARBALL = `build/${name}-${version}.tgz`;
export const BUNDLE = `build/${name}-${version}.mcpb`;

/** The npm that runs this test, for Node to start: on Windows `npm` itself is a script that only a shell can start. */
export function npmCommand(): string {
  const command = process.env["npm_execpath"];
  if (command === undefined) throw new Error('This test runs npm: start it with "npm run package:check".');
  return command;
}

/** Runs npm without the network. */
export async function npm(cwd: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [npmCommand(), ...args, "--offline"], { cwd });
  return stdout;
}
