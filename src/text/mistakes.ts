import nodePath, { type PlatformPath } from "node:path";

const UNFILLED = [
  /\$\{[^}]*\}/,
  /\{\{[^}]*\}\}/,
  /\{(?:env|input|file):[^}]*\}/,
  /<[^<>]*>/,
  /(?:^|[\\/])\$[A-Za-z_]\w*(?=[\\/]|$)/,
  /(?:^|[\\/])%[A-Za-z_][\w()]*%(?=[\\/]|$)/,
];
const UNFILLED_KEY = /^(?:sk-)?(?:api-)?(?:your|my|insert|replace|paste)[-_ ]|^\$\w+$|^%\w+%$|^\$?\{.*\}$|^<.*>$/i;
const UNFILLED_PROXY = /^(?:[a-z]+:\/\/)?(?:\$\{|\$[A-Z_]\w*(?=[:/]|$)|%\w+%|<|\{)/i;
const QUOTATION_MARKS = /^["'`“”„«‘’].*["'`“”»‘’]$/s;
const QUOTED = "has quotation marks around it: leave them out";
const FILE_URL = /^file:/i;
const WINDOWS_PATH = /^[A-Za-z]:(?:[\\/]|$)|^\\|^[^/~][^/]*\\/;
const FOREIGN_ON_WINDOWS = /^\/(?:home|mnt|Volumes|tmp|var|[a-z])(?:\/|$)/i;

/**
 * Why a text cannot be meant as the path of a directory, as a sentence's end: a placeholder that nobody filled in,
 * quotation marks, a `file:` URL, or the path of another system. Judged by the words alone; undefined for any other.
 */
export function mistakeInPath(text: string, path: PlatformPath = nodePath): string | undefined {
  if (QUOTATION_MARKS.test(text)) return QUOTED;
  if (UNFILLED.some((pattern) => pattern.test(text))) {
    return "contains an unfilled placeholder: write the full path";
  }
  if (FILE_URL.test(text)) return "is a file: URL: give the path alone";
  if (path.sep === "/" && WINDOWS_PATH.test(text)) {
    return "is a Windows path, and this system separates directories with /";
  }
  if (path.sep === "\\" && FOREIGN_ON_WINDOWS.test(text)) {
    return "is a path of another system: begin with the drive, as in C:\\";
  }
  return undefined;
}

/**
 * Why a text cannot be meant as an API key, without a word of it: quotation marks around it, or a placeholder that
 * nobody filled in.
 */
export function mistakeInKey(text: string): string | undefined {
  return mistakeInSecret(text, UNFILLED_KEY, "key");
}

/** The same for the URL of a proxy, which may hold a password. */
export function mistakeInProxy(text: string): string | undefined {
  return mistakeInSecret(text, UNFILLED_PROXY, "URL");
}

function mistakeInSecret(text: string, unfilled: RegExp, what: string): string | undefined {
  if (QUOTATION_MARKS.test(text)) return QUOTED;
  return unfilled.test(text) ? `is an unfilled placeholder: put the ${what} itself there` : undefined;
}
