import nodePath, { type PlatformPath } from "node:path";

const FORBIDDEN = /[<>:"/\\|?*\p{Cc}]|[. ]$/u;
const DEVICE = /^(?:con|conin\$|conout\$|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]) *(?:\.|$)/i;
const VOLUME = /^(?:[\\/]{2}[?.][\\/])?(?:[a-z]:)?/i;
const STEPS: ReadonlySet<string> = new Set(["", ".", ".."]);
const DRIVE_AS_DEVICE = /^\\\\[?.]\\[a-z]:\\/i;
const SHARE = /^\\\\(?:[?.]\\UNC\\)?([^\\]+)\\+([^\\]+)/i;

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
  return homeDirectory === undefined ? undefined : path.join(homeDirectory, directory.slice(2));
}

/** Whether a text names a file in a directory. */
export function isPath(text: string): boolean {
  return /[\\/]/.test(text);
}

/**
 * Whether `target` is `base` or lies below it, compared exactly, on Windows too: what is equal but for the case of its
 * letters is for the disk to say, by the spelling of a real path. Both have to be absolute; links are not followed.
 */
export function isInside(base: string, target: string, path: PlatformPath = nodePath): boolean {
  const directory = withSeparator(path.resolve(base), path);
  return withSeparator(path.resolve(target), path).startsWith(directory);
}

/**
 * Whether a path leads, by its words alone, to a network share or a device of Windows on which none of the trusted
 * directories lies. Such a path must not even be opened: Windows signs in to the machine that it names, with the user's
 * credentials, and waits for one that does not answer. Drives, mapped ones too, are the user's own. False elsewhere
 * than on Windows. All have to be absolute.
 */
export function isOnForeignShare(target: string, trusted: readonly string[], path: PlatformPath = nodePath): boolean {
  const share = shareOf(target, path);
  return share !== undefined && !trusted.some((directory) => shareOf(directory, path) === share);
}

/**
 * Whether every Windows program can open a file or directory of this name. Node can make others, because it hands paths
 * to Windows past the usual rules; no other program can open or delete those. Source: Microsoft, "Naming Files, Paths,
 * and Namespaces".
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

/**
 * `\\host\share` however it is spelled, or the device; undefined for a drive. Only ASCII letters are folded: a host
 * that is equal to another by Unicode's rules alone is another one.
 */
function shareOf(target: string, path: PlatformPath): string | undefined {
  const words = path.resolve(target);
  if (!words.startsWith("\\\\") || DRIVE_AS_DEVICE.test(words)) return undefined;
  const [, host = words, share = ""] = SHARE.exec(words) ?? [];
  return `${host}\\${share}`.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function withSeparator(directory: string, path: PlatformPath): string {
  return directory.endsWith(path.sep) ? directory : directory + path.sep;
}
