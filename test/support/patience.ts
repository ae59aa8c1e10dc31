/**
 * Makes the time last longer that a process which ends has for cleaning up, so that it suffices also on a machine that
 * is very busy.
 */
export const PATIENCE = `import timers from "node:timers/promises";
  import { syncBuiltinESMExports } from "node:module";
  const sleep = timers.setTimeout;
  timers.setTimeout = (ms, ...rest) => sleep(20 * ms, ...rest);
  syncBuiltinESMExports();`;
