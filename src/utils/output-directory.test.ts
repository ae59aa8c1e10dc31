import { execFile } from "node:child_process";
import { renameSync, symlinkSync } from "node:fs";
import { access, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import nodePath, { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { evaluating } from "../../test/support/evaluating.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { waitFor } from "../../test/support/wait-for.ts";
import { type WindowsDisk, windowsDisk } from "../../test/support/windows-disk.ts";
import { OutputDirectoryError } from "../errors.ts";
import { FILE_NAME_MAX_BYTES } from "./file-names.ts";
import { assertWritable, canBeWritten, resolveOutputDirectory } from "./output-directory.ts";
import type { OutputRoot } from "./output-root.ts";

const isWindows = process.platform === "win32";
const LINUX_PATH_MAX_BYTES = 4096;

async function resolveAndProve(requested: string | undefined, root: OutputRoot, home: string): Promise<string> {
  const directory = await resolveOutputDirectory(requested, root, home);
  await assertWritable(directory, root.base);
  return directory;
}

interface Room extends AsyncDisposable {
  readonly base: string;
  readonly outside: string;
  readonly home: string;
  readonly ask: (requested: string | undefined) => Promise<string>;
  readonly refusal: (requested: string | undefined) => Promise<OutputDirectoryError>;
  readonly everything: () => Promise<string[]>;
}

async function room({ base = "base", root }: { base?: string; root?: TemporaryDirectory } = {}): Promise<Room> {
  const directory = root ?? (await temporaryDirectory());
  const path = join(directory.path, base);
  const home = join(path, "home");
  const outside = join(directory.path, "outside");
  await mkdir(outside);
  if (base === "base") await mkdir(path);
  const ask = (requested: string | undefined): Promise<string> =>
    resolveAndProve(requested, { base: path, defaultDirectory: join(path, "output") }, home);
  return {
    base: path,
    outside,
    home,
    ask,
    refusal: (requested) => errorOf(ask(requested)),
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

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

test.each([
  ["relative", "cats", "cats"],
  ["relative and deep", "animals/cats/small", join("animals", "cats", "small")],
  ["relative with dots that stay inside", "a/../b/./c", join("b", "c")],
  ["relative with a trailing separator", "cats/", "cats"],
  ["the base itself", ".", "."],
  ["named with leading dots", "..cats", "..cats"],
  ...(isWindows ? [] : [["named with three dots", "...", "..."]]),
  ["named in another script", "猫/γάτες", join("猫", "γάτες")],
  ["named with blanks", "my cats", "my cats"],
  ["named like somebody's home", "~bob", "~bob"],
])("an output directory that is %s is created inside the base", async (_kind, requested, expected) => {
  await using place = await room();

  const directory = await place.ask(requested);

  expect(directory).toBe(join(place.base, expected).replace(/[\\/]\.?$/, ""));
  expect(await readdir(directory)).toEqual([]);
});

test("an output directory may be absolute", async () => {
  await using place = await room();

  expect(await place.ask(join(place.base, "cats"))).toBe(join(place.base, "cats"));
  expect(await place.ask(place.base)).toBe(place.base);
});

test("an output directory that the call does not name is the default one", async () => {
  await using place = await room();

  expect(await place.ask(undefined)).toBe(join(place.base, "output"));
  expect(await readdir(place.base)).toEqual(["output"]);
});

test("an output directory may be given from the home directory", async () => {
  await using place = await room();

  expect(await place.ask("~")).toBe(place.home);
  expect(await place.ask("~/cats")).toBe(join(place.home, "cats"));
});

test("an output directory is used as it is when it exists, and nothing of the trial remains", async () => {
  await using place = await room();
  await mkdir(join(place.base, "cats"));
  await writeFile(join(place.base, "cats", "old.jpeg"), "old");

  const directory = await place.ask("cats");

  expect(await readdir(directory)).toEqual(["old.jpeg"]);
  expect(await readFile(join(directory, "old.jpeg"), "utf8")).toBe("old");
});

test("an output directory may lie in a base that does not exist yet", async () => {
  await using place = await room({ base: join("not", "yet") });

  expect(await place.ask("cats")).toBe(join(place.base, "cats"));
});

test("an output directory may be asked for by many calls at once", async () => {
  await using place = await room();

  const directories = await Promise.all(Array.from({ length: 20 }, () => place.ask("a/b/c")));

  expect(new Set(directories)).toEqual(new Set([join(place.base, "a", "b", "c")]));
  expect(await readdir(join(place.base, "a", "b", "c"))).toEqual([]);
});

test("an output directory may lie in a base that is the root of a drive", async () => {
  await using directory = await temporaryDirectory();
  const { root } = nodePath.parse(directory.path);
  const requested = join(directory.path, "cats");

  const resolved = await resolveOutputDirectory(requested, { base: root, defaultDirectory: root }, directory.path);

  expect(resolved).toBe(requested);
  expect(await readdir(resolved)).toEqual([]);
});

test.skipIf(process.platform === "linux")(
  "an output directory may be written in other case where case does not matter",
  async () => {
    await using place = await room();
    await mkdir(join(place.base, "Cats"));

    const directory = await place.ask(join(place.base.toUpperCase(), "cats"));

    expect(directory.toLowerCase()).toBe(join(place.base, "cats").toLowerCase());
    expect(await readdir(place.base)).toEqual(["Cats"]);
  },
);

test.each([
  ["the parent", ".."],
  ["a neighbour", "../outside"],
  ["a new neighbour", "../new/deep"],
  ["a neighbour whose name begins like the base", "../base-private"],
  ["a neighbour reached through the base", "cats/../../outside"],
  ["the root, by many steps", "../".repeat(60)],
  ["the system, by many steps", `${"../".repeat(60)}etc`],
])("outside the base: %s is refused and nothing is created", async (_kind, requested) => {
  await using place = await room();
  const before = await place.everything();

  const { message, details } = await place.refusal(requested);

  expect(message).toContain("outside the base directory");
  expect(message).toContain(place.base);
  expect(details.recovery).toContain("MINIMAX_OUTPUT_DIR");
  expect(details.retryAfterMs).toBeUndefined();
  expect(await place.everything()).toEqual(before);
});

test("outside the base: an absolute path is refused and nothing is created", async () => {
  await using place = await room();
  const before = await place.everything();

  for (const requested of [
    place.outside,
    join(place.outside, "new"),
    `${place.base}-private`,
    nodePath.parse(place.base).root,
  ]) {
    expect((await place.refusal(requested)).message).toContain("outside the base directory");
  }
  expect(await place.everything()).toEqual(before);
});

test("outside the base: the home directory is refused and nothing is created", async () => {
  await using place = await room();
  const before = await place.everything();
  const root = { base: place.base, defaultDirectory: place.base };

  for (const requested of ["~", "~/cats", "~/../base/cats/../../outside"]) {
    const { message } = await errorOf(resolveOutputDirectory(requested, root, place.outside));
    expect(message).toContain("outside the base directory");
  }
  expect(await place.everything()).toEqual(before);
});

test.each(["\0", "cats\0", "cats\0/../../outside", "~\0"])(
  "outside the base: %j, with its NUL, is refused",
  async (requested) => {
    await using place = await room();
    const before = await place.everything();

    expect((await place.refusal(requested)).message).toContain("outside the base directory");
    expect(await place.everything()).toEqual(before);
  },
);

test("outside the base: a path is quoted on one bounded line, without its control characters", async () => {
  await using place = await room();

  const { message } = await place.refusal(`../\x1b[31m\n${"x".repeat(5_000)}`);

  expect(message).not.toMatch(/\p{Cc}/u);
  expect(message.length).toBeLessThan(1_000);
});

test.runIf(isWindows)("another drive and a share are refused", async () => {
  await using place = await room();

  for (const requested of ["Q:\\cats", "Q:cats", "\\\\server\\share\\cats"]) {
    expect((await place.refusal(requested)).message).toContain("outside the base directory");
  }
});

test.runIf(process.platform === "linux")(
  "outside the base: a place that does not let itself be looked at is refused",
  async () => {
    await using place = await room();

    expect((await place.refusal("/dev/null/cats")).message).toContain("outside the base directory");
  },
);

describe.skipIf(isWindows)("a symbolic link", () => {
  test("that leads out is refused, wherever it stands in the path, and nothing is created", async () => {
    await using place = await room();
    await symlink(place.outside, join(place.base, "link"));
    await mkdir(join(place.base, "cats"));
    await symlink(join(place.base, "link"), join(place.base, "cats", "chain"));
    await symlink("../..", join(place.base, "cats", "up"));
    const before = await place.everything();

    for (const requested of [
      "link",
      "link/new",
      "link/new/deep",
      "cats/chain",
      "cats/chain/new",
      "cats/up",
      "cats/up/new",
    ]) {
      expect((await place.refusal(requested)).message).toContain("outside the base directory");
    }
    expect(await readdir(place.outside)).toEqual([]);
    expect(await place.everything()).toEqual(before);
  });

  test("for the default directory is refused when it leads out", async () => {
    await using place = await room();
    await symlink(place.outside, join(place.base, "output"));

    await place.refusal(undefined);

    expect(await readdir(place.outside)).toEqual([]);
  });

  test("that stays inside is followed, and the real path is given", async () => {
    await using place = await room();
    await mkdir(join(place.base, "cats"));
    await symlink(join(place.base, "cats"), join(place.base, "link"));

    expect(await place.ask("link")).toBe(join(place.base, "cats"));
    expect(await place.ask("link/new")).toBe(join(place.base, "cats", "new"));
  });

  test("outside that leads in is followed", async () => {
    await using place = await room();
    await symlink(place.base, join(place.outside, "link"));

    expect(await place.ask(join(place.outside, "link", "cats"))).toBe(join(place.base, "cats"));
  });

  test("may stand for the base: both names of it work", async () => {
    await using place = await room();
    const base = join(place.outside, "pictures");
    await symlink(place.base, base);
    const ask = (requested: string): Promise<string> =>
      resolveOutputDirectory(requested, { base, defaultDirectory: base }, place.home);

    expect(await ask("a")).toBe(join(place.base, "a"));
    expect(await ask(join(base, "b"))).toBe(join(place.base, "b"));
    expect(await ask(join(place.base, "c"))).toBe(join(place.base, "c"));
    await errorOf(ask(place.outside));
    await errorOf(ask(".."));
    expect(await readdir(place.outside)).toEqual(["pictures"]);
  });

  test.each(["link", "link/new"])("that leads nowhere is refused, and its target is not created", async (requested) => {
    await using place = await room();
    await symlink(join(place.outside, "gone"), join(place.base, "link"));
    const before = await place.everything();

    const { message } = await place.refusal(requested);

    expect(message).toContain("ENOENT");
    expect(await place.everything()).toEqual(before);
  });

  test("that takes the place of a directory while the ones below it are made is refused", async () => {
    await using place = await room();
    const made = join(place.base, "cats");
    const refusing = place.refusal(`cats/${"d/".repeat(300)}`);
    await waitFor("the first directory", () => exists(made));

    renameSync(made, join(place.outside, "cats"));
    symlinkSync(join(place.outside, "cats"), made);

    expect(await refusing).toBeInstanceOf(OutputDirectoryError);
  });

  test("that leads to itself is refused", async () => {
    await using place = await room();
    await symlink(join(place.base, "loop"), join(place.base, "loop"));

    expect((await place.refusal("loop")).message).toContain("ELOOP");
  });
});

test.each(["notes.txt", "notes.txt/cats", "notes.txt/cats/deep"])(
  "a directory that cannot be written because of a file, as in %s, is refused, and the file is left alone",
  async (requested) => {
    await using place = await room();
    await writeFile(join(place.base, "notes.txt"), "mine");
    const before = await place.everything();

    const { message, details, cause } = await place.refusal(requested);

    expect(message).toMatch(/cannot be written \(E[A-Z]+\)\.$/);
    expect(message).toContain(join(place.base, requested));
    expect(details.recovery).toContain("No request was made");
    expect(cause).toBeInstanceOf(Error);
    expect(await readFile(join(place.base, "notes.txt"), "utf8")).toBe("mine");
    expect(await place.everything()).toEqual(before);
  },
);

test("a directory that cannot be written because the base is a file is refused", async () => {
  await using place = await room();
  const base = join(place.outside, "file");
  await writeFile(base, "mine");

  for (const requested of [undefined, "cats"]) {
    const { message } = await errorOf(resolveAndProve(requested, { base, defaultDirectory: base }, place.home));
    expect(message).toContain("cannot be written");
  }
  expect(await readFile(base, "utf8")).toBe("mine");
});

test.skipIf(isWindows)(
  "a directory that cannot be written because its name is too long is refused, and nothing is created",
  async () => {
    await using place = await room();
    const before = await place.everything();

    const { message } = await place.refusal("x".repeat(300));

    expect(message).toContain("ENAMETOOLONG");
    expect(message.length).toBeLessThan(1_000);
    expect(await place.everything()).toEqual(before);
  },
);

test.runIf(process.platform === "linux")(
  "a directory that cannot be written because the system keeps it, as below /proc, is refused in time",
  async () => {
    const module = JSON.stringify(new URL("./output-directory.ts", import.meta.url).href);
    const root = JSON.stringify({ base: "/proc", defaultDirectory: "/proc/cats" });
    const script = `import { resolveOutputDirectory } from ${module};
        resolveOutputDirectory(undefined, ${root}, "/proc").catch((error) => console.log(error.name));`;

    const [node = "", ...options] = evaluating(script);
    const { stdout } = await promisify(execFile)(node, options, { timeout: 40_000, killSignal: "SIGKILL" });

    expect(stdout.trim()).toBe("OutputDirectoryError");
  },
);

test.runIf(process.platform === "linux")(
  "what the system says of a directory that it does not make is passed on",
  async () => {
    const { message } = await errorOf(
      resolveOutputDirectory("cats", { base: "/sys", defaultDirectory: "/sys" }, "/home/ada"),
    );

    expect(message).toMatch(/^The output directory \/sys\/cats cannot be written \((?:EPERM|EACCES|EROFS)\)\.$/);
  },
);

const shares = [
  "\\\\host\\share\\a",
  "//host/share/a",
  "\\/host/share",
  "\\\\?\\UNC\\host\\share\\a",
  "//./unc/host/share",
  "\\\\.\\pipe\\cats",
  "\\\\?\\GLOBALROOT\\Device\\Mup\\host\\share",
  "\\\\?\\C:\\..\\UNC\\host\\share",
];

test.each(shares)("nothing but the base is looked at before %j is refused", async (requested) => {
  const disk = windowsDisk(["C:\\out", "\\\\host\\share\\a"]);

  const { message, details } = await errorOf(askWindows(disk, requested));

  expect(message).toContain("is outside the base directory C:\\out.");
  expect(details.recovery).toContain("No request was made.");
  expect(disk.asked).toEqual(["C:\\out"]);
});

test("on Windows: a base on a share is used, however the share is spelled", async () => {
  const base = "\\\\host\\share\\pictures";
  const disk = windowsDisk([base]);

  for (const requested of ["cats", `${base}\\cats`, "//HOST/share/pictures/cats"]) {
    expect(await askWindows(disk, requested, base)).toBe(`${base}\\cats`);
  }
  expect((await errorOf(askWindows(disk, "\\\\host\\other\\cats", base))).message).toContain("is outside");
  expect((await errorOf(askWindows(disk, "\\\\host\\share\\cats", base))).message).toContain("is outside");
});

test("on Windows: a base on a drive that stands for a share may be named by the share", async () => {
  const disk = windowsDisk(["Z:\\pictures", "\\\\host\\share\\pictures"], { "Z:": "\\\\host\\share" });

  expect(await askWindows(disk, "cats", "Z:\\pictures")).toBe("\\\\host\\share\\pictures\\cats");
  expect(await askWindows(disk, "\\\\host\\share\\pictures", "Z:\\pictures")).toBe("\\\\host\\share\\pictures");
});

test.each(["cats", "C:\\kit\\cats", "c:/KIT/cats", "..\\Kit\\cats", "C:cats", "\\\\?\\C:\\kit\\cats"])(
  "on Windows: %j is the same directory in the base",
  async (requested) => {
    const disk = windowsDisk(["C:\\kit\\Cats"]);

    expect(await askWindows(disk, requested, "C:\\kit")).toBe("C:\\kit\\Cats");
  },
);

test.each([
  ["C:\\kit", "..\\\u212Ait"],
  ["C:\\kit", "C:\\\u212Ait\\cats"],
  ["C:\\\u00E5", "..\\\u212B"],
  ["C:\\\u03C9", "..\\\u2126\\cats"],
  ["C:\\\u00DF", "..\\\u1E9E"],
])("on Windows: a neighbour of %j that only Unicode takes for it, %j, is outside", async (base, requested) => {
  const disk = windowsDisk([base]);

  expect((await errorOf(askWindows(disk, requested, base))).message).toContain("is outside the base directory");
  expect(disk.directories()).toEqual(["C:\\", base]);
});

test("on Windows what does not exist yet is compared exactly, too", async () => {
  const disk = windowsDisk(["C:\\"]);

  expect((await errorOf(askWindows(disk, "..\\KIT\\cats", "C:\\kit"))).message).toContain("is outside");
  expect(disk.directories()).toEqual(["C:\\"]);
  expect(await askWindows(disk, "..\\kit\\cats", "C:\\kit")).toBe("C:\\kit\\cats");
});

test.each(["trail.", "trail ", "cats\\CON", "nul.d", "C:\\out\\a:b", "what?", "a\\...\\b", "a\tb"])(
  "on Windows: the name %j is refused, and nothing is looked at",
  async (requested) => {
    const disk = windowsDisk(["C:\\out"]);

    const { message, details } = await errorOf(askWindows(disk, requested));

    expect(message).toContain("which Windows cannot use as the name of a directory");
    expect(details.recovery).toContain("No request was made.");
    expect(disk.asked).toEqual([]);
  },
);

test.each(["Q:\\", "Q:\\cats", "Q:cats", "\\\\?\\Q:\\cats"])(
  "on Windows: a drive that is not there, in %j, is outside",
  async (requested) => {
    const disk = windowsDisk(["C:\\out"]);

    expect((await errorOf(askWindows(disk, requested))).message).toContain("is outside the base directory");
  },
);

test("on Windows: a base whose drive is not there cannot be written", async () => {
  const disk = windowsDisk(["C:\\"]);

  expect((await errorOf(askWindows(disk, "cats", "Q:\\pictures"))).message).toContain("cannot be written (ENOENT)");
});

function askWindows(disk: WindowsDisk, requested: string, base = "C:\\out"): Promise<string> {
  return resolveOutputDirectory(requested, { base, defaultDirectory: base }, "C:\\Users\\Ada", disk.platform);
}

test.runIf(process.platform === "linux")(
  "the proof that a directory can be written needs room in the path for the longest name",
  async () => {
    await using directory = await temporaryDirectory();
    const longest = LINUX_PATH_MAX_BYTES - 2 - FILE_NAME_MAX_BYTES;
    const fits = await directoryOfLength(join(directory.path, "a"), longest);
    const tooDeep = await directoryOfLength(join(directory.path, "b"), longest + 1);

    await assertWritable(fits, directory.path);
    const { message } = await errorOf(assertWritable(tooDeep, directory.path));

    expect(message).toContain("(ENAMETOOLONG)");
    for (const deep of [fits, tooDeep]) expect(await readdir(deep)).toEqual([]);
  },
);

test("the proof that a directory can be written names MINIMAX_OUTPUT_DIR where the base itself is at fault, and another output_dir elsewhere", async () => {
  await using place = await room();
  const file = join(place.base, "notes.txt");
  await writeFile(file, "mine");

  const ofDirectory = await errorOf(assertWritable(file, place.base));
  const ofBase = await errorOf(assertWritable(file, file));
  const ofMissingBase = await errorOf(resolveAndProve("cats", { base: join(file, "a"), defaultDirectory: file }, file));

  expect(ofDirectory.details.recovery).toContain("Choose another output_dir");
  for (const { details } of [ofBase, ofMissingBase]) {
    expect(details.recovery).toContain("Set MINIMAX_OUTPUT_DIR to a directory that can be written");
    expect(details.recovery).not.toContain("output_dir");
  }
});

async function directoryOfLength(parent: string, bytes: number): Promise<string> {
  let path = parent;
  while (bytes - path.length > 201) path = join(path, "x".repeat(199));
  path = join(path, "x".repeat(bytes - path.length - 1));
  await mkdir(path, { recursive: true });
  return path;
}

test("whatever is asked for, it is inside the base or refused, and what is outside stays as it is", async () => {
  await using place = await room();
  if (!isWindows) await symlink(place.outside, join(place.base, "link"));
  const outer = join(place.base, "..");
  const before = (await readdir(outer)).toSorted();
  const atom = fc.constantFrom(
    "..",
    ".",
    "",
    "cats",
    "link",
    "~",
    "..cats",
    "base",
    "outside",
    "home",
    outer,
    place.base,
  );

  await fc.assert(
    fc.asyncProperty(fc.array(atom, { minLength: 1, maxLength: 6 }), async (atoms) => {
      const requested = atoms.join("/");
      try {
        const directory = await place.ask(requested);
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

test("whether a directory can be written is yes for one that exists, and nothing stays behind", async () => {
  await using directory = await temporaryDirectory();

  expect(await canBeWritten(directory.path)).toBe(true);
  expect(await readdir(directory.path)).toEqual([]);
});

test("whether a directory can be written is asked of the nearest one that exists, and none is created", async () => {
  await using directory = await temporaryDirectory();

  expect(await canBeWritten(join(directory.path, "not", "there", "yet"))).toBe(true);
  expect(await readdir(directory.path)).toEqual([]);
});

test.runIf(isWindows)("whether a directory can be written is no on a drive that is not there", async () => {
  expect(await canBeWritten("Q:\\pictures\\cats")).toBe(false);
});

test("whether a directory can be written is no for a file and for what would lie below it", async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, "file");
  await writeFile(file, "kept");

  expect(await canBeWritten(file)).toBe(false);
  expect(await canBeWritten(join(file, "below"))).toBe(false);
  expect(await readFile(file, "utf8")).toBe("kept");
});

test.skipIf(isWindows)(
  "whether a directory can be written is no for a name that the filesystem does not take",
  async () => {
    await using directory = await temporaryDirectory();

    expect(await canBeWritten(join(directory.path, "x".repeat(300)))).toBe(false);
  },
);

test.runIf(process.platform === "linux")(
  "whether a directory can be written is no where a file may be made but takes no byte, as on a full disk",
  async () => {
    await using directory = await temporaryDirectory();
    const module = JSON.stringify(new URL("./output-directory.ts", import.meta.url).href);
    const script = `import { canBeWritten } from ${module};
        console.log(await canBeWritten(${JSON.stringify(directory.path)}));`;

    const { stdout } = await promisify(execFile)("sh", ["-c", 'ulimit -f 0 && exec "$0" "$@"', ...evaluating(script)]);

    expect(stdout.trim()).toBe("false");
    expect(await readdir(directory.path)).toEqual([]);
  },
);

test("whether a directory can be written is no for a link that leads nowhere", async () => {
  await using directory = await temporaryDirectory();
  const dangling = join(directory.path, "link");
  await symlink(join(directory.path, "nowhere"), dangling, "junction");

  expect(await canBeWritten(dangling)).toBe(false);
  expect(await readdir(directory.path)).toEqual(["link"]);
});

test.runIf(process.platform === "linux")(
  "whether a directory can be written is no where the filesystem takes no files",
  async () => {
    expect(await canBeWritten("/proc")).toBe(false);
  },
);
