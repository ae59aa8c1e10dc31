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
  const original = fs[work];
  const released = deferred<undefined>();
  let held = 0;
  const replace = (operation: unknown): void => {
    Object.assign(fs, { [work]: operation });
    syncBuiltinESMExports();
  };
  replace(async (...args: readonly unknown[]): Promise<unknown> => {
    if (String(args[0]).startsWith(directory)) {
      held += 1;
      await released.promise;
    }
    const done: unknown = Reflect.apply(original, fs, args);
    return done;
  });
  const release = (): void => {
    released.resolve(undefined);
  };
  return {
    held: () => held,
    release,
    [Symbol.dispose]: () => {
      release();
      replace(original);
    },
  };
}
