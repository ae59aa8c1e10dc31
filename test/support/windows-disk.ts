import { win32 } from "node:path";
import type { FileId, Platform } from "../../src/utils/real-path.ts";

/** Directories on a Windows machine, in memory. */
export interface WindowsDisk {
  readonly platform: Platform;
  /** Every path that was asked for, in order. */
  readonly asked: readonly string[];
  /** The directories in the spelling they were made in. */
  readonly directories: () => readonly string[];
}

/**
 * A disk that behaves as NTFS does: it keeps the spelling of a name, and finds it in any case of its letters.
 *
 * @param paths - what exists; the root of each exists, too
 * @param mapped - drives that stand for a share
 */
export function windowsDisk(paths: readonly string[], mapped: Readonly<Record<string, string>> = {}): WindowsDisk {
  const asked: string[] = [];
  const spellings = new Map<string, string>();
  const add = (path: string): void => {
    const parent = win32.dirname(path);
    if (parent !== path) add(parent);
    if (!spellings.has(key(path))) spellings.set(key(path), path);
  };
  paths.forEach(add);

  const find = (path: string): string => {
    asked.push(path);
    const found = spellings.get(key(path));
    if (found === undefined) throw failure("ENOENT", path);
    return found;
  };
  const realpath = async (path: string): Promise<string> => {
    const found = await Promise.resolve().then(() => find(path));
    const share = mapped[found.slice(0, 2)];
    return share === undefined ? found : share + found.slice(2);
  };
  const mkdir = (path: string): Promise<void> => {
    asked.push(path);
    if (spellings.has(key(path))) {
      return Promise.reject(failure(win32.dirname(path) === path ? "EPERM" : "EEXIST", path));
    }
    add(path);
    return Promise.resolve();
  };
  const lstat = async (path: string): Promise<FileId> => {
    await realpath(path);
    return { dev: 0n, ino: 0n };
  };
  return {
    platform: { path: win32, realpath, lstat, mkdir, pathOf: () => Promise.resolve(undefined) },
    asked,
    directories: () => [...spellings.values()],
  };
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

/** NTFS turns each letter into its capital by a table of its own, in which KELVIN SIGN stays as it is. */
function key(path: string): string {
  const plain = path.replace(/^\\\\[?.]\\UNC\\/i, "\\\\").replace(/^\\\\[?.]\\(?=[a-z]:)/i, "");
  return plain.replace(/\\$/, "").toUpperCase();
}
