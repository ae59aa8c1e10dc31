import { execFileSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  symlink,
  truncate,
  unlink,
  writeFile,
} from "node:fs/promises";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { bigJpeg } from "../../test/support/big-jpeg.ts";
import { failureOf } from "../../test/support/failure-of.ts";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { DeadlineExceededError, OutputDirectoryError, SubjectReferenceError } from "../errors.ts";
import type { SavedImage } from "../schemas.ts";
import { Workspace } from "./workspace.ts";

const isWindows = process.platform === "win32";
const FILE_SYSTEM_THREADS = Number(process.env["UV_THREADPOOL_SIZE"] ?? 4);
const HANGING_MS = 20_000;
const IMAGE = bigJpeg(2000);
const RUNNING = new AbortController().signal;

interface Room extends AsyncDisposable {
  readonly path: string;
  readonly base: string;
  readonly workspace: Workspace;
  readonly read: (path: string, signal?: AbortSignal) => Promise<Buffer>;
}

async function room(): Promise<Room> {
  const { path, [Symbol.asyncDispose]: remove } = await temporaryDirectory();
  const base = join(path, "base");
  await mkdir(base);
  await writeFile(join(base, "face.jpeg"), IMAGE);
  const workspace = new Workspace({
    base,
    defaultDirectory: join(base, "output"),
    fallbackNotice: "Files go elsewhere.",
    referenceDirectories: [],
    homeDirectory: undefined,
  });
  return {
    path,
    base,
    workspace,
    read: async (image, signal = RUNNING) => {
      const { bytes } = await workspace.readImage({ path: image, name: "image", limitBytes: 10_000 }, signal);
      return Buffer.from(bytes);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(remove()),
  };
}

/**
 * Occupies every thread that reads and writes files, as a drive that does not respond does, while `work` runs. Gives
 * them back after 20 s, so that work that waits for them fails.
 */
async function whileFilesHang(directory: string, work: () => Promise<void>): Promise<void> {
  const pipe = join(directory, "pipe");
  execFileSync("mkfifo", [pipe]);
  const opening: Promise<FileHandle>[] = Array.from({ length: FILE_SYSTEM_THREADS }, () => open(pipe, "r"));
  const release = (): void => {
    closeSync(openSync(pipe, "r+"));
  };
  const limit = setTimeout(release, HANGING_MS);
  try {
    await work();
  } finally {
    clearTimeout(limit);
    release();
    for (const file of await Promise.all(opening)) await file.close();
  }
}

test("a proof makes the directory and leaves no file in it", async () => {
  await using place = await room();

  await place.workspace.prove(undefined, 1, RUNNING);
  await place.workspace.prove("cats", 1, RUNNING);

  expect((await readdir(place.base)).toSorted()).toEqual(["cats", "face.jpeg", "output"]);
  for (const name of ["cats", "output"]) expect(await readdir(join(place.base, name))).toEqual([]);
});

test("a directory outside the base is not proved", async () => {
  await using place = await room();

  const failure = await failureOf(place.workspace.prove("../cats", 1, RUNNING));

  expect(failure).toBeInstanceOf(OutputDirectoryError);
  expect(failure.message).toContain("is outside the base directory");
  expect(await readdir(place.path)).toEqual(["base"]);
});

test("a directory that cannot be written is not proved", async () => {
  await using place = await room();

  const failure = await failureOf(place.workspace.prove("face.jpeg", 1, RUNNING));

  expect(failure.message).toContain("cannot be written");
});

test("a directory on a disk that is too full is not proved", async () => {
  await using place = await room();

  const failure = await failureOf(place.workspace.prove("cats", 1e18, RUNNING));

  expect(failure).toBeInstanceOf(OutputDirectoryError);
  expect(failure.message).toContain(`Not enough disk space in ${join(place.base, "cats")}: `);
});

test("a directory that is gone since its proof is made again", async () => {
  await using place = await room();
  await place.workspace.prove("cats", 1, RUNNING);
  await rm(join(place.base, "cats"), { recursive: true });

  expect(await place.workspace.resolve("cats")).toBe(join(place.base, "cats"));
  expect(await readdir(join(place.base, "cats"))).toEqual([]);
});

test("a directory that leads out since its proof is refused", async () => {
  await using place = await room();
  await place.workspace.prove("cats", 1, RUNNING);
  await rm(join(place.base, "cats"), { recursive: true });
  await symlink(place.path, join(place.base, "cats"), "junction");

  await expect(place.workspace.resolve("cats")).rejects.toThrow("is outside the base directory");
});

test.each([
  [undefined, "output"],
  ["output", "output"],
  ["output/", "output"],
  ["./output", "output"],
  ["a/../output", "output"],
  ["img", "img"],
  ["img/", "img"],
  [".", "."],
])("the path of %j is in one spelling", async (outputDir, name) => {
  await using place = await room();

  expect(place.workspace.pathOf(outputDir)).toBe(resolve(place.base, name));
  expect(place.workspace.pathOf(resolve(place.base, name))).toBe(resolve(place.base, name));
});

test("a path below ~ is known by the home directory, and unknown without one", async () => {
  await using place = await room();
  const atHome = new Workspace({ ...place.workspace.places, homeDirectory: place.base });

  expect(atHome.pathOf("~/img/")).toBe(join(place.base, "img"));
  expect(place.workspace.pathOf("~/img")).toBeUndefined();
});

interface Kept {
  readonly place: Room;
  readonly saved: readonly SavedImage[];
  readonly names: () => Promise<string[]>;
}

async function kept(place: Room): Promise<Kept> {
  const saved = ["a.jpeg", "b.jpeg"].map((name) => ({
    path: join(place.base, name),
    width: 1024,
    height: 1024,
    bytes: IMAGE.length,
    mime_type: "image/jpeg" as const,
  }));
  for (const { path } of saved) await writeFile(path, IMAGE);
  return {
    place,
    saved,
    names: async () =>
      (await place.workspace.findUnchanged(saved)).map(({ path }) => path.slice(place.base.length + 1)),
  };
}

test("saved images are found as long as they are as they were", async () => {
  await using place = await room();

  expect(await (await kept(place)).names()).toEqual(["a.jpeg", "b.jpeg"]);
  expect(await place.workspace.findUnchanged([])).toEqual([]);
});

test.each<[string, (path: string) => Promise<unknown>]>([
  ["deleted", (path) => unlink(path)],
  ["moved", (path) => rename(path, `${path}.old`)],
  ["truncated", (path) => truncate(path, 100)],
  ["overwritten", (path) => writeFile(path, bigJpeg(3000))],
  [
    "replaced by a directory",
    async (path) => {
      await unlink(path);
      await mkdir(path);
    },
  ],
])("a saved image that was %s is not found, and the other is", async (_how, change) => {
  await using place = await room();
  const { saved, names } = await kept(place);

  await change(saved[0]?.path ?? "");

  expect(await names()).toEqual(["b.jpeg"]);
});

test.skipIf(isWindows)("a saved image in the place of which there is a link is not found", async () => {
  await using place = await room();
  const { saved, names } = await kept(place);
  const path = saved[0]?.path ?? "";
  await rename(path, `${path}.old`);
  await symlink(`${path}.old`, path);

  expect(await names()).toEqual(["b.jpeg"]);
});

test.skipIf(isWindows)("on a hung drive saved images are taken to be there", async () => {
  await using place = await room();
  const { names } = await kept(place);

  await whileFilesHang(place.path, async () => {
    expect(await names()).toEqual(["a.jpeg", "b.jpeg"]);
  });
});

test("a directory can be saved in exactly when a call can save there", async () => {
  await using place = await room();

  expect(await place.workspace.canSave()).toBe(true);
  const places = { ...place.workspace.places, defaultDirectory: join(place.base, "face.jpeg") };
  expect(await new Workspace(places).canSave()).toBe(false);
});

test.skipIf(isWindows)("a base or default directory that leads nowhere cannot be saved in", async () => {
  await using place = await room();
  const link = join(place.base, "link");
  await symlink(join(place.path, "gone"), link);

  for (const places of [{ base: link }, { defaultDirectory: link }]) {
    expect(await new Workspace({ ...place.workspace.places, ...places }).canSave()).toBe(false);
  }
});

test.skipIf(isWindows)("a default directory that leads out of the base cannot be saved in", async () => {
  await using place = await room();
  await symlink(place.path, join(place.base, "output"));

  expect((await failureOf(place.workspace.prove(undefined, 1, RUNNING))).message).toContain("outside the base");
  expect(await place.workspace.canSave()).toBe(false);
});

test("the fallback is mentioned only when a call uses it", async () => {
  await using place = await room();

  expect(place.workspace.noticeFor(undefined)).toBe("Files go elsewhere.");
  expect(place.workspace.noticeFor("cats")).toBe("");
});

test.skipIf(isWindows)("a link that is swapped for one to /etc/passwd is refused", async () => {
  await using place = await room();
  const link = join(place.base, "link.jpeg");
  await symlink(join(place.base, "face.jpeg"), link);
  expect(await place.read("link.jpeg")).toEqual(IMAGE);

  await unlink(link);
  await symlink("/etc/passwd", link);

  const failure = await failureOf(place.read("link.jpeg"));
  expect(failure).toBeInstanceOf(SubjectReferenceError);
  expect(failure.message).toContain(`image: ${link} is outside the directories that may be read`);
});

test.skipIf(isWindows)("a pipe does not hold the call", async () => {
  await using place = await room();
  const pipe = join(place.base, "pipe.jpeg");
  execFileSync("mkfifo", [pipe]);

  expect((await failureOf(place.read(pipe))).message).toBe(`image: ${pipe} is not a regular file.`);
});

test.skipIf(isWindows)("a hung drive is blamed when the time is up", async () => {
  await using place = await room();
  const timeUp = AbortSignal.abort(new DeadlineExceededError(6_000));
  const silence = "did not respond within the call's time limit (6 s).";

  await whileFilesHang(place.path, async () => {
    const [proof, reading] = await Promise.all([
      failureOf(place.workspace.prove("drive", 1, timeUp)),
      failureOf(place.read("face.jpeg", timeUp)),
    ]);

    expect(proof).toBeInstanceOf(OutputDirectoryError);
    expect(proof.message).toBe(`The output directory "drive" ${silence}`);
    expect(proof.recovery).toContain("No request was made. Check the disk or network drive");
    expect(reading).toBeInstanceOf(SubjectReferenceError);
    expect(reading.message).toBe(`image: face.jpeg ${silence}`);
  });
  await place.workspace.prove("drive", 1, RUNNING);
});

test.skipIf(isWindows)("a hung drive does not hold a cancelled call", async () => {
  await using place = await room();
  const reason = new Error("the client cancelled");

  await whileFilesHang(place.path, async () => {
    const cancelled = AbortSignal.abort(reason);
    await expect(place.workspace.prove("drive", 1, cancelled)).rejects.toBe(reason);
    await expect(place.read("face.jpeg", cancelled)).rejects.toBe(reason);
  });
  await place.workspace.prove("drive", 1, RUNNING);
});

test("work that ends soon after the time is up counts", async () => {
  await using place = await room();
  const timeUp = AbortSignal.abort(new DeadlineExceededError(6_000));

  expect(await place.read("face.jpeg", timeUp)).toEqual(IMAGE);
  await place.workspace.prove("cats", 1, timeUp);
});
