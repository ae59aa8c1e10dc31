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

const SIZE_LIMIT_BYTES = 1_000_000;

let home: TemporaryDirectory;

beforeAll(async () => {
  home = await temporaryDirectory();
  await npm(home.path, "install", resolve(TARBALL), "--no-audit", "--no-fund");
  return () => home[Symbol.asyncDispose]();
});

const installed = (...path: readonly string[]): string => join(home.path, "node_modules", manifest.name, ...path);

test("the package is a few files, and brings no dependencies along", async () => {
  const files = (await readdir(installed(), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);

  expect(files.toSorted()).toEqual([
    "LICENSE",
    "README.md",
    "THIRD-PARTY-LICENSES.txt",
    "index.js",
    "package.json",
    "proxy.js",
    "server.js",
    "view.js",
  ]);
  expect((await readdir(join(home.path, "node_modules"))).filter((name) => !name.startsWith("."))).toEqual([
    manifest.name,
  ]);
});

test("the package stays under a megabyte", async () => {
  const files = (await readdir(installed(), { recursive: true })).map((file) => installed(file));
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));

  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(SIZE_LIMIT_BYTES);
});

test("the package names the licence of every library in it", async () => {
  const licenses = await readFile(installed("dist", "THIRD-PARTY-LICENSES.txt"), "utf8");

  for (const library of ["@modelcontextprotocol/sdk", "undici", "zod"]) {
    expect(licenses).toMatch(new RegExp(`^${library} \\d+\\.\\d+\\.\\d+ \\(MIT\\)$`, "m"));
  }
  expect(licenses).toContain("Permission is hereby granted");
});

test.each(["index.js", "server.js", "proxy.js", "view.js"])(
  "no path of the machine it was built on is in %s",
  async (file) => {
    expect(await readFile(installed("dist", file), "utf8")).not.toContain(process.cwd());
  },
);

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

test("the package's command is run by Node where the first line is read", async () => {
  expect((await readFile(installed("dist", "index.js"), "utf8")).startsWith("#!/usr/bin/env node\n")).toBe(true);
});
