import { mkdir, readdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { removeFile, temporaryPath } from "./temporary-file.ts";

test("a temporary path has a new name that is as long as asked for", () => {
  const names = [0, 41, 42, 143].map((bytes) => basename(temporaryPath("pictures", bytes)));

  expect(names.map((name) => name.length)).toEqual([41, 41, 42, 143]);
  expect(new Set(names.map((name) => name.slice(0, 41))).size).toBe(4);
});

test("removing a file leaves the others", async () => {
  await using directory = await temporaryDirectory();
  await writeFile(join(directory.path, "mine.tmp"), "mine");
  await writeFile(join(directory.path, "yours.tmp"), "yours");

  await removeFile(join(directory.path, "mine.tmp"));

  expect(await readdir(directory.path)).toEqual(["yours.tmp"]);
});

test("removing a missing file succeeds", async () => {
  await using directory = await temporaryDirectory();

  await expect(removeFile(join(directory.path, "gone.tmp"))).resolves.toBeUndefined();
});

test("removing a directory is refused", async () => {
  await using directory = await temporaryDirectory();
  await mkdir(join(directory.path, "cats"));
  await writeFile(join(directory.path, "cats", "one.jpeg"), "one");

  await expect(removeFile(join(directory.path, "cats"))).rejects.toHaveProperty("code", "ERR_FS_EISDIR");

  expect(await readdir(join(directory.path, "cats"))).toEqual(["one.jpeg"]);
});
