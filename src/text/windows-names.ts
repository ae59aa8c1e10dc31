import nodePath, { type PlatformPath } from "node:path";

const FORBIDDEN = /[<>:"/\\|?*\p{Cc}]|[. ]$/u;
const DEVICE = /^(?:con|conin\$|conout\$|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]) *(?:\.|$)/i;
const VOLUME = /^(?:[\\/]{2}[?.][\\/])?(?:[a-z]:)?/i;
const STEPS: ReadonlySet<string> = new Set(["", ".", ".."]);

/**
 * Whether every Windows program can open a file or directory of this name. Node can make others, because it hands paths
 * to Windows past the usual rules; then nobody can open or delete them. Source: Microsoft, "Naming Files, Paths, and
 * Namespaces".
 */
export function isWindowsName(name: string): boolean {
  return name !== "" && !FORBIDDEN.test(name) && !DEVICE.test(name);
}

/**
 * The first directory in a path, as it is written, whose name is no good on Windows; undefined when there is none, and
 * elsewhere than on Windows.
 */
export function badDirectoryName(directory: string, path: PlatformPath = nodePath): string | undefined {
  if (path.sep !== "\\") return undefined;
  const names = directory.replace(VOLUME, "").split(/[\\/]/);
  return names.find((name) => !STEPS.has(name) && !isWindowsName(name));
}
