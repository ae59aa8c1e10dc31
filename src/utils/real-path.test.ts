import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { resolveOutputDirectory } from "./output-directory.ts";
import { exists, PLATFORM, realpath, realPathOf } from "./real-path.ts";

const isWindows = process.platform === "win32";
const ROUNDS = 200;
const CALLS = 4;

test("the missing part of a path is kept as it is written", async () => {
  await using directory = await temporaryDirectory();
  await mkdir(join(directory.path, "cats"));
  await symlink(join(directory.path, "cats"), join(directory.path, "link"), "junction");

  expect(await realPathOf(join(directory.path, "link", "new", "Deep"))).toBe(
    join(directory.path, "cats", "new", "Deep"),
  );
});

test.skipIf(isWindows)("a link to nowhere exists, and has no real path", async () => {
  await using directory = await temporaryDirectory();
  const link = join(directory.path, "link");
  await symlink(join(directory.path, "gone"), link);

  expect(await exists(link)).toBe(true);
  for (const path of [link, join(link, "below")]) await expect(realPathOf(path)).rejects.toThrow("ENOENT");
});

test.skipIf(isWindows)("an error other than ENOENT is passed on", async () => {
  await using directory = await temporaryDirectory();
  const below = join(directory.path, "file", "below");
  await writeFile(join(directory.path, "file"), "");

  await expect(realPathOf(below)).rejects.toThrow("ENOTDIR");
  await expect(exists(below)).rejects.toThrow("ENOTDIR");
});

const failing = (code: string) => (): Promise<string> =>
  Promise.reject(Object.assign(new Error(`${code}: illegal operation, realpath`), { code }));

test.each(["EISDIR", "UNKNOWN", "EINVAL"])("where the system's realpath says %s, Node's own is asked", async (code) => {
  await using directory = await temporaryDirectory();
  const target = join(directory.path, "cats");
  await mkdir(target);
  await symlink(target, join(directory.path, "link"), "junction");

  expect(await realpath(join(directory.path, "link"), failing(code))).toBe(target);
  await expect(realpath(join(directory.path, "gone"), failing(code))).rejects.toThrow("ENOENT");
});

test.each(["ENOENT", "EACCES", "ELOOP", "EIO"])("the system's %s is the answer", async (code) => {
  await using directory = await temporaryDirectory();

  await expect(realpath(directory.path, failing(code))).rejects.toThrow(code);
});

test("a directory that is made between two looks is found", async () => {
  await using directory = await temporaryDirectory();
  const target = join(directory.path, "cats");
  const looks: string[] = [];
  const platform = {
    ...PLATFORM,
    realpath: async (path: string): Promise<string> => {
      looks.push(basename(path));
      try {
        return await PLATFORM.realpath(path);
      } finally {
        if (looks.length === 1) await mkdir(target);
      }
    },
  };

  expect(await realPathOf(target, platform)).toBe(target);
  expect(looks).toEqual(["cats", "cats"]);
});

test("calls that make the same directories at once all get them", async () => {
  await using directory = await temporaryDirectory();
  const places = { base: directory.path, defaultDirectory: directory.path, homeDirectory: undefined };
  const resolve = (requested: string): Promise<string> => resolveOutputDirectory({ ...places, requested });

  for (let round = 0; round < ROUNDS; round += 1) {
    const requested = join(String(round), "a", "b");

    const resolved = await Promise.all(Array.from({ length: CALLS }, () => resolve(requested)));

    expect(resolved).toEqual(Array(CALLS).fill(join(directory.path, requested)));
  }
  expect(await readdir(directory.path)).toHaveLength(ROUNDS);
});
