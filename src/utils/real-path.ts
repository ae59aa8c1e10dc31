import { realpath as resolveByNode } from "node:fs";
import { type FileHandle, lstat, mkdir, readlink, realpath as resolveBySystem } from "node:fs/promises";
import nodePath, { type PlatformPath } from "node:path";
import { promisify } from "node:util";
import { systemCode } from "../text/text.ts";

/** A file is known by its device and its number there. */
export interface FileId {
  readonly dev: bigint;
  readonly ino: bigint;
}

/**
 * The path rules and the file system that decide where a path leads. Handed in, those of Windows can be tried anywhere.
 */
export interface Platform {
  readonly path: PlatformPath;
  /** Resolves links, and gives the spelling that the disk has. */
  readonly realpath: (path: string) => Promise<string>;
  readonly lstat: (path: string) => Promise<FileId>;
  readonly mkdir: (path: string) => Promise<unknown>;
  /** Where an open file lies; undefined where the system does not say. */
  readonly pathOf: (file: FileHandle) => Promise<string | undefined>;
}

const resolveLevelByLevel = promisify(resolveByNode);
const UNABLE: ReadonlySet<string | undefined> = new Set(["EISDIR", "UNKNOWN", "EINVAL"]);

/**
 * Windows cannot resolve paths on some drives: RAM disks say EISDIR, cloud drives UNKNOWN. There Node does it itself,
 * level by level.
 *
 * @param bySystem - the system's own way
 */
export async function realpath(
  path: string,
  bySystem: (path: string) => Promise<string> = resolveBySystem,
): Promise<string> {
  try {
    return await bySystem(path);
  } catch (error) {
    if (!UNABLE.has(systemCode(error))) throw error;
    return resolveLevelByLevel(path);
  }
}

/** Only Linux says it. Source: proc_pid_fd(5). */
async function pathOf({ fd }: FileHandle): Promise<string | undefined> {
  return process.platform === "linux" ? readlink(`/proc/self/fd/${fd}`).catch(() => undefined) : undefined;
}

/** The platform that the process runs on. */
export const PLATFORM: Platform = {
  path: nodePath,
  realpath: (path) => realpath(path),
  lstat: (path) => lstat(path, { bigint: true }),
  mkdir,
  pathOf,
};

/**
 * Resolves the links of the part of a path that exists, and appends the rest as it is written. A directory that another
 * call makes meanwhile is asked for once more.
 *
 * @throws the system's error for a link that leads nowhere, a drive that is not there, or a path that it refuses
 */
export async function realPathOf(target: string, platform: Platform = PLATFORM): Promise<string> {
  const { path } = platform;
  try {
    return await platform.realpath(target);
  } catch (error) {
    const parent = path.dirname(target);
    if (systemCode(error) !== "ENOENT" || parent === target) throw error;
    if (await exists(target, platform)) return platform.realpath(target);
    return path.join(await realPathOf(parent, platform), path.basename(target));
  }
}

/** Whether there is anything of that name, be it a link that leads nowhere. */
export async function exists(target: string, { lstat }: Platform = PLATFORM): Promise<boolean> {
  try {
    await lstat(target);
    return true;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return false;
    throw error;
  }
}
