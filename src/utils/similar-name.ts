import { opendir } from "node:fs/promises";
import nodePath from "node:path";
import { isInsideAny } from "./open-inside.ts";
import { realpath } from "./real-path.ts";

/**
 * The path of the one entry of the directory whose name is the same to a reader: macOS writes a narrow no-break space
 * into the names of screenshots where people and models write a space, and the same letter can be encoded in two ways.
 * Compared after NFKC, with runs of white space folded into one space.
 *
 * @param path - absolute; nothing of that name is there
 * @param directories - absolute; only what lies in one of them after resolving symlinks is listed
 * @returns undefined when there is no such entry, more than one, or more entries than are looked through
 * @throws the file system's error about the directory
 */
export async function similarName(
  path: string,
  directories: readonly string[],
  entriesMax = 100_000,
): Promise<string | undefined> {
  const directory = await realpath(nodePath.dirname(path));
  if (!(await isInsideAny(directory, directories))) return undefined;
  const wanted = folded(nodePath.basename(path));
  const found: string[] = [];
  let seen = 0;
  for await (const entry of await opendir(directory)) {
    seen += 1;
    if (folded(entry.name) === wanted) found.push(entry.name);
    if (seen > entriesMax || found.length > 1) return undefined;
  }
  return found[0] === undefined ? undefined : nodePath.join(directory, found[0]);
}

function folded(name: string): string {
  return name.normalize("NFKC").replace(/\s+/g, " ");
}
