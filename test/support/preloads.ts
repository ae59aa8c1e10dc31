/** Holds the call of `fs` back that gives a saved image its name, until a file is there. Says "held" on stderr. */
export function holdNaming(sign: string): string {
  return `import fs from "node:fs/promises";
    import { existsSync } from "node:fs";
    import { syncBuiltinESMExports } from "node:module";
    import { setTimeout as sleep } from "node:timers/promises";
    const link = fs.link;
    fs.link = async (from, to) => {
      process.stderr.write("held\\n");
      while (!existsSync(${JSON.stringify(sign)})) await sleep(5);
      return link(from, to);
    };
    syncBuiltinESMExports();`;
}

/**
 * Makes the time last longer that a process which ends has for cleaning up, so that it suffices also on a machine that
 * is very busy.
 */
export const PATIENCE = `import timers from "node:timers/promises";
  import { syncBuiltinESMExports } from "node:module";
  const sleep = timers.setTimeout;
  timers.setTimeout = (ms, ...rest) => sleep(20 * ms, ...rest);
  syncBuiltinESMExports();`;
