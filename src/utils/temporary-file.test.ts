import { link, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { claimName, removeFile, temporaryPath } from "./temporary-file.ts";

test("a temporary path has a new name that is as long as asked for", () => {
  const names = [0, 41, 42, 143].map((bytes) => basename(temporaryPath("pictures", bytes)));

  expect(names.map((name) => name.length)).toEqual([41, 41, 42, 143]);
  expect(new Set(names.map((name) => name.slice(0, 41))).size).toBe(4);
});

test("only a file is removed, which may be missing", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "mine.tmp");
  for (const name of ["mine.tmp", "yours.tmp"]) await writeFile(join(directory.path, name), "");

  await removeFile(path);
  await removeFile(path);
  await expect(removeFile(directory.path)).rejects.toHaveProperty("code", "ERR_FS_EISDIR");

  expect(await readdir(directory.path)).toEqual(["yours.tmp"]);
});

interface Paths extends AsyncDisposable {
  readonly directory: string;
  readonly temporary: string;
  readonly path: string;
}

async function finishedFile(): Promise<Paths> {
  const directory = await temporaryDirectory();
  const temporary = join(directory.path, ".a.tmp");
  await writeFile(temporary, "an image");
  return {
    directory: directory.path,
    temporary,
    path: join(directory.path, "hero.jpeg"),
    [Symbol.asyncDispose]: () => Promise.resolve(directory[Symbol.asyncDispose]()),
  };
}

function failingWith(code: string): typeof link {
  return () => Promise.reject(Object.assign(new Error(`${code}: no`), { code }));
}

test.each(["EPERM", "ENOTSUP", "UNHEARD_OF"])("a file gets its name where links are refused with %s", async (code) => {
  await using file = await finishedFile();

  expect(await claimName(file.temporary, file.path, failingWith(code))).toBe(true);

  expect(await readFile(file.path, "utf8")).toBe("an image");
  expect(await readdir(file.directory)).toEqual(["hero.jpeg"]);
});

test("a file gets its name by a hard link where the file system has them", async () => {
  await using file = await finishedFile();

  expect(await claimName(file.temporary, file.path)).toBe(true);

  expect(await readFile(file.path, "utf8")).toBe("an image");
  expect(await readFile(file.temporary, "utf8")).toBe("an image");
});

describe.each([
  ["with links", link],
  ["without links", failingWith("EPERM")],
])("%s", (_kind, makeLink) => {
  test.each<[string, (path: string) => Promise<unknown>]>([
    ["a file", (path) => writeFile(path, "mine")],
    ["a directory", (path) => mkdir(path)],
    ["a link to nowhere", (path) => symlink(`${path}-gone`, path, "junction")],
  ])("a name taken by %s is left alone", async (_case, take) => {
    await using file = await finishedFile();
    await take(file.path);

    expect(await claimName(file.temporary, file.path, makeLink)).toBe(false);

    expect((await readdir(file.directory)).toSorted()).toEqual([".a.tmp", "hero.jpeg"]);
    expect(await readFile(file.temporary, "utf8")).toBe("an image");
    expect(await readFile(file.path, "utf8").catch(() => "mine")).toBe("mine");
  });

  test("of ten files that want one name one gets it", async () => {
    await using file = await finishedFile();
    const claims = await Promise.all(
      Array.from({ length: 10 }, async (_, index) => {
        const temporary = join(file.directory, `.${index}.tmp`);
        await writeFile(temporary, String(index));
        return { name: String(index), hasClaimed: await claimName(temporary, file.path, makeLink) };
      }),
    );

    const winners = claims.filter(({ hasClaimed }) => hasClaimed);
    expect(winners).toHaveLength(1);
    expect(await readFile(file.path, "utf8")).toBe(winners[0]?.name);
  });

  test.each([
    ["file", "missing.tmp", "hero.jpeg"],
    ["directory", ".a.tmp", join("gone", "hero.jpeg")],
  ])("a missing %s is reported, and nothing is left", async (_case, temporary, path) => {
    await using file = await finishedFile();

    const claiming = claimName(join(file.directory, temporary), join(file.directory, path), makeLink);

    await expect(claiming).rejects.toHaveProperty("code", "ENOENT");
    expect(await readdir(file.directory)).toEqual([".a.tmp"]);
  });
});
