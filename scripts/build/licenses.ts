import { readdir, readFile } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { z } from "zod";

const PACKAGE_DIRECTORY = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/;
const LICENSE_FILE = /^(?:licen[cs]e|notice)\b/i;
const manifestSchema = z.object({ name: z.string(), version: z.string(), license: z.string() });

/**
 * The licences of all packages that the files come from, as one text.
 *
 * @param files - absolute paths; what lies outside the `node_modules` of the project is not third-party
 * @param project - the project's directory
 * @throws when a package has no licence file: then it must not be shipped
 */
export async function thirdPartyLicenses(files: readonly string[], project = resolve()): Promise<string> {
  const paths = files.map((file) => relative(project, file).replaceAll(sep, "/"));
  const directories = new Set(paths.flatMap((path) => PACKAGE_DIRECTORY.exec(path)?.[0] ?? []));
  const entries = await Promise.all(
    [...directories].toSorted().map((directory) => licenseOf(join(project, directory))),
  );
  return `The files server.js and proxy.js contain code of these packages.\n\n${entries.join(`\n${"-".repeat(80)}\n\n`)}`;
}

async function licenseOf(directory: string): Promise<string> {
  const manifest: unknown = JSON.parse(await readFile(join(directory, "package.json"), "utf8"));
  const { name, version, license } = manifestSchema.parse(manifest);
  const files = (await readdir(directory)).filter((file) => LICENSE_FILE.test(file));
  if (files.length === 0) throw new Error(`${name} has no licence file.`);
  const texts = await Promise.all(files.map((file) => readFile(join(directory, file), "utf8")));
  return `${name} ${version} (${license})\n\n${texts.map((text) => text.trim()).join("\n\n")}\n`;
}
