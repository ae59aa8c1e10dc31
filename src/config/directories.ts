import nodePath, { delimiter, type PlatformPath } from "node:path";
import { z } from "zod";
import { mistakeInPath } from "../text/mistakes.ts";
import { badDirectoryName, expandHome } from "../text/paths.ts";

/** The directories that relative and `~` paths start from. Absolute; undefined where the system knows none. */
export interface Directories {
  readonly workingDirectory: string | undefined;
  readonly homeDirectory: string | undefined;
}

/** The absolute path of one directory, or undefined for a blank text. */
export function directorySetting(name: string, directories: Directories): z.ZodType<string | undefined> {
  return z
    .string()
    .default("")
    .transform((text, context) => absolutePath(name, text, directories, context));
}

/** The absolute paths of directories that are separated as in `PATH`; blank ones are left out. */
export function directoryListSetting(name: string, directories: Directories): z.ZodType<readonly string[]> {
  return z
    .string()
    .default("")
    .transform((text, context) => {
      const mistake = mistakeInPath(text.trim());
      if (mistake === undefined) {
        return text.split(delimiter).flatMap((part) => absolutePath(name, part, directories, context) ?? []);
      }
      context.addIssue(`${name} ${mistake}`);
      return z.NEVER;
    });
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

function absolutePath(
  name: string,
  text: string,
  { workingDirectory, homeDirectory }: Directories,
  context: z.RefinementCtx,
): string | undefined {
  const words = text.trim();
  if (words === "") return undefined;
  const refuse = (problem: string): never => {
    context.addIssue(`${name} ${problem}`);
    return z.NEVER;
  };
  const mistake = mistakeInPath(words);
  if (mistake !== undefined) return refuse(mistake);
  if (/^[a-z]:[^\\/]/i.test(words)) return refuse("has lost its backslashes: in JSON, write each of them twice");
  if (badDirectoryName(words) !== undefined) {
    return refuse(
      'contains a name that is not valid for a directory on Windows: a device such as CON, one of < > : " | ? *, or a dot or space at the end',
    );
  }
  const expanded = expandHome(words, homeDirectory);
  if (expanded === undefined) {
    return refuse("begins with ~, and this user has no home directory: give an absolute path");
  }
  if (nodePath.isAbsolute(expanded)) return nodePath.resolve(expanded);
  if (workingDirectory === undefined) {
    return refuse("is relative, and the working directory has been deleted: give an absolute path");
  }
  return nodePath.resolve(workingDirectory, expanded);
}
