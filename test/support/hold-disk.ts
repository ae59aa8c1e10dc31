import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { deferred } from "./deferred.ts";

/** A disk that has taken work and not done it. */
interface HeldDisk extends Disposable {
  /** How much work is waiting. */
  readonly held: () => number;
  readonly release: () => void;
}

/**
 * Has this process wait wherever it opens a file below a directory, or names one by a link, until it is released or
 * disposed.
 */
export function holdDisk(work: "open" | "link", directory: string): HeldDisk {
  const { open, link } = fs;
  const released = deferred<undefined>();
  let held = 0;
  const waiting = async (path: unknown): Promise<void> => {
    if (!String(path).startsWith(directory)) return;
    held += 1;
    await released.promise;
  };
  const slow = {
    open: async (...args: Parameters<typeof open>) => {
      await waiting(args[0]);
      return open(...args);
    },
    link: async (...args: Parameters<typeof link>) => {
      await waiting(args[0]);
      return link(...args);
    },
  };
  Object.assign(fs, { [work]: slow[work] });
  syncBuiltinESMExports();
  const release = (): void => {
    released.resolve(undefined);
  };
  return {
    held: () => held,
    release,
    [Symbol.dispose]: () => {
      release();
      Object.assign(fs, { open, link });
      syncBuiltinESMExports();
    },
  };
}
