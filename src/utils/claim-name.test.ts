import { link, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type TemporaryDirectory, temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { claimName, isNameTaken } from "./claim-name.ts";

const WITHOUT_LINKS = [
  "EPERM",
  "ENOTSUP",
  "ENOSYS",
  "EMLINK",
  "EACCES",
  "EIO",
  "ESTALE",
  "ENOSPC",
  "ETIMEDOUT",
  "UNHEARD_OF",
];

interface Paths {
  readonly temporary: string;
  readonly path: string;
}

async function finishedFile({ path }: TemporaryDirectory, content = "an image"): Promise<Paths> {
  const temporary = join(path, ".a.tmp");
  await writeFile(temporary, content);
  return { temporary, path: join(path, "hero.jpeg") };
}

function failingWith(code: string): typeof link {
  return () => Promise.reject(Object.assign(new Error(`${code}: no`), { code }));
}

const waysToLink: readonly (readonly [string, typeof link])[] = [
  ["with hard links", link],
  ...WITHOUT_LINKS.map((code) => [`without hard links (${code})`, failingWith(code)] as const),
];

describe.each(waysToLink)("on a filesystem %s", (_kind, makeLink) => {
  test("a finished file gets its name, with every byte", async () => {
    await using directory = await temporaryDirectory();
    const { temporary, path } = await finishedFile(directory);

    expect(await claimName(temporary, path, makeLink)).toBe(true);

    expect(await readFile(path, "utf8")).toBe("an image");
  });

  test("a name that is taken is left alone, and so is the finished file", async () => {
    await using directory = await temporaryDirectory();
    const { temporary, path } = await finishedFile(directory);
    await writeFile(path, "somebody else's");

    expect(await claimName(temporary, path, makeLink)).toBe(false);

    expect(await readFile(path, "utf8")).toBe("somebody else's");
    expect(await readFile(temporary, "utf8")).toBe("an image");
  });

  test("the name of a directory is taken", async () => {
    await using directory = await temporaryDirectory();
    const { temporary, path } = await finishedFile(directory);
    await mkdir(path);

    expect(await claimName(temporary, path, makeLink)).toBe(false);

    expect(await readdir(path)).toEqual([]);
  });

  test("of many that want one name, one gets it and no other", async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "hero.jpeg");
    const names = Array.from({ length: 10 }, (_, index) => String(index));
    const claims = await Promise.all(
      names.map(async (name) => {
        const temporary = join(directory.path, `.${name}.tmp`);
        await writeFile(temporary, name);
        return { name, hasClaimed: await claimName(temporary, path, makeLink) };
      }),
    );

    const winners = claims.filter(({ hasClaimed }) => hasClaimed);
    expect(winners).toHaveLength(1);
    expect(await readFile(path, "utf8")).toBe(winners[0]?.name);
  });

  test("a file that is not there gets no name, and nothing is left of the attempt", async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "hero.jpeg");

    await expect(claimName(join(directory.path, "missing.tmp"), path, makeLink)).rejects.toHaveProperty(
      "code",
      "ENOENT",
    );

    expect(await readdir(directory.path)).toEqual([]);
  });

  test("a directory that is not there is reported", async () => {
    await using directory = await temporaryDirectory();
    const { temporary } = await finishedFile(directory);

    await expect(claimName(temporary, join(directory.path, "gone", "hero.jpeg"), makeLink)).rejects.toHaveProperty(
      "code",
      "ENOENT",
    );

    expect(await readdir(directory.path)).toEqual([".a.tmp"]);
  });
});

test("hard links are used where nothing else is said: the finished file keeps its first name, too", async () => {
  await using directory = await temporaryDirectory();
  const { temporary, path } = await finishedFile(directory);

  expect(await claimName(temporary, path)).toBe(true);

  expect(await readFile(temporary, "utf8")).toBe("an image");
});

test("a name that the link finds taken is not looked at again", async () => {
  await using directory = await temporaryDirectory();
  const { temporary, path } = await finishedFile(directory);

  expect(await claimName(temporary, path, failingWith("EEXIST"))).toBe(false);

  expect(await readdir(directory.path)).toEqual([".a.tmp"]);
});

test("a name is seen to be taken by a file and a directory, and not by nothing", async () => {
  await using directory = await temporaryDirectory();
  const { temporary, path } = await finishedFile(directory);

  expect(await isNameTaken(temporary)).toBe(true);
  expect(await isNameTaken(directory.path)).toBe(true);
  expect(await isNameTaken(path)).toBe(false);
});

test.skipIf(process.platform === "win32")("a name is seen to be taken by a link that leads nowhere", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "hero.jpeg");
  await symlink(join(directory.path, "gone"), path);

  expect(await isNameTaken(path)).toBe(true);
});
