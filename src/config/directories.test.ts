import path, { delimiter, resolve } from "node:path";
import { expect, test } from "vitest";
import { type Config, parseConfig } from "./config.ts";
import { firstKnownDirectory } from "./directories.ts";

const KEY = "sk-api-0123456789abcdef";
const WORKING = resolve("/srv/site");
const HOME = resolve("/home/ada");
const NOWHERE = { workingDirectory: undefined, homeDirectory: undefined };

function configOf(environment: NodeJS.ProcessEnv, known = true): Config {
  const directories = known ? { workingDirectory: WORKING, homeDirectory: HOME } : NOWHERE;
  return parseConfig({ MINIMAX_API_KEY: KEY, ...environment }, directories);
}

test.each([
  ["pictures", resolve(WORKING, "pictures")],
  ["../shared", resolve(WORKING, "..", "shared")],
  [` ${resolve("/srv/my pictures")}\n`, resolve("/srv/my pictures")],
  ["~/Pictures", resolve(HOME, "Pictures")],
])("a directory setting: %j is %s", (text, directory) => {
  expect(configOf({ MINIMAX_OUTPUT_DIR: text }).outputDirectory).toBe(directory);
  expect(configOf({ MINIMAX_REFERENCE_DIRS: text }).referenceDirectories).toEqual([directory]);
});

test("a list of directories is separated as in PATH, without blank parts", () => {
  const parts = ["", " faces ", "  ", "~/Pictures", resolve("/srv/more"), ""];

  expect(configOf({ MINIMAX_REFERENCE_DIRS: parts.join(delimiter) }).referenceDirectories).toEqual([
    resolve(WORKING, "faces"),
    resolve(HOME, "Pictures"),
    resolve("/srv/more"),
  ]);
  expect(configOf({ MINIMAX_REFERENCE_DIRS: delimiter }).referenceDirectories).toEqual([]);
});

test.runIf(process.platform === "win32")("a name that is invalid on Windows is refused", () => {
  expect(() => configOf({ MINIMAX_OUTPUT_DIR: "cats\\CON" })).toThrow("MINIMAX_OUTPUT_DIR contains a name that is not");
});

test("a setting that needs an unknown directory is refused", () => {
  expect(configOf({ MINIMAX_OUTPUT_DIR: resolve("/images") }, false).outputDirectory).toBe(resolve("/images"));
  const environment = { MINIMAX_OUTPUT_DIR: "~/images", MINIMAX_REFERENCE_DIRS: "faces" };

  expect(() => configOf(environment, false)).toThrow(
    [
      "- MINIMAX_OUTPUT_DIR begins with ~, and this user has no home directory: give an absolute path.",
      "- MINIMAX_REFERENCE_DIRS is relative, and the working directory has been deleted: give an absolute path.",
    ].join("\n"),
  );
});

const fails = (): string => {
  throw new Error("uv_os_homedir returned ENOENT");
};

test.each<readonly [readonly (() => string)[], string | undefined]>([
  [[(): string => "/home/me"], "/home/me"],
  [[(): string => "relative", (): string => "/home/me"], "/home/me"],
  [[fails, (): string => "/home/me"], "/home/me"],
  [[fails, (): string => ""], undefined],
])("the first absolute directory is the known one (case %#)", (sources, known) => {
  expect(firstKnownDirectory(sources, path.posix)).toBe(known);
});
