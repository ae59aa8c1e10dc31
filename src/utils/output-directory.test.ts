import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rename, symlink, writeFile } from "node:fs/promises";
import nodePath, { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { evaluating } from "../../test/support/evaluating.ts";
import { failureOf } from "../../test/support/failure-of.ts";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { type WindowsDisk, windowsDisk } from "../../test/support/windows-disk.ts";
import { OutputDirectoryError } from "../errors.ts";
import type { Places } from "./base-directory.ts";
import { FILE_NAME_MAX_BYTES } from "./file-names.ts";
import { assertWritable, canBeWritten, resolveOutputDirectory } from "./output-directory.ts";
import { PLATFORM } from "./real-path.ts";

const isLinux = process.platform === "linux";
const isWindows = process.platform === "win32";
const LINUX_PATH_MAX_BYTES = 4096;
const MODULE = JSON.stringify(new URL("./output-directory.ts", import.meta.url).href);

interface Room extends AsyncDisposable {
  readonly base: string;
  readonly outside: string;
  readonly ask: (requested?: string, places?: Partial<Places>, platform?: typeof PLATFORM) => Promise<string>;
  readonly refusal: (...args: Parameters<Room["ask"]>) => Promise<OutputDirectoryError>;
  readonly everything: () => Promise<string[]>;
}

async function room(): Promise<Room> {
  const directory = await temporaryDirectory();
  const [base, outside] = [join(directory.path, "base"), join(directory.path, "outside")];
  for (const path of [base, outside]) await mkdir(path);
  const ask: Room["ask"] = async (requested, places, platform) => {
    const known = { base, homeDirectory: join(base, "home"), ...places };
    const resolved = await resolveOutputDirectory(
      { ...known, requested, defaultDirectory: join(known.base, "output") },
      platform,
    );
    await assertWritable(resolved, known.base);
    return resolved;
  };
  return {
    base,
    outside,
    ask,
    refusal: (...args) => refusalOf(ask(...args)),
    everything: async () => (await readdir(directory.path, { recursive: true })).toSorted(),
    [Symbol.asyncDispose]: () => Promise.resolve(directory[Symbol.asyncDispose]()),
  };
}

async function refusalOf(resolving: Promise<unknown>): Promise<OutputDirectoryError> {
  const failure = await failureOf(resolving);
  if (!(failure instanceof OutputDirectoryError)) throw failure;
  expect(failure.recovery).toMatch(/^No request was made\. ./);
  return failure;
}

async function run(script: string, ...wrapper: readonly string[]): Promise<string> {
  const [program = "", ...args] = [...wrapper, ...evaluating(script)];
  const { stdout } = await promisify(execFile)(program, args, { timeout: 40_000, killSignal: "SIGKILL" });
  return stdout.trim();
}

test.each<[string | undefined, string]>([
  [undefined, "output"],
  ["animals/cats/small", "animals/cats/small"],
  ["a/../b/./c/", "b/c"],
  [".", "."],
  ["..cats", "..cats"],
  ...(isWindows ? [] : [["...", "..."] satisfies [string, string]]),
  ["猫/my γάτες", "猫/my γάτες"],
  ["~bob", "~bob"],
  ["~", "home"],
  ["~/cats", "home/cats"],
])("the output directory %s is made inside the base", async (requested, expected) => {
  await using place = await room();

  const directory = await place.ask(requested);

  expect(directory).toBe(nodePath.resolve(place.base, expected));
  expect(await readdir(directory)).toEqual([]);
  expect(await place.ask(directory)).toBe(directory);
});

test("the base may be missing or the root of a drive", async () => {
  await using place = await room();
  const missing = join(place.base, "not", "yet");

  expect(await place.ask("cats", { base: missing })).toBe(join(missing, "cats"));
  expect(await place.ask(join(place.base, "cats"), { base: nodePath.parse(place.base).root })).toBe(
    join(place.base, "cats"),
  );
});

test.skipIf(isLinux)("an output directory is found in another case of its letters", async () => {
  await using place = await room();
  await mkdir(join(place.base, "Cats"));

  const directory = await place.ask(join(place.base.toUpperCase(), "cats"));

  expect(directory.toLowerCase()).toBe(join(place.base, "cats").toLowerCase());
  expect(await readdir(place.base)).toEqual(["Cats"]);
});

test.each<[string, (place: Room) => string]>([
  ["the parent", () => ".."],
  ["a neighbour", () => "../outside"],
  ["a new neighbour", () => "../new/deep"],
  ["a name that begins like the base", () => "../base-private"],
  ["a way down and up", () => "cats/../../outside"],
  ["an absolute neighbour", ({ outside }) => join(outside, "new")],
  ["the root", ({ base }) => nodePath.parse(base).root],
  ["NUL", () => "cats\0"],
  ["a home directory outside", () => "~"],
  ...(isLinux ? [["a device", (): string => "/dev/null/cats"] satisfies [string, () => string]] : []),
  ...(isWindows
    ? [
        ["another drive", (): string => "Q:cats"] satisfies [string, () => string],
        ["a share", (): string => "\\\\server\\share\\cats"] satisfies [string, () => string],
      ]
    : []),
])("%s is refused as outside, and nothing is made", async (_case, requested) => {
  await using place = await room();
  const before = await place.everything();

  const { message, recovery } = await place.refusal(requested(place), { homeDirectory: place.outside });

  expect(message).toContain(`is outside the base directory ${place.base}.`);
  expect(recovery).toContain("MINIMAX_OUTPUT_DIR");
  expect(await place.everything()).toEqual(before);
});

test("a refused path is quoted on one bounded line", async () => {
  await using place = await room();

  const { message } = await place.refusal(`../\x1b[31m\n${"x".repeat(5_000)}`);

  expect(message).toMatch(/^[^\p{Cc}]{1,1000}$/u);
});

test("a path below ~ is refused without a home directory", async () => {
  await using place = await room();

  const { message, recovery } = await place.refusal("~/cats", { homeDirectory: undefined });

  expect(message).toBe('output_dir "~/cats" begins with ~, and the user of the server has no home directory.');
  expect(recovery).toContain("Give an absolute path, or one that is relative to the base directory.");
});

test.each(["app/$postId", "{{cookiecutter.slug}}", "${HOME}", ...(isWindows ? [] : ["templates/<name>", "%NAME%"])])(
  "%s is an unfilled placeholder unless it is on the disk",
  async (name) => {
    await using place = await room();
    const before = await place.everything();
    const path = join(place.base, name);

    const { message, recovery } = await place.refusal(name);

    expect(message).toBe(`output_dir ${JSON.stringify(name)} contains an unfilled placeholder.`);
    expect(recovery).toContain("Write the full path, or a path that is relative to the base directory.");
    expect(await place.everything()).toEqual(before);

    await mkdir(path, { recursive: true });
    for (const requested of [name, path]) expect(await place.ask(requested)).toBe(path);
    expect(await place.ask(`${name}/img/new`)).toBe(join(path, "img", "new"));
    expect(await place.ask("new", { base: path })).toBe(join(path, "new"));
    await place.refusal(`${name}/\${other}`);
  },
);

test.skipIf(isWindows)("an escaped blank is a blank where only that directory is there", async () => {
  await using place = await room();
  await mkdir(join(place.base, "My Pictures"));

  expect(await place.ask("My\\ Pictures")).toBe(join(place.base, "My Pictures"));
  expect(await place.ask("./My\\ Pictures/new\\ ones")).toBe(join(place.base, "My Pictures", "new ones"));
  await mkdir(join(place.base, "My\\ Pictures"));
  expect(await place.ask("My\\ Pictures")).toBe(join(place.base, "My\\ Pictures"));
  expect(await place.ask("Your\\ Pictures")).toBe(join(place.base, "Your\\ Pictures"));
});

describe.skipIf(isWindows)("a symbolic link", () => {
  test("that leads out is refused wherever it stands", async () => {
    await using place = await room();
    await mkdir(join(place.base, "cats"));
    for (const name of ["link", "output"]) await symlink(place.outside, join(place.base, name));
    await symlink(join(place.base, "link"), join(place.base, "cats", "chain"));
    await symlink("../..", join(place.base, "cats", "up"));
    const before = await place.everything();

    for (const requested of [undefined, "link", "link/new/deep", "cats/chain", "cats/chain/new", "cats/up/new"]) {
      expect((await place.refusal(requested)).message).toContain("outside the base directory");
    }
    expect(await place.everything()).toEqual(before);
  });

  test("that stays inside is followed to the real path", async () => {
    await using place = await room();
    await mkdir(join(place.base, "cats"));
    await symlink(join(place.base, "cats"), join(place.base, "link"));
    await symlink(place.base, join(place.outside, "back"));

    expect(await place.ask("link")).toBe(join(place.base, "cats"));
    expect(await place.ask("link/new")).toBe(join(place.base, "cats", "new"));
    expect(await place.ask(join(place.outside, "back", "cats"))).toBe(join(place.base, "cats"));
  });

  test("may be the base, and both names of it work", async () => {
    await using place = await room();
    const base = join(place.outside, "pictures");
    await symlink(place.base, base);

    expect(await place.ask("a", { base })).toBe(join(place.base, "a"));
    expect(await place.ask(join(base, "b"), { base })).toBe(join(place.base, "b"));
    expect(await place.ask(join(place.base, "c"), { base })).toBe(join(place.base, "c"));
    for (const requested of [place.outside, ".."]) await place.refusal(requested, { base });
    expect(await readdir(place.outside)).toEqual(["pictures"]);
  });

  test("that takes the place of a directory meanwhile is refused", async () => {
    await using place = await room();
    const moved = join(place.outside, "cats");
    const swapping = {
      ...PLATFORM,
      mkdir: async (path: string): Promise<void> => {
        await mkdir(path);
        await rename(path, moved);
        await symlink(moved, path);
      },
    };

    const { message } = await place.refusal("cats", {}, swapping);

    expect(message).toBe(`output_dir "cats" is outside the base directory ${place.base}.`);
  });
});

test.skipIf(isWindows).each([
  ["ENOTDIR", "notes.txt"],
  ["ENOTDIR", "notes.txt/cats/deep"],
  ["ENOTDIR", "notes.txt/my\\ cats"],
  ["ENAMETOOLONG", "x".repeat(300)],
  ["ENOENT", "nowhere"],
  ["ENOENT", "nowhere/new"],
  ["ELOOP", "loop"],
])("a directory that cannot be made (%s) is refused, and nothing is made", async (code, requested) => {
  await using place = await room();
  await writeFile(join(place.base, "notes.txt"), "mine");
  await symlink(join(place.outside, "gone"), join(place.base, "nowhere"));
  await symlink("loop", join(place.base, "loop"));
  const before = await place.everything();

  const { message, recovery, cause } = await place.refusal(requested);

  expect(message).toContain(`The output directory ${join(place.base, requested.slice(0, 20))}`);
  expect(message).toContain(` cannot be written (${code}).`);
  expect(recovery).toContain("Choose another output_dir inside the base directory");
  expect(cause).toHaveProperty("code", code);
  expect(await place.everything()).toEqual(before);
  expect(await readFile(join(place.base, "notes.txt"), "utf8")).toBe("mine");
});

test.each([".", "a"])("a base that cannot be written is named as the fault (case %#)", async (name) => {
  await using place = await room();
  await writeFile(join(place.outside, "file"), "mine");

  for (const requested of [undefined, "cats"]) {
    const { message, recovery } = await place.refusal(requested, { base: join(place.outside, "file", name) });
    expect(message).toContain("cannot be written");
    expect(recovery).toContain("Set MINIMAX_OUTPUT_DIR to a directory that can be written");
  }
});

test.runIf(isLinux)("a directory below /proc is refused in time", async () => {
  const wanted = { base: "/proc", defaultDirectory: "/proc/cats" };
  const script = `import { resolveOutputDirectory } from ${MODULE};
    resolveOutputDirectory(${JSON.stringify(wanted)}).catch((error) => console.log(error.name));`;

  expect(await run(script)).toBe("OutputDirectoryError");
});

test("a directory that another call makes meanwhile is taken", async () => {
  await using place = await room();
  const twice = async (path: string): Promise<unknown> => (await mkdir(path), mkdir(path));

  expect(await place.ask("a/b", {}, { ...PLATFORM, mkdir: twice })).toBe(join(place.base, "a", "b"));
});

test("the system's code of a directory that cannot be made is passed on", async () => {
  await using place = await room();
  const refuse = (): Promise<never> => Promise.reject(Object.assign(new Error("no"), { code: "EROFS" }));

  const { message } = await place.refusal("cats", {}, { ...PLATFORM, mkdir: refuse });

  expect(message).toBe(`The output directory ${join(place.base, "cats")} cannot be written (EROFS).`);
});

function askWindows(disk: WindowsDisk, requested: string, base = "C:\\out"): Promise<string> {
  const wanted = { requested, base, defaultDirectory: base, homeDirectory: "C:\\Users\\Ada" };
  return resolveOutputDirectory(wanted, disk.platform);
}

test.each(["//host/share/a", "\\\\?\\UNC\\host\\share\\a", "\\\\.\\pipe\\cats", "\\\\?\\C:\\..\\UNC\\host\\share"])(
  "on Windows only the base is looked at before %j is refused",
  async (requested) => {
    const disk = windowsDisk(["C:\\out", "\\\\host\\share\\a"]);

    expect((await refusalOf(askWindows(disk, requested))).message).toContain("is outside the base directory C:\\out.");
    expect(disk.asked).toEqual(["C:\\out"]);
  },
);

const SHARE = "\\\\host\\share\\pictures";

test.each([
  ["C:\\kit", "cats", "C:\\kit\\Cats"],
  ["C:\\kit", "c:/KIT/cats", "C:\\kit\\Cats"],
  ["C:\\kit", "..\\Kit\\cats", "C:\\kit\\Cats"],
  ["C:\\kit", ".\\ cats", "C:\\kit\\ cats"],
  ["C:\\", ".", "C:\\"],
  ["C:\\kit", "C:cats", "C:\\kit\\Cats"],
  ["C:\\kit", "\\\\?\\C:\\kit\\cats", "C:\\kit\\Cats"],
  ["C:\\new", "..\\new\\cats", "C:\\new\\cats"],
  [SHARE, "cats", `${SHARE}\\cats`],
  [SHARE, "//HOST/share/pictures/cats", `${SHARE}\\cats`],
  ["Z:\\pictures", "cats", `${SHARE}\\cats`],
  ["Z:\\pictures", SHARE, SHARE],
])("on Windows, in %s, %j is %s", async (base, requested, directory) => {
  const disk = windowsDisk(["C:\\kit\\Cats", "C:\\kit cats", "Z:\\pictures", SHARE], { "Z:": "\\\\host\\share" });

  expect(await askWindows(disk, requested, base)).toBe(directory);
});

test.each([
  ["C:\\kit", "..\\\u212Ait"],
  ["C:\\kit", "C:\\\u212Ait\\cats"],
  ["C:\\\u00E5", "..\\\u212B"],
  ["C:\\\u00DF", "..\\\u1E9E"],
  ["C:\\new", "..\\NEW\\cats"],
  ["C:\\kit", "Q:\\"],
  ["C:\\kit", "Q:cats"],
  ["C:\\kit", "\\\\?\\Q:\\cats"],
  [SHARE, "\\\\host\\other\\cats"],
  [SHARE, "\\\\host\\share\\cats"],
])("on Windows, in %j, %j is outside", async (base, requested) => {
  const disk = windowsDisk(["C:\\kit", "C:\\\u00E5", "C:\\\u00DF", SHARE]);
  const before = disk.directories();

  expect((await refusalOf(askWindows(disk, requested, base))).message).toContain("is outside the base directory");
  expect(disk.directories()).toEqual(before);
});

test("on Windows a base on a drive that is gone is what is named", async () => {
  const { message } = await refusalOf(askWindows(windowsDisk(["C:\\out"]), "cats", "Q:\\out"));

  expect(message).toBe("The output directory Q:\\out cannot be written (ENOENT).");
});

test("on Windows an invalid name is refused, and nothing is looked at", async () => {
  const disk = windowsDisk(["C:\\out"]);

  const { message, recovery } = await refusalOf(askWindows(disk, "cats\\CON"));

  expect(message).toBe('output_dir "cats\\\\CON" contains "CON", which is not a valid directory name on Windows.');
  expect(recovery).toContain("No request was made.");
  expect(disk.asked).toEqual([]);
});

test.runIf(isLinux)("a directory has to have room for the longest name", async () => {
  await using directory = await temporaryDirectory();
  const longest = LINUX_PATH_MAX_BYTES - 2 - FILE_NAME_MAX_BYTES;
  const deep = directory.path + `/${"x".repeat(199)}`.repeat(Math.floor((longest - 3 - directory.path.length) / 200));
  const fits = join(deep, "a".repeat(longest - deep.length - 1));
  const tooDeep = join(deep, "b".repeat(longest - deep.length));
  for (const path of [fits, tooDeep]) await mkdir(path, { recursive: true });

  await assertWritable(fits, directory.path);
  const { message } = await refusalOf(assertWritable(tooDeep, directory.path));

  expect(message).toContain("(ENAMETOOLONG)");
  for (const path of [fits, tooDeep]) expect(await readdir(path)).toEqual([]);
});

test.each([
  ["an existing directory", ".", true],
  ["a missing directory", join("not", "there", "yet"), true],
  ["a file", "file", false],
  ["a directory below a file", join("file", "below"), false],
  ["a link to nowhere", "link", false],
  ["a name that is too long", "x".repeat(300), isWindows],
  ...(isLinux ? [["a file system of the kernel", "/proc", false] satisfies [string, string, boolean]] : []),
  ...(isWindows ? [["a missing drive", "Q:\\a", false] satisfies [string, string, boolean]] : []),
])("canBeWritten: %s", async (_case, name, can) => {
  await using place = await room();
  await writeFile(join(place.base, "file"), "kept");
  await symlink(join(place.base, "nowhere"), join(place.base, "link"), "junction");
  const before = await place.everything();

  expect(await canBeWritten(nodePath.resolve(place.base, name))).toBe(can);
  expect(await place.everything()).toEqual(before);
});

test.runIf(isLinux)("canBeWritten: a disk that takes a file but no byte of it", async () => {
  await using directory = await temporaryDirectory();
  const script = `import { canBeWritten } from ${MODULE};
    console.log(await canBeWritten(${JSON.stringify(directory.path)}));`;

  expect(await run(script, "sh", "-c", 'ulimit -f 0 && exec "$0" "$@"')).toBe("false");
  expect(await readdir(directory.path)).toEqual([]);
});
