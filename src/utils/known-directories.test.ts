import path from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { parseConfig } from "../config.ts";
import { resolveOutputDirectory } from "./output-directory.ts";
import { chooseOutputRoot } from "./output-root.ts";
import { expandHome, firstKnownDirectory } from "./paths.ts";
import { readLocalImage } from "./reference-file.ts";

const KEY = { MINIMAX_API_KEY: "sk-key" };
const NOWHERE = { workingDirectory: undefined, homeDirectory: undefined };
const fails = (): string => {
  throw new Error("uv_os_homedir returned ENOENT");
};

test.each<readonly [readonly (() => string)[], string | undefined]>([
  [[(): string => "/home/me"], "/home/me"],
  [[(): string => "", (): string => "/home/me"], "/home/me"],
  [[(): string => "relative", (): string => "/home/me"], "/home/me"],
  [[fails, (): string => "/home/me"], "/home/me"],
  [[fails, (): string => ""], undefined],
])("the first directory that is absolute is the known one (case %#)", (sources, known) => {
  expect(firstKnownDirectory(sources, path.posix)).toBe(known);
});

test("only a path below ~ needs a home directory", () => {
  expect(expandHome("images", undefined)).toBe("images");
  expect(expandHome("~other/images", undefined)).toBe("~other/images");
  expect(expandHome("~/images", undefined)).toBeUndefined();
  expect(expandHome("~", undefined)).toBeUndefined();
});

test("an absolute MINIMAX_OUTPUT_DIR needs neither a home nor a working directory", async () => {
  const configured = path.resolve("/images");
  const config = parseConfig({ ...KEY, MINIMAX_OUTPUT_DIR: configured }, NOWHERE);

  expect(config.outputDirectory).toBe(configured);
  expect(await chooseOutputRoot({ ...NOWHERE, configured, systemDirectories: [] })).toEqual({
    base: configured,
    defaultDirectory: configured,
  });
});

test("each variable that needs a directory the system does not know is named in one message", () => {
  const env = { ...KEY, MINIMAX_OUTPUT_DIR: "~/images", MINIMAX_REFERENCE_DIRS: "faces", MINIMAX_RPM: "many" };

  expect(() => parseConfig(env, NOWHERE)).toThrow(
    /MINIMAX_RPM [^]*MINIMAX_OUTPUT_DIR begins with ~, and this user has no home directory[^]*MINIMAX_REFERENCE_DIRS is relative, and the working directory has been deleted/,
  );
});

test("without a working directory files go to the home directory, and the notice says why", async () => {
  const root = await chooseOutputRoot({
    configured: undefined,
    workingDirectory: undefined,
    homeDirectory: path.resolve("/home/me"),
    systemDirectories: [],
  });

  expect(root.base).toBe(path.resolve("/home/me/Pictures/minimax-image-mcp"));
  expect(root.fallbackNotice).toContain("started in a directory that has been deleted, so files go to");
});

test("without a working directory and a home directory the message says what to set", async () => {
  for (const workingDirectory of [undefined, path.parse(process.cwd()).root]) {
    await expect(
      chooseOutputRoot({ ...NOWHERE, workingDirectory, configured: undefined, systemDirectories: [] }),
    ).rejects.toThrow("Set MINIMAX_OUTPUT_DIR to the absolute path");
  }
});

test("a call that names a path below ~ is refused where there is no home directory", async () => {
  await using directory = await temporaryDirectory();
  const base = directory.path;

  await expect(resolveOutputDirectory("~/images", { base, defaultDirectory: base }, undefined)).rejects.toMatchObject({
    message: 'output_dir "~/images" begins with ~, and the user of the server has no home directory.',
    details: {
      recovery: "No request was made. Give an absolute path, or one that is relative to the base directory.",
    },
  });
  await expect(
    readLocalImage("~/face.png", "image_file", { base, directories: [], homeDirectory: undefined }, 1000),
  ).rejects.toThrow("image_file: begins with ~");
});
