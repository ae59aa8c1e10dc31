import nodePath, { type PlatformPath } from "node:path";

/** Replaces a leading `~` by the home directory; `~name` is left alone. */
export function expandHome(directory: string, homeDirectory: string, path: PlatformPath = nodePath): string {
  if (directory === "~") return homeDirectory;
  const rest = directory.startsWith("~/") || directory.startsWith(`~${path.sep}`) ? directory.slice(2) : undefined;
  return rest === undefined ? directory : path.join(homeDirectory, rest);
}

/**
 * Whether `target` is `base` or lies below it, by the path rules of the platform alone: links are not followed. Both
 * have to be absolute.
 */
export function isInside(base: string, target: string, path: PlatformPath = nodePath): boolean {
  const fromBase = path.relative(base, target);
  return fromBase !== ".." && !fromBase.startsWith(`..${path.sep}`) && !path.isAbsolute(fromBase);
}
