import { execFileSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import {
  type FileHandle,
  lstat,
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
import { join, relative, resolve } from "node:path";
import { expect, test } from "vitest";
import { bigJpeg } from "../../test/support/big-jpeg.ts";
import { failureOf } from "../../test/support/failure-of.ts";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { DeadlineExceededError, OutputDirectoryError, SubjectReferenceError } from "../errors.ts";
import type { Places } from "./base-directory.ts";
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
  readonly with: (places: Partial<Places>) => Workspace;
  readonly read: (path: string, signal?: AbortSignal) => Promise<Buffer>;
}

async function room(): Promise<Room> {
  const { path, [Symbol.asyncDispose]: remove } = await temporaryDirectory();
  const base = join(path, "base");
  await mkdir(base);
  await writeFile(join(base, "face.jpeg"), IMAGE);
  const places = {
    base,
    defaultDirectory: join(base, "output"),
    fallbackNotice: "Files go elsewhere.",
    referenceDirectories: [],
    homeDirectory: join(base, "home"),
  };
  const workspace = new Workspace(places);
  return {
    path,
    base,
    workspace,
    with: (others) => new Workspace({ ...places, ...others }),
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

test.each([
  ["../cats", 1, "is outside the base directory"],
  ["face.jpeg", 1, "cannot be written"],
  ["cats", 1e18, "Not enough disk space in "],
])("the directory %j is not proved for %f bytes: it %s", async (outputDir, neededBytes, reason) => {
  await using place = await room();

  const failure = await failureOf(place.workspace.prove(outputDir, neededBytes, RUNNING));

  expect(failure).toBeInstanceOf(OutputDirectoryError);
  expect(failure.message).toContain(reason);
  expect(await readdir(place.path)).toEqual(["base"]);
});

test("a directory is resolved anew after its proof", async () => {
  await using place = await room();
  const cats = join(place.base, "cats");
  await place.workspace.prove("cats", 1, RUNNING);

  await rm(cats, { recursive: true });
  expect(await place.workspace.resolve("cats")).toBe(cats);
  expect(await readdir(cats)).toEqual([]);

  await rm(cats, { recursive: true });
  await symlink(place.path, cats, "junction");
  await expect(place.workspace.resolve("cats")).rejects.toThrow("is outside the base directory");
});

test.each([
  [undefined, "output"],
  ["a/../output/", "output"],
  ["./img", "img"],
  [".", "."],
  ["~/img/", "home/img"],
])("the path of %j is in one spelling", async (outputDir, name) => {
  await using place = await room();
  const path = resolve(place.base, name);

  expect(place.workspace.pathOf(outputDir)).toBe(path);
  expect(place.workspace.pathOf(path)).toBe(path);
});

test("a path below ~ is unknown without a home directory", async () => {
  await using place = await room();

  expect(place.with({ homeDirectory: undefined }).pathOf("~/img")).toBeUndefined();
});

const FACTS = { width: 1024, height: 1024, mime_type: "image/jpeg" } as const;

interface Kept {
  readonly first: string;
  readonly names: () => Promise<string[]>;
}

/** Saves two images; asks which of them are as they were. */
async function keep({ base, workspace }: Room): Promise<Kept> {
  const saved = ["a.jpeg", "b.jpeg"].map((name) => ({ ...FACTS, path: join(base, name), bytes: IMAGE.length }));
  for (const { path } of saved) await writeFile(path, IMAGE);
  return {
    first: join(base, "a.jpeg"),
    names: async () => (await workspace.findUnchanged(saved)).map(({ path }) => relative(base, path)),
  };
}

test("saved images are found as long as they are as they were", async () => {
  await using place = await room();

  expect(await (await keep(place)).names()).toEqual(["a.jpeg", "b.jpeg"]);
  expect(await place.workspace.findUnchanged([])).toEqual([]);
});

const linkInPlaceOf = (path: string): Promise<void> =>
  rename(path, `${path}.old`).then(() => symlink("a.jpeg.old", path));

test.each([
  ["moved", (path: string) => rename(path, `${path}.old`)],
  ["truncated", (path: string) => truncate(path, 100)],
  ["overwritten", (path: string) => writeFile(path, bigJpeg(3000))],
  ...(isWindows ? [] : [["moved, and a link left behind", linkInPlaceOf] as const]),
] as const)("a saved image that was %s is not found, and the other is", async (_how, change) => {
  await using place = await room();
  const { first, names } = await keep(place);

  await change(first);

  expect(await names()).toEqual(["b.jpeg"]);
});

test("a directory of the size of a saved image is not found", async () => {
  await using place = await room();
  const { size } = await lstat(place.base);

  expect(await place.workspace.findUnchanged([{ ...FACTS, path: place.base, bytes: size }])).toEqual([]);
});

test.skipIf(isWindows)("on a hung drive saved images are taken to be there", async () => {
  await using place = await room();
  const { names } = await keep(place);

  await whileFilesHang(place.path, async () => {
    expect(await names()).toEqual(["a.jpeg", "b.jpeg"]);
  });
});

test("a directory can be saved in exactly when a call can save there", async () => {
  await using place = await room();
  const [out, nowhere] = [join(place.base, "out"), join(place.base, "nowhere")];
  await symlink(place.path, out, "junction");
  await symlink(join(place.path, "gone"), nowhere, "junction");

  expect(await place.workspace.canSave()).toBe(true);
  for (const defaultDirectory of [join(place.base, "face.jpeg"), out, nowhere]) {
    expect(await place.with({ defaultDirectory }).canSave()).toBe(false);
  }
  expect(await place.with({ base: nowhere }).canSave()).toBe(false);
});

test("the fallback is mentioned only when a call uses it", async () => {
  await using place = await room();

  expect(place.workspace.noticeFor(undefined)).toBe("Files go elsewhere.");
  expect(place.workspace.noticeFor("cats")).toBe("");
  const { base, defaultDirectory, referenceDirectories, homeDirectory } = place.workspace.places;
  const chosen = new Workspace({ base, defaultDirectory, referenceDirectories, homeDirectory });
  expect(chosen.noticeFor(undefined)).toBe("");
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
