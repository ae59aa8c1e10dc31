import { access, constants } from "node:fs/promises";
import nodePath, { type PlatformPath } from "node:path";
import { isInside } from "./paths.ts";

/** Where files may be saved. Both are absolute. */
export interface OutputRoot {
  /** Nothing is ever written outside it. */
  readonly base: string;
  /** Where files go when the call does not say. */
  readonly defaultDirectory: string;
  /** Why files do not go to the working directory, when nobody chose that; a sentence for the person. */
  readonly fallbackNotice?: string;
}

/** What `chooseOutputRoot` decides by. */
export interface OutputRootSources {
  /** `MINIMAX_OUTPUT_DIR`, absolute. */
  readonly configured: string | undefined;
  readonly workingDirectory: string;
  readonly homeDirectory: string;
  /** Where Windows keeps itself and its programs (`%SystemRoot%`, `%ProgramFiles%`); empty elsewhere. */
  readonly systemDirectories: readonly string[];
}

/**
 * The configured directory; else `output` in the working directory; else, where that is no place to save (a filesystem
 * root, a Windows system directory, not writable: desktop clients start servers there), `Pictures/minimax-image-mcp` in
 * the home directory. Creates nothing.
 */
export async function chooseOutputRoot(
  { configured, workingDirectory, homeDirectory, systemDirectories }: OutputRootSources,
  path: PlatformPath = nodePath,
): Promise<OutputRoot> {
  if (configured !== undefined) return { base: configured, defaultDirectory: configured };
  const isRoot = path.parse(workingDirectory).root === workingDirectory;
  const isSystem = systemDirectories.some((directory) => isInside(directory, workingDirectory, path));
  if (!isRoot && !isSystem && (await isWritable(workingDirectory))) {
    return { base: workingDirectory, defaultDirectory: path.join(workingDirectory, "output") };
  }
  const pictures = path.join(homeDirectory, "Pictures", "minimax-image-mcp");
  const fallbackNotice = `The server was started in ${workingDirectory}, which is not writable or not meant for user files, so files go to ${pictures}. Set MINIMAX_OUTPUT_DIR to choose another place.`;
  return { base: pictures, defaultDirectory: pictures, fallbackNotice };
}

async function isWritable(directory: string): Promise<boolean> {
  try {
    await access(directory, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
