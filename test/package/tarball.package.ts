import { readdir, readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import process from "node:process";
import sharp from "sharp";
import { beforeAll, expect, test } from "vitest";
import manifest from "../../package.json";
import { startStandIn } from "../../stand-in/server.ts";
import { outputOf, spawnServer } from "../support/server.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";
import { npm, npmCommand, TARBALL } from "./npm.ts";

const SCRIPTS = ["index.js", "proxy.js", "server.js", "view.js"];

let home: TemporaryDirectory;

beforeAll(async () => {
  home = await temporaryDirectory();
  await npm(home.path, "install", resolve(TARBALL), "--no-audit", "--no-fund");
  return () => home[Symbol.asyncDispose]();
});

const installed = (...path: readonly string[]): string => join(home.path, "node_modules", manifest.name, ...path);

test("the package is a few files under a megabyte without dependencies", async () => {
  const entries = await readdir(installed(), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(files.map(async ({ name, parentPath }) => (await stat(join(parentPath, name))).size));
  const packages = (await readdir(join(home.path, "node_modules"))).filter((name) => !name.startsWith("."));

  const expected = [...SCRIPTS, "LICENSE", "README.md", "THIRD-PARTY-LICENSES.txt", "package.json"];
  expect(files.map(({ name }) => name).toSorted()).toEqual(expected.toSorted());
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(1_000_000);
  expect(packages).toEqual([manifest.name]);
});

test("the package names the licence of every library in it", async () => {
  const licenses = await readFile(installed("dist", "THIRD-PARTY-LICENSES.txt"), "utf8");

  for (const library of ["@modelcontextprotocol/sdk", "undici", "zod"]) {
    expect(licenses).toMatch(new RegExp(`^${library} \\d+\\.\\d+\\.\\d+ \\(MIT\\)$`, "m"));
  }
  expect(licenses).toContain("Permission is hereby granted");
});

test.each(SCRIPTS)("no path of the machine it was built on is in %s", async (file) => {
  expect(await readFile(installed("dist", file), "utf8")).not.toContain(process.cwd());
});

test("the package starts by its command, and generates images", async () => {
  await using api = await startStandIn();
  await using server = await spawnServer({
    api,
    env: { PATH: process.env["PATH"] ?? "", HOME: home.path, npm_config_offline: "true" },
    command: [process.execPath, npmCommand(), "--prefix", home.path, "exec", "--", manifest.name],
  });

  const result = await server.generate({ prompt: "a cat", n: 2, aspect_ratio: "16:9" });

  expect(server.client.getServerVersion()).toMatchObject({ name: manifest.name, version: manifest.version });
  const { file_paths } = outputOf(result);
  expect(file_paths).toHaveLength(2);
  for (const path of file_paths) expect(await sharp(path).metadata()).toMatchObject({ width: 1280, height: 720 });
});
