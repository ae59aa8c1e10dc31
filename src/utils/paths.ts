import nodePath, { type PlatformPath } from "node:path";

/**
 * Replaces a leading `~` by the home directory; `~name` is left alone.
 *
 * @returns undefined when that needs a home directory and there is none
 */
export function expandHome(
  directory: string,
  homeDirectory: string | undefined,
  path: PlatformPath = nodePath,
): string | undefined {
  const isBelowHome = directory === "~" || directory.startsWith("~/") || directory.startsWith(`~${path.sep}`);
  if (!isBelowHome) return directory;
  return homeDirectory === undefined ? undefined : path.join(homeDirectory, directory.slice(1));
}

/**
 * The first directory that the system names and that is absolute; undefined when there is none. A user without an entry
 * in the user database has no home directory, `HOME` may hold anything, and a working directory may have been deleted:
 * then asking for it throws.
 */
export function firstKnownDirectory(
  sources: readonly (() => string)[],
  path: PlatformPath = nodePath,
): string | undefined {
  for (const source of sources) {
    try {
      const directory = source();
      if (path.isAbsolute(directory)) return directory;
    } catch {
      continue;
    }
  }
  return undefined;
}

/**
 * Whether `target` is `base` or lies below it, by the path rules of the platform alone: links are not followed. Both
 * have to be absolute.
 */
export function isInside(base: string, target: string, path: PlatformPath = nodePath): boolean {
  const fromBase = path.relative(base, target);
  return fromBase !== ".." && !fromBase.startsWith(`..${path.sep}`) && !path.isAbsolute(fromBase);
}
