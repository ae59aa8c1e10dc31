import type { Readable, Writable } from "node:stream";

const SHUTDOWN_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The parts of a process that shutdown triggers come from. */
interface ProcessLike {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  on(event: (typeof SHUTDOWN_SIGNALS)[number], listener: () => void): unknown;
  on(event: "uncaughtException", listener: (error: unknown) => void): unknown;
}

/**
 * Calls `end` once, at the first shutdown trigger: stdin ended, closed or broke, stdout broke, or a signal came. Later
 * triggers are swallowed, so that a second signal does not kill the process while it cleans up.
 *
 * @returns a further trigger, for what this function cannot see
 */
export function onShutdown(process: ProcessLike, end: () => void): () => void {
  let hasEnded = false;
  const once = (): void => {
    if (hasEnded) return;
    hasEnded = true;
    end();
  };
  for (const event of ["end", "close", "error"]) process.stdin.on(event, once);
  for (const event of ["close", "error"]) process.stdout.on(event, once);
  process.stderr.on("error", () => undefined);
  for (const signal of SHUTDOWN_SIGNALS) process.on(signal, once);
  return once;
}
