import { mkdir, readdir, readlink, rename, symlink, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ALL_SWAPS, whileSwapping } from "../../test/support/swap-race.ts";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { openInside, type PathOfOpenFile } from "./open-inside.ts";

const isWindows = process.platform === "win32";
const TRIES = 400;
const LIMIT_MS = 20_000;
const unasked: PathOfOpenFile = () => Promise.resolve(undefined);

interface Room extends AsyncDisposable {
  readonly base: string;
  readonly outside: string;
  readonly face: string;
  readonly read: (path: string, pathOfOpenFile?: PathOfOpenFile) => Promise<string | undefined>;
}

async function room(): Promise<Room> {
  const directory = await temporaryDirectory();
  const [base, outside] = [join(directory.path, "base"), join(directory.path, "outside")];
  for (const path of [base, outside, join(base, "faces")]) await mkdir(path);
  for (const path of [join(base, "kept.png"), join(base, "faces", "face.png")]) await writeFile(path, "inside");
  await writeFile(join(outside, "face.png"), "outside");
  await symlink(join(base, "faces"), join(base, "link"), "junction");
  return {
    base,
    outside,
    face: join(base, "faces", "face.png"),
    read: async (path, pathOfOpenFile) => {
      const file = await openInside(path, [base], pathOfOpenFile);
      if (file === undefined) return undefined;
      try {
        return await file.readFile("utf8");
      } finally {
        await file.close();
      }
    },
    async [Symbol.asyncDispose]() {
      await directory[Symbol.asyncDispose]();
    },
  };
}

describe.each<readonly [string, PathOfOpenFile | undefined]>([
  ["with the kernel's word", undefined],
  ["without the kernel's word", unasked],
])("%s", (_, pathOfOpenFile) => {
  test("a file inside is opened, directly and through a link that stays inside", async () => {
    await using place = await room();

    expect(await place.read(place.face, pathOfOpenFile)).toBe("inside");
    expect(await place.read(join(place.base, "link", "face.png"), pathOfOpenFile)).toBe("inside");
  });

  test("a file outside is not opened, directly or through a link that leads out", async () => {
    await using place = await room();
    await symlink(place.outside, join(place.base, "out"), "junction");

    expect(await place.read(join(place.outside, "face.png"), pathOfOpenFile)).toBeUndefined();
    expect(await place.read(join(place.base, "out", "face.png"), pathOfOpenFile)).toBeUndefined();
  });
});

test.skipIf(isWindows).each(ALL_SWAPS)(
  "%s, swapped as fast as another process can, never give what is outside",
  async (swap) => {
    await using place = await room();
    const path = join(place.base, swap.startsWith("a link") ? "link" : "faces", "face.png");
    const seen = { inside: 0, refused: 0 };
    const untilMs = performance.now() + LIMIT_MS;

    await whileSwapping(swap, place, async () => {
      for (let tries = 0; tries < TRIES || seen.inside === 0 || seen.refused === 0; tries++) {
        const content = await place.read(path).catch(() => undefined);
        expect(content).not.toBe("outside");
        seen[content === undefined ? "refused" : "inside"] += 1;
        if (performance.now() > untilMs) break;
      }
    });

    expect(seen.inside).toBeGreaterThan(0);
    expect(seen.refused).toBeGreaterThan(0);
  },
  2 * LIMIT_MS,
);

test.skipIf(isWindows)(
  "without the kernel's word, a file swapped as fast as possible never gives what is outside",
  async () => {
    await using place = await room();
    await whileSwapping("a file and a link that leads out", place, async () => {
      for (let tries = 0; tries < TRIES; tries++) {
        expect(await place.read(place.face, unasked).catch(() => undefined)).not.toBe("outside");
      }
    });
  },
);

test.skipIf(isWindows)(
  "a file that was replaced after it was opened is refused where only its number tells",
  async () => {
    await using place = await room();
    const replace: PathOfOpenFile = async () => {
      await writeFile(join(place.base, "next"), "new");
      await rename(join(place.base, "next"), place.face);
      return undefined;
    };

    await expect(place.read(place.face, replace)).rejects.toThrow("it was replaced while it was being opened");
  },
);

test.skipIf(isWindows)(
  "a directory that leads out after the file was opened is refused where the kernel gives no word",
  async () => {
    await using place = await room();
    const swap: PathOfOpenFile = async () => {
      await rename(join(place.base, "faces"), join(place.base, "away"));
      await symlink(place.outside, join(place.base, "faces"));
      return undefined;
    };

    expect(await place.read(place.face, swap)).toBeUndefined();
  },
);

test("a path that the kernel calls outside is refused, whatever the name says now", async () => {
  await using place = await room();

  for (const path of [join(place.outside, "face.png"), "(unreachable)/face.png", `${place.base}-other/face.png`]) {
    expect(await place.read(place.face, () => Promise.resolve(path))).toBeUndefined();
  }
});

test("a path that the kernel spells in other letters is the same file when its number says so", async () => {
  await using place = await room();

  expect(await place.read(place.face, () => Promise.resolve(place.face.toUpperCase()))).toBe("inside");
});

test.skipIf(isWindows)("a file that is deleted after it was opened is still read", async () => {
  await using place = await room();
  const remove: PathOfOpenFile = async () => {
    await unlink(place.face);
    return `${place.face} (deleted)`;
  };

  expect(await place.read(place.face, remove)).toBe("inside");
});

test.runIf(process.platform === "linux")("a file that is refused does not stay open", async () => {
  await using place = await room();

  await place.read(place.face, () => Promise.resolve(place.outside));

  const descriptors = await readdir("/proc/self/fd");
  const paths = await Promise.all(descriptors.map((fd) => readlink(join("/proc/self/fd", fd)).catch(() => "")));
  expect(paths).not.toContain(place.face);
});
