import { execFile } from "node:child_process";
import { renameSync, symlinkSync } from "node:fs";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import nodePath, { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { evaluating } from "../../test/support/evaluating.ts";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { waitFor } from "../../test/support/wait-for.ts";
import { type WindowsDisk, windowsDisk } from "../../test/support/windows-disk.ts";
import { OutputDirectoryError } from "../errors.ts";
import { FILE_NAME_MAX_BYTES } from "./file-names.ts";
import { assertWritable, canBeWritten, resolveOutputDirectory } from "./output-directory.ts";
import { exists } from "./real-path.ts";

const isLinux = process.platform === "linux";
const isWindows = process.platform === "win32";
const LINUX_PATH_MAX_BYTES = 4096;
const MODULE = JSON.stringify(new URL("./output-directory.ts", import.meta.url).href);

type WantedDirectory = Parameters<typeof resolveOutputDirectory>[0];

interface Room extends AsyncDisposable {
  readonly base: string;
  readonly outside: string;
  readonly home: string;
  readonly ask: (requested: string | undefined, places?: Partial<WantedDirectory>) => Promise<string>;
  readonly refusal: (requested: string | undefined, places?: Partial<WantedDirectory>) => Promise<OutputDirectoryError>;
  readonly everything: () => Promise<string[]>;
}

async function room(name = "base"): Promise<Room> {
  const directory = await temporaryDirectory();
  const base = join(directory.path, name);
  const [home, outside] = [join(base, "home"), join(directory.path, "outside")];
  await mkdir(outside);
  if (name === "base") await mkdir(base);
  const known = { base, defaultDirectory: join(base, "output"), homeDirectory: home };
  const ask: Room["ask"] = async (requested, places = {}) => {
    const wanted = { ...known, ...places, requested };
    const resolved = await resolveOutputDirectory(wanted);
    await assertWritable(resolved, wanted.base);
    return resolved;
  };
  return {
    base,
    outside,
    home,
    ask,
    refusal: (requested, places) => errorOf(ask(requested, places)),
    everything: async () => (await readdir(directory.path, { recursive: true })).toSorted(),
    [Symbol.asyncDispose]: () => Promise.resolve(directory[Symbol.asyncDispose]()),
  };
}

async function errorOf(resolving: Promise<unknown>): Promise<OutputDirectoryError> {
  try {
    await resolving;
  } catch (error) {
    if (error instanceof OutputDirectoryError) return error;
    throw error;
  }
  throw new Error("The directory was accepted.");
}

async function run(script: string, ...wrapper: readonly string[]): Promise<string> {
  const [program = "", ...args] = [...wrapper, ...evaluating(script)];
  const { stdout } = await promisify(execFile)(program, args, { timeout: 40_000, killSignal: "SIGKILL" });
  return stdout.trim();
}

test.each<[string | undefined, string]>([
  [undefined, "output"],
  ["cats", "cats"],
  ["animals/cats/small", join("animals", "cats", "small")],
  ["a/../b/./c", join("b", "c")],
  ["cats/", "cats"],
  [".", "."],
  ["..cats", "..cats"],
  ...(isWindows ? [] : [["...", "..."] satisfies [string, string]]),
  ["猫/γάτες", join("猫", "γάτες")],
  ["my cats", "my cats"],
  ["~bob", "~bob"],
  ["~", "home"],
  ["~/cats", join("home", "cats")],
])("the output directory %s is made inside the base", async (requested, expected) => {
  await using place = await room();

  const directory = await place.ask(requested);

  expect(directory).toBe(join(place.base, expected).replace(/[\\/]\.?$/, ""));
  expect(await readdir(directory)).toEqual([]);
});

test("the output directory may be absolute", async () => {
  await using place = await room();

  expect(await place.ask(join(place.base, "cats"))).toBe(join(place.base, "cats"));
  expect(await place.ask(place.base)).toBe(place.base);
});

test("an existing output directory stays as it is", async () => {
  await using place = await room();
  await mkdir(join(place.base, "cats"));
  await writeFile(join(place.base, "cats", "old.jpeg"), "old");

  const directory = await place.ask("cats");

  expect(await readdir(directory)).toEqual(["old.jpeg"]);
  expect(await readFile(join(directory, "old.jpeg"), "utf8")).toBe("old");
});

test("a missing base is made", async () => {
  await using place = await room(join("not", "yet"));

  expect(await place.ask("cats")).toBe(join(place.base, "cats"));
});

test("the base may be the root of a drive", async () => {
  await using place = await room();
  const base = nodePath.parse(place.base).root;

  expect(await place.ask(join(place.base, "cats"), { base, defaultDirectory: base })).toBe(join(place.base, "cats"));
});

test.skipIf(isLinux)("an output directory is found in another case of its letters", async () => {
  await using place = await room();
  await mkdir(join(place.base, "Cats"));

  const directory = await place.ask(join(place.base.toUpperCase(), "cats"));

  expect(directory.toLowerCase()).toBe(join(place.base, "cats").toLowerCase());
  expect(await readdir(place.base)).toEqual(["Cats"]);
});

test.each<[string, (place: Room) => string, "outside"?]>([
  ["the parent", () => ".."],
  ["a neighbour", () => "../outside"],
  ["a new neighbour", () => "../new/deep"],
  ["a name that begins like the base", () => "../base-private"],
  ["a way down and up", () => "cats/../../outside"],
  ["the system by many steps", () => `${"../".repeat(60)}etc`],
  ["an absolute neighbour", ({ outside }) => join(outside, "new")],
  ["an absolute name that begins like the base", ({ base }) => `${base}-private`],
  ["the root", ({ base }) => nodePath.parse(base).root],
  ["NUL", () => "cats\0/../../outside"],
  ["NUL below ~", () => "~\0"],
  ["a home directory outside", () => "~", "outside"],
  ["a directory in a home directory outside", () => "~/cats", "outside"],
  ...(isLinux ? [["a device", (): string => "/dev/null/cats"] satisfies [string, () => string]] : []),
  ...(isWindows
    ? [
        ["another drive", (): string => "Q:cats"] satisfies [string, () => string],
        ["a share", (): string => "\\\\server\\share\\cats"] satisfies [string, () => string],
      ]
    : []),
])("%s is refused as outside, and nothing is made", async (_case, requested, home) => {
  await using place = await room();
  const before = await place.everything();

  const { message, recovery } = await place.refusal(
    requested(place),
    home === undefined ? {} : { homeDirectory: place.outside },
  );

  expect(message).toContain(`is outside the base directory ${place.base}.`);
  expect(recovery).toMatch(/^No request was made\. .*MINIMAX_OUTPUT_DIR/);
  expect(await place.everything()).toEqual(before);
});

test("a path below ~ is refused without a home directory", async () => {
  await using place = await room();

  const { message, recovery } = await place.refusal("~/cats", { homeDirectory: undefined });

  expect(message).toBe('output_dir "~/cats" begins with ~, and the user of the server has no home directory.');
  expect(recovery).toContain("Give an absolute path, or one that is relative to the base directory.");
});

test.skipIf(isWindows).each(["app/routes/$postId", "{{cookiecutter.slug}}", "templates/<name>", "%NAME%", "${slug}"])(
  "a part that is on the disk is no placeholder: %s",
  async (name) => {
    await using place = await room();
    await mkdir(join(place.base, name), { recursive: true });

    expect(await place.ask(name)).toBe(join(place.base, name));
    expect(await place.ask(`${name}/img/new`)).toBe(join(place.base, name, "img", "new"));
    expect(await place.ask(join(place.base, name))).toBe(join(place.base, name));
    expect((await place.refusal(`${name}/<other>`)).message).toContain("unfilled placeholder");
  },
);

test.each([
  ...["app/routes/$postId", "{{cookiecutter.slug}}", "$HOME/images", "${HOME}"],
  ...(isWindows ? [] : ["{env:HOME}/images"]),
])("a placeholder that is not on the disk is refused, and nothing is made: %s", async (name) => {
  await using place = await room();
  await mkdir(join(place.base, "app"));
  const before = await place.everything();

  const { message, recovery } = await place.refusal(name);

  expect(message).toBe(`output_dir ${JSON.stringify(name)} contains an unfilled placeholder.`);
  expect(recovery).toContain("No request was made.");
  expect(await place.everything()).toEqual(before);
});

test("a base with a name like a placeholder is used", async () => {
  await using place = await room();
  const base = join(place.base, "$site");
  await mkdir(base);

  expect(await place.ask("new", { base })).toBe(join(base, "new"));
});

test.skipIf(isWindows)("an escaped blank is a blank where only that directory is there", async () => {
  await using place = await room();
  await mkdir(join(place.base, "My Pictures"));

  expect(await place.ask("My\\ Pictures")).toBe(join(place.base, "My Pictures"));
  expect(await place.ask("./My\\ Pictures/new\\ ones")).toBe(join(place.base, "My Pictures", "new ones"));
  await mkdir(join(place.base, "My\\ Pictures"));
  expect(await place.ask("My\\ Pictures")).toBe(join(place.base, "My\\ Pictures"));
  expect(await place.ask("Your\\ Pictures")).toBe(join(place.base, "Your\\ Pictures"));
});

test("a refused path is quoted on one bounded line", async () => {
  await using place = await room();

  const { message } = await place.refusal(`../\x1b[31m\n${"x".repeat(5_000)}`);

  expect(message).not.toMatch(/\p{Cc}/u);
  expect(message.length).toBeLessThan(1_000);
});

describe.skipIf(isWindows)("a symbolic link", () => {
  test("that leads out is refused wherever it stands", async () => {
    await using place = await room();
    await symlink(place.outside, join(place.base, "link"));
    await symlink(place.outside, join(place.base, "output"));
    await mkdir(join(place.base, "cats"));
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

  test.each([
    ["link", "ENOENT"],
    ["link/new", "ENOENT"],
    ["loop", "ELOOP"],
  ])("that leads nowhere is refused: %s", async (requested, code) => {
    await using place = await room();
    await symlink(join(place.outside, "gone"), join(place.base, "link"));
    await symlink(join(place.base, "loop"), join(place.base, "loop"));
    const before = await place.everything();

    expect((await place.refusal(requested)).message).toContain(code);
    expect(await place.everything()).toEqual(before);
  });

  test("that replaces a directory meanwhile is refused", async () => {
    await using place = await room();
    const made = join(place.base, "cats");
    const refusing = place.refusal(`cats/${"d/".repeat(300)}`);
    await waitFor("the first directory", () => exists(made));

    renameSync(made, join(place.outside, "cats"));
    symlinkSync(join(place.outside, "cats"), made);

    expect(await refusing).toBeInstanceOf(OutputDirectoryError);
  });
});

test.each(["notes.txt", "notes.txt/cats", "notes.txt/cats/deep"])(
  "%s is refused because of the file, which stays",
  async (requested) => {
    await using place = await room();
    await writeFile(join(place.base, "notes.txt"), "mine");
    const before = await place.everything();

    const { message, recovery, cause } = await place.refusal(requested);

    expect(message).toMatch(/cannot be written \(E[A-Z]+\)\.$/);
    expect(message).toContain(join(place.base, requested));
    expect(recovery).toContain("No request was made. Choose another output_dir");
    expect(cause).toBeInstanceOf(Error);
    expect(await readFile(join(place.base, "notes.txt"), "utf8")).toBe("mine");
    expect(await place.everything()).toEqual(before);
  },
);

test.each([".", "a"])("a base that cannot be written is named as the fault (case %#)", async (name) => {
  await using place = await room();
  const file = join(place.outside, "file");
  await writeFile(file, "mine");

  for (const requested of [undefined, "cats"]) {
    const base = join(file, name);
    const { message, recovery } = await place.refusal(requested, { base, defaultDirectory: base });
    expect(message).toContain("cannot be written");
    expect(recovery).toMatch(/^No request was made\. Set MINIMAX_OUTPUT_DIR to a directory that can be written/);
  }
  expect(await readFile(file, "utf8")).toBe("mine");
});

test.skipIf(isWindows)("a name that is too long is refused, and nothing is made", async () => {
  await using place = await room();
  const before = await place.everything();

  const { message } = await place.refusal("x".repeat(300));

  expect(message).toContain("ENAMETOOLONG");
  expect(message.length).toBeLessThan(1_000);
  expect(await place.everything()).toEqual(before);
});

test.runIf(isLinux)("a directory below /proc is refused in time", async () => {
  const wanted = { base: "/proc", defaultDirectory: "/proc/cats" };
  const script = `import { resolveOutputDirectory } from ${MODULE};
    resolveOutputDirectory(${JSON.stringify(wanted)}).catch((error) => console.log(error.name));`;

  expect(await run(script)).toBe("OutputDirectoryError");
});

test.runIf(isLinux)("the system's code of a directory that cannot be made is passed on", async () => {
  await using place = await room();

  const { message } = await place.refusal("cats", { base: "/sys" });

  expect(message).toMatch(/^The output directory \/sys\/cats cannot be written \((?:EPERM|EACCES|EROFS)\)\.$/);
});

function askWindows(disk: WindowsDisk, requested: string, base = "C:\\out"): Promise<string> {
  const wanted = { requested, base, defaultDirectory: base, homeDirectory: "C:\\Users\\Ada" };
  return resolveOutputDirectory(wanted, disk.platform);
}

test.each(["//host/share/a", "\\\\?\\UNC\\host\\share\\a", "\\\\.\\pipe\\cats", "\\\\?\\C:\\..\\UNC\\host\\share"])(
  "on Windows only the base is looked at before %j is refused",
  async (requested) => {
    const disk = windowsDisk(["C:\\out", "\\\\host\\share\\a"]);

    expect((await errorOf(askWindows(disk, requested))).message).toContain("is outside the base directory C:\\out.");
    expect(disk.asked).toEqual(["C:\\out"]);
  },
);

const SHARE = "\\\\host\\share\\pictures";

test.each([
  ["C:\\kit", "cats", "C:\\kit\\Cats"],
  ["C:\\kit", "c:/KIT/cats", "C:\\kit\\Cats"],
  ["C:\\kit", "..\\Kit\\cats", "C:\\kit\\Cats"],
  ["C:\\kit", "C:cats", "C:\\kit\\Cats"],
  ["C:\\kit", "\\\\?\\C:\\kit\\cats", "C:\\kit\\Cats"],
  ["C:\\new", "..\\new\\cats", "C:\\new\\cats"],
  [SHARE, "cats", `${SHARE}\\cats`],
  [SHARE, "//HOST/share/pictures/cats", `${SHARE}\\cats`],
  ["Z:\\pictures", "cats", `${SHARE}\\cats`],
  ["Z:\\pictures", SHARE, SHARE],
])("on Windows, in %s, %j is %s", async (base, requested, directory) => {
  const disk = windowsDisk(["C:\\kit\\Cats", "Z:\\pictures", SHARE], { "Z:": "\\\\host\\share" });

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

  expect((await errorOf(askWindows(disk, requested, base))).message).toContain("is outside the base directory");
  expect(disk.directories()).toEqual(before);
});

test("on Windows a base on a drive that is gone is what is named", async () => {
  const { message } = await errorOf(askWindows(windowsDisk(["C:\\out"]), "cats", "Q:\\out"));

  expect(message).toBe("The output directory Q:\\out cannot be written (ENOENT).");
});

test("on Windows an invalid name is refused, and nothing is looked at", async () => {
  const disk = windowsDisk(["C:\\out"]);

  const { message, recovery } = await errorOf(askWindows(disk, "cats\\CON"));

  expect(message).toBe('output_dir "cats\\\\CON" contains "CON", which is not a valid directory name on Windows.');
  expect(recovery).toContain("No request was made.");
  expect(disk.asked).toEqual([]);
});

test("on Windows a base whose drive is missing cannot be written", async () => {
  const disk = windowsDisk(["C:\\"]);

  expect((await errorOf(askWindows(disk, "cats", "Q:\\pictures"))).message).toContain("cannot be written (ENOENT)");
});

test("any path is inside the base or refused, and nothing outside changes", async () => {
  await using place = await room();
  if (!isWindows) await symlink(place.outside, join(place.base, "link"));
  const outer = join(place.base, "..");
  const before = (await readdir(outer)).toSorted();
  const names = ["..", ".", "", "cats", "link", "~", "..cats", "base", "outside", "home", outer, place.base];

  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 6 }), async (atoms) => {
      try {
        const directory = await place.ask(atoms.join("/"));
        expect(directory === place.base || directory.startsWith(place.base + nodePath.sep)).toBe(true);
        expect(await exists(directory)).toBe(true);
      } catch (error) {
        if (!(error instanceof OutputDirectoryError)) throw error;
      }
      expect(await readdir(place.outside)).toEqual([]);
      expect((await readdir(outer)).toSorted()).toEqual(before);
    }),
    { numRuns: 150 },
  );
});

async function directoryOfLength(parent: string, bytes: number): Promise<string> {
  let path = parent;
  while (bytes - path.length > 201) path = join(path, "x".repeat(199));
  path = join(path, "x".repeat(bytes - path.length - 1));
  await mkdir(path, { recursive: true });
  return path;
}

test.runIf(isLinux)("a directory has to have room for the longest name", async () => {
  await using directory = await temporaryDirectory();
  const longest = LINUX_PATH_MAX_BYTES - 2 - FILE_NAME_MAX_BYTES;
  const fits = await directoryOfLength(join(directory.path, "a"), longest);
  const tooDeep = await directoryOfLength(join(directory.path, "b"), longest + 1);

  await assertWritable(fits, directory.path);
  const { message } = await errorOf(assertWritable(tooDeep, directory.path));

  expect(message).toContain("(ENAMETOOLONG)");
  for (const deep of [fits, tooDeep]) expect(await readdir(deep)).toEqual([]);
});

test.each<[string, (base: string) => string, boolean]>([
  ["an existing directory", (base) => base, true],
  ["a missing directory", (base) => join(base, "not", "there", "yet"), true],
  ["a file", (base) => join(base, "file"), false],
  ["a directory below a file", (base) => join(base, "file", "below"), false],
  ["a link to nowhere", (base) => join(base, "link"), false],
  ["a name that is too long", (base) => join(base, "x".repeat(300)), isWindows],
  ...(isLinux ? [["/proc", (): string => "/proc", false] satisfies [string, () => string, boolean]] : []),
  ...(isWindows ? [["a missing drive", (): string => "Q:\\a", false] satisfies [string, () => string, boolean]] : []),
])("canBeWritten: %s", async (_case, directory, can) => {
  await using place = await room();
  await writeFile(join(place.base, "file"), "kept");
  await symlink(join(place.base, "nowhere"), join(place.base, "link"), "junction");
  const before = await place.everything();

  expect(await canBeWritten(directory(place.base))).toBe(can);
  expect(await place.everything()).toEqual(before);
});

test.runIf(isLinux)("canBeWritten: a disk that takes a file but no byte of it", async () => {
  await using directory = await temporaryDirectory();
  const script = `import { canBeWritten } from ${MODULE};
    console.log(await canBeWritten(${JSON.stringify(directory.path)}));`;

  expect(await run(script, "sh", "-c", 'ulimit -f 0 && exec "$0" "$@"')).toBe("false");
  expect(await readdir(directory.path)).toEqual([]);
});
