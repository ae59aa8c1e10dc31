import { type FileHandle, mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ALL_SWAPS, whileSwapping } from "../../test/support/swap-race.ts";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { isInsideAny, openInside } from "./open-inside.ts";
import { type FileId, PLATFORM, type Platform } from "./real-path.ts";

const isWindows = process.platform === "win32";
const TRIES = 400;
const LIMIT_MS = 60_000;

/** A platform that does not say where an open file lies, as macOS and Windows. */
const SILENT: Platform = { ...PLATFORM, pathOf: () => Promise.resolve(undefined) };

interface Room extends AsyncDisposable {
  readonly base: string;
  readonly outside: string;
  readonly face: string;
}

async function room(): Promise<Room> {
  const directory = await temporaryDirectory();
  const [base, outside] = [join(directory.path, "base"), join(directory.path, "outside")];
  const face = join(base, "faces", "face.png");
  for (const path of [base, outside, join(base, "faces")]) await mkdir(path);
  for (const path of [join(base, "kept.png"), face]) await writeFile(path, "inside");
  await writeFile(join(outside, "face.png"), "outside");
  await symlink(join(base, "faces"), join(base, "link"), "junction");
  await symlink(outside, join(base, "out"), "junction");
  return { base, outside, face, [Symbol.asyncDispose]: () => Promise.resolve(directory[Symbol.asyncDispose]()) };
}

/** What the file holds, or undefined when it is refused; then it has to be closed. */
async function read(path: string, base: string, platform = PLATFORM): Promise<string | undefined> {
  const opened: FileHandle[] = [];
  const pathOf: Platform["pathOf"] = (file) => {
    opened.push(file);
    return platform.pathOf(file);
  };
  try {
    const file = await openInside(path, [base], { ...platform, pathOf });
    const content = await file?.readFile("utf8");
    await file?.close();
    return content;
  } finally {
    expect(opened.every(({ fd }) => fd === -1)).toBe(true);
  }
}

test("a file inside is opened, directly and by a link", async () => {
  await using place = await room();

  expect(await read(place.face, place.base)).toBe("inside");
  expect(await read(join(place.base, "link", "face.png"), place.base)).toBe("inside");
  expect(await read(place.face, join(place.base, "link"))).toBe("inside");
});

test("a file outside is not even opened, directly or by a link", async () => {
  await using place = await room();
  const platform: Platform = { ...PLATFORM, pathOf: () => expect.unreachable("It was opened.") };

  for (const path of [join(place.outside, "face.png"), join(place.base, "out", "face.png")]) {
    expect(await read(path, place.base, platform)).toBeUndefined();
    expect(await read(path, join(place.base, "gone"), platform)).toBeUndefined();
  }
});

test("the first directory that holds a file decides", async () => {
  await using place = await room();
  const platform: Platform = {
    ...PLATFORM,
    realpath: (path) => (path === "/hung" ? new Promise(() => undefined) : PLATFORM.realpath(path)),
  };
  const directories = [join(place.base, "gone"), place.outside, place.base, "/hung"];

  expect(await isInsideAny(place.face, directories, platform)).toBe(true);
  expect(await isInsideAny("socket:[7]", [process.cwd()])).toBe(false);
});

test.each<[string, string, (place: Room) => string | undefined]>([
  ["says where it is", "read", ({ face }) => face],
  ["says that it was moved inside", "read", ({ base }) => join(base, "moved.png")],
  ["writes its path in other letters", "read", ({ face }) => face.toUpperCase()],
  ["does not say where it is", "read", () => undefined],
  ["says that it lies outside", "refused", ({ outside }) => join(outside, "face.png")],
  ["has no path for it", "refused", () => "socket:[7]"],
])("where the system %s, an open file is %s", async (_case, outcome, pathOf) => {
  await using place = await room();
  const platform: Platform = { ...PLATFORM, pathOf: () => Promise.resolve(pathOf(place)) };

  expect(await read(place.face, place.base, platform)).toBe(outcome === "read" ? "inside" : undefined);
});

test.each<[string, string, (found: FileId) => FileId]>([
  ["another number", "refused", ({ dev, ino }) => ({ dev, ino: ino + 1n })],
  ["another device", "refused", ({ dev, ino }) => ({ dev: dev + 1n, ino })],
  ["a device with the same low half", "read", ({ dev, ino }) => ({ dev: dev + (7n << 32n), ino })],
])("where a path leads to %s, the file is %s", async (_case, outcome, change) => {
  await using place = await room();
  const lstat = async (path: string): Promise<FileId> => change(await PLATFORM.lstat(path));

  expect(await read(place.face, place.base, { ...SILENT, lstat })).toBe(outcome === "read" ? "inside" : undefined);
});

test("an error of a look is passed on", async () => {
  await using place = await room();
  const failure = new Error("EIO");

  await expect(read(place.face, place.base, { ...SILENT, lstat: () => Promise.reject(failure) })).rejects.toBe(failure);
});

/**
 * Before each question to the disk, has `faces` lead inside (i) or outside (o) as the plan says; its last letter stays.
 * The guard asks for the file and the base, opens the file, and then asks three times for its path, the file there and
 * the base.
 */
function swapping({ base, outside }: Room, plan: string, platform: Platform): Platform {
  const faces = join(base, "faces");
  let asked = 0;
  let isOut = false;
  const turn = async (): Promise<void> => {
    const wasOut = isOut;
    isOut = (plan[asked] ?? plan.at(-1)) === "o";
    asked += 1;
    if (isOut && !wasOut) {
      await rename(faces, join(base, "away"));
      await symlink(outside, faces);
    } else if (wasOut && !isOut) {
      await rm(faces);
      await rename(join(base, "away"), faces);
    }
  };
  return {
    ...platform,
    realpath: (path) => turn().then(() => platform.realpath(path)),
    lstat: (path) => turn().then(() => platform.lstat(path)),
  };
}

describe.skipIf(isWindows)("a directory that is swapped for a link that leads out", () => {
  test.each([
    ["before the file is opened", "o"],
    ["while the file is opened", "ioi"],
    ["from then on", "io"],
    ["once the file is open", "iio"],
    ["by the second look", "ioiooi"],
    ["by the second look, which leads out", "ioio"],
    ["by the third look", "ioiooiooi"],
    ["by the third look, which leads out", "ioiooio"],
  ])("is noticed %s", async (_case, plan) => {
    await using place = await room();

    expect(await read(place.face, place.base, swapping(place, plan, SILENT))).toBeUndefined();
  });

  test.runIf(process.platform === "linux")("is noticed by the kernel's path behind any look", async () => {
    await using place = await room();

    expect(await read(place.face, place.base, swapping(place, "ioiooiooio", PLATFORM))).toBeUndefined();
  });
});

test.skipIf(isWindows)("a link that takes the place of the file is not followed", async () => {
  await using place = await room();
  const realpath = async (path: string): Promise<string> => {
    if (path === place.base) {
      await rm(place.face);
      await symlink(join(place.outside, "face.png"), place.face);
    }
    return PLATFORM.realpath(path);
  };

  await expect(read(place.face, place.base, { ...PLATFORM, realpath })).rejects.toHaveProperty("code", "ELOOP");
});

describe.skipIf(isWindows).each([
  ["as the system says where a file lies", PLATFORM],
  ["by looks alone", SILENT],
])("%s", (_case, platform) => {
  test.each(ALL_SWAPS)(
    "%s never give a file outside",
    async (swap) => {
      await using place = await room();
      const path = join(place.base, swap.startsWith("a link") ? "link" : "faces", "face.png");
      expect(await read(path, place.base, platform)).toBe("inside");
      const seen = new Set<string | undefined>();

      await whileSwapping(swap, place, async () => {
        for (let tries = 0; tries < TRIES || seen.size < 2; tries += 1) {
          seen.add(await read(path, place.base, platform).catch(() => undefined));
        }
      });

      expect(seen).toEqual(new Set(["inside", undefined]));
    },
    LIMIT_MS,
  );
});
