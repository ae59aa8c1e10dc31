import nodePath, { type PlatformPath } from "node:path";

const PLACEHOLDER =
  /\$\{[^}]*\}|\{\{[^}]*\}\}|\{(?:env|input|file):[^}]*\}|<[^<>]*>|^(?:\$[A-Za-z_]\w*|%[A-Za-z_][\w()]*%)$/;
const UNFILLED_KEY =
  /^(?:\$\w+|%\w+%|\$?\{.*\}|<.*>|null|undefined|none|(?:sk-)?(?:api-|cp-)?x{3,})$|^MINIMAX_API_KEY\b/i;
const SAMPLE_KEY = /^(?:sk-)?(?:api-|cp-)?(?:(?:your|my|insert|replace|paste|enter)[-_ ]|x{3,}|\*{3,}|\.{2,})/i;
const SAMPLE_KEY_MAX_LENGTH = 40;
const UNFILLED_PROXY = /^(?:[a-z]+:\/\/)?(?:\$\{|\$[A-Z_]\w*(?=[:/]|$)|%\w+%|<|\{)/i;
const QUOTATION_MARKS = /^["'`“”„«‘’].*["'`“”»‘’]$/s;
const QUOTED = "has quotation marks around it: leave them out";
const UNFILLED = "contains an unfilled placeholder: write the full path";
const SUBSTITUTION = /\$\(|`/;
const URL_SCHEME = /^[a-z][a-z0-9+.-]+:\/\//i;
const WINDOWS_PATH = /^(?:[A-Za-z]:(?:[\\/]|$)|\\(?! )|[^/~][^/]*\\(?! ))/;
const FOREIGN_ON_WINDOWS = /^\/(?:home|mnt|Volumes|tmp|var|[a-z])(?:\/|$)/i;

/**
 * Why a text cannot be meant as the path of a directory, as a sentence's end: a placeholder that was not filled in,
 * quotation marks, a URL, a shell substitution, control characters, or the path of another system. Judged by the words
 * alone; undefined for any other.
 */
export function mistakeInPath(text: string, path: PlatformPath = nodePath): string | undefined {
  return mistakeInForm(text, path) ?? (placeholdersIn(text).length > 0 ? UNFILLED : undefined);
}

/** The same without placeholders, which may be names of real directories: `app/routes/$postId`. */
export function mistakeInForm(text: string, path: PlatformPath = nodePath): string | undefined {
  if (QUOTATION_MARKS.test(text)) return QUOTED;
  if (SUBSTITUTION.test(text)) return "contains a shell substitution, which is not carried out: write the full path";
  if (/^file:/i.test(text)) return "is a file: URL: give the path alone";
  if (URL_SCHEME.test(text)) return "is a URL: give the path of a directory";
  if (/\p{Cc}/u.test(text)) return "contains control characters: in JSON, write each backslash twice";
  if (path.sep === "/" && WINDOWS_PATH.test(text)) {
    return "is a Windows path, and this system separates directories with /";
  }
  if (path.sep === "\\" && FOREIGN_ON_WINDOWS.test(text)) {
    return "is a path of another system: begin with the drive, as in C:\\";
  }
  return undefined;
}

/** The leading parts of a path up to each name that looks like a placeholder: `app/routes/$postId`. */
export function placeholdersIn(text: string): readonly string[] {
  return [...text.matchAll(/[^\\/]+/g)].flatMap(({ 0: name, index }) =>
    PLACEHOLDER.test(name) ? [text.slice(0, index + name.length)] : [],
  );
}

/**
 * Why a text cannot be meant as an API key, without a word of it: quotation marks around it, or a placeholder that was
 * not filled in.
 */
export function mistakeInKey(text: string): string | undefined {
  if (QUOTATION_MARKS.test(text)) return QUOTED;
  const isSample = text.length <= SAMPLE_KEY_MAX_LENGTH && SAMPLE_KEY.test(text);
  return isSample || UNFILLED_KEY.test(text) ? "is an unfilled placeholder: put the key itself there" : undefined;
}

/** The same for the URL of a proxy, which may hold a password. */
export function mistakeInProxy(text: string): string | undefined {
  if (QUOTATION_MARKS.test(text)) return QUOTED;
  return UNFILLED_PROXY.test(text) ? "is an unfilled placeholder: put the URL itself there" : undefined;
}
