import { mkdir, open, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { exists, PLATFORM, realpath, realPathOf } from "./real-path.ts";

const isWindows = process.platform === "win32";

const failing = (code: string) => (): Promise<string> =>
  Promise.reject(Object.assign(new Error(`${code}: illegal operation, realpath`), { code }));

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

test("what cannot be resolved for another reason is not taken to be missing", async () => {
  await using directory = await temporaryDirectory();
  const target = join(directory.path, "cats");
  const platform = {
    ...PLATFORM,
    realpath: (path: string): Promise<string> => (path === target ? failing("EACCES")() : PLATFORM.realpath(path)),
  };

  await expect(realPathOf(target, platform)).rejects.toThrow("EACCES");
});

test.skipIf(isWindows)("whether there is something below a file is an error", async () => {
  await using directory = await temporaryDirectory();
  await writeFile(join(directory.path, "file"), "");

  await expect(exists(join(directory.path, "file", "below"))).rejects.toThrow("ENOTDIR");
});

test.each(["EISDIR", "UNKNOWN", "EINVAL"])("where the system's realpath says %s, Node's own is asked", async (code) => {
  await using directory = await temporaryDirectory();
  const target = join(directory.path, "cats");
  await mkdir(target);
  await symlink(target, join(directory.path, "link"), "junction");

  expect(await realpath(join(directory.path, "link"), failing(code))).toBe(target);
  await expect(realpath(join(directory.path, "gone"), failing(code))).rejects.toThrow("ENOENT");
});

test.each(["ENOENT", "EACCES"])("the system's %s is the answer", async (code) => {
  await expect(realpath(import.meta.dirname, failing(code))).rejects.toThrow(code);
});

test("a directory that is made between two looks is found", async () => {
  await using directory = await temporaryDirectory();
  const target = join(directory.path, "cats");
  let looks = 0;
  const platform = {
    ...PLATFORM,
    realpath: async (path: string): Promise<string> => {
      looks += 1;
      if (looks > 1) return PLATFORM.realpath(path);
      await mkdir(target);
      return failing("ENOENT")();
    },
  };

  expect(await realPathOf(target, platform)).toBe(target);
  expect(looks).toBe(2);
});

test("where an open file lies is known on Linux alone", async () => {
  const file = await open(import.meta.filename);
  const path = await PLATFORM.pathOf(file);
  await file.close();

  expect(path).toBe(process.platform === "linux" ? import.meta.filename : undefined);

  expect(await PLATFORM.pathOf(file)).toBeUndefined();
});
