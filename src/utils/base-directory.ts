import { access, constants } from "node:fs/promises";
import nodePath, { type PlatformPath } from "node:path";
import type { Directories } from "../config/directories.ts";
import { ConfigurationError } from "../errors.ts";
import { isInside } from "../text/paths.ts";

/** The places that files may be written to and read from. All paths are absolute. */
export interface Places {
  /** Files are written nowhere outside it. */
  readonly base: string;
  /** Where files go when the call does not say. */
  readonly defaultDirectory: string;
  /** Why that is not in the working directory although no directory was configured; a sentence for the person. */
  readonly fallbackNotice?: string;
  /** Where local images may be read, in addition to the base. */
  readonly referenceDirectories: readonly string[];
  /** Undefined when the user has none. */
  readonly homeDirectory: string | undefined;
}

/** Directories of installed programs, which an update deletes: below AppData, but for Temp, and application bundles. */
const PROGRAM_DIRECTORY = {
  "\\": /\\AppData(?:\\|$)(?!Local\\Temp(?:\\|$))/i,
  "/": /\.app\/Contents(?:\/|$)/,
};

/**
 * Where Windows keeps itself and its programs; empty elsewhere. Clients pass on few variables: the directory of 32-bit
 * programs is known only by the name of the other one.
 */
export function windowsSystemDirectories({ SystemRoot, ProgramFiles }: NodeJS.ProcessEnv): readonly string[] {
  const programs = ProgramFiles?.replace(/ \(x86\)$/i, "");
  return [SystemRoot, programs, programs && `${programs} (x86)`].filter((directory) => directory !== undefined);
}

/**
 * The configured directory; else `output` in the working directory; else `Pictures/minimax-image-mcp` in the home
 * directory. Desktop clients start servers where nothing should be saved: in a filesystem root, a Windows system
 * directory, a program's own directory, or one that is not writable. Creates nothing.
 *
 * @param configured - `MINIMAX_OUTPUT_DIR`, absolute
 * @throws ConfigurationError when that is needed and there is none
 */
export async function chooseBaseDirectory(
  configured: string | undefined,
  {
    workingDirectory,
    homeDirectory,
    systemDirectories,
  }: Directories & { readonly systemDirectories: readonly string[] },
  path: PlatformPath = nodePath,
): Promise<Pick<Places, "base" | "defaultDirectory" | "fallbackNotice">> {
  if (configured !== undefined) return { base: configured, defaultDirectory: configured };
  if (workingDirectory !== undefined && (await isPlaceToSave(workingDirectory, systemDirectories, path))) {
    return { base: workingDirectory, defaultDirectory: path.join(workingDirectory, "output") };
  }
  const start =
    workingDirectory === undefined
      ? "in a directory that has been deleted"
      : `in ${workingDirectory}, which is not writable or not meant for user files`;
  if (homeDirectory === undefined) {
    throw new ConfigurationError(
      `The server cannot start: it was started ${start}, and this user has no home directory. Set MINIMAX_OUTPUT_DIR to the absolute path of the directory to save in.`,
    );
  }
  const fallback = path.join(homeDirectory, "Pictures", "minimax-image-mcp");
  const fallbackNotice = `The server was started ${start}, so files go to ${fallback}. Set MINIMAX_OUTPUT_DIR to choose another place.`;
  return { base: fallback, defaultDirectory: fallback, fallbackNotice };
}

async function isPlaceToSave(
  directory: string,
  systemDirectories: readonly string[],
  path: PlatformPath,
): Promise<boolean> {
  const isRoot = path.parse(directory).root === directory;
  const lower = directory.toLowerCase();
  const isSystem = systemDirectories.some((system) => isInside(system.toLowerCase(), lower, path));
  const isProgram = PROGRAM_DIRECTORY[path.sep].test(directory);
  return !isRoot && !isSystem && !isProgram && (await isWritable(directory));
}

async function isWritable(directory: string): Promise<boolean> {
  try {
    await access(directory, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
