/** Node's own path and the options with which it runs a script that may import the project's TypeScript. */
export function evaluating(script: string): string[] {
  return [process.execPath, "--import", "tsx", "--input-type=module", "--eval", script];
}
