import { execFile, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { evaluating } from "../../test/support/evaluating.ts";
import { ALL_SWAPS, whileSwapping } from "../../test/support/swap-race.ts";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { isInsideAny, openInside } from "./open-inside.ts";
import { PLATFORM } from "./real-path.ts";

const isLinux = process.platform === "linux";
const isWindows = process.platform === "win32";
const canHideProc = isLinux && spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "tmpfs", "/proc"]).status === 0;
const TRIES = 400;
const LIMIT_MS = 20_000;

interface Room extends AsyncDisposable {
  readonly base: string;
  readonly outside: string;
}

async function room(): Promise<Room> {
  const directory = await temporaryDirectory();
  const [base, outside] = [join(directory.path, "base"), join(directory.path, "outside")];
  for (const path of [base, outside, join(base, "faces")]) await mkdir(path);
  for (const path of [join(base, "kept.png"), join(base, "faces", "face.png")]) await writeFile(path, "inside");
  await writeFile(join(outside, "face.png"), "outside");
  await symlink(join(base, "faces"), join(base, "link"), "junction");
  await symlink(outside, join(base, "out"), "junction");
  return { base, outside, [Symbol.asyncDispose]: () => Promise.resolve(directory[Symbol.asyncDispose]()) };
}

async function read(path: string, base: string): Promise<string | undefined> {
  const file = await openInside(path, [base]);
  if (file === undefined) return undefined;
  try {
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

test("a file inside is opened, directly and by a link", async () => {
  await using place = await room();

  expect(await read(join(place.base, "faces", "face.png"), place.base)).toBe("inside");
  expect(await read(join(place.base, "link", "face.png"), place.base)).toBe("inside");
  expect(await read(join(place.base, "faces", "face.png"), join(place.base, "link"))).toBe("inside");
});

test("a directory that hangs is not asked when one before it holds the file", async () => {
  await using place = await room();
  const platform = {
    ...PLATFORM,
    realpath: (path: string): Promise<string> =>
      path === "/hung" ? new Promise(() => undefined) : PLATFORM.realpath(path),
  };

  expect(await isInsideAny(join(place.base, "kept.png"), [place.outside, place.base, "/hung"], platform)).toBe(true);
});

test("a file outside is not opened, directly or by a link", async () => {
  await using place = await room();

  expect(await read(join(place.outside, "face.png"), place.base)).toBeUndefined();
  expect(await read(join(place.base, "out", "face.png"), place.base)).toBeUndefined();
});

test.runIf(isLinux)("a file outside is not even tried: a socket cannot be opened", async () => {
  await using place = await room();
  const socket = join(place.outside, "socket");
  await using server = createServer();
  await once(server.listen(socket), "listening");

  expect(await read(socket, place.base)).toBeUndefined();
});

test("a missing directory allows nothing", async () => {
  await using place = await room();

  expect(await read(join(place.outside, "face.png"), join(place.base, "gone"))).toBeUndefined();
});

test.skipIf(isWindows).each(ALL_SWAPS)(
  "%s, swapped in a race, never give a file outside",
  async (swap) => {
    await using place = await room();
    const path = join(place.base, swap.startsWith("a link") ? "link" : "faces", "face.png");
    const seen = { inside: 0, refused: 0 };
    const untilMs = performance.now() + LIMIT_MS;

    await whileSwapping(swap, place, async () => {
      for (let tries = 0; tries < TRIES || seen.inside === 0 || seen.refused === 0; tries += 1) {
        const content = await read(path, place.base).catch(() => undefined);
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

test.runIf(canHideProc).each(ALL_SWAPS)(
  "%s never give a file outside without /proc either",
  async (swap) => {
    await using place = await room();
    const path = join(place.base, swap.startsWith("a link") ? "link" : "faces", "face.png");
    const script = `
    import { readdirSync } from "node:fs";
    import { openInside } from ${JSON.stringify(new URL("./open-inside.ts", import.meta.url).href)};
    import { whileSwapping } from ${JSON.stringify(new URL("../../test/support/swap-race.ts", import.meta.url).href)};
    const place = ${JSON.stringify({ base: place.base, outside: place.outside })};
    const read = async (path) => {
      const file = await openInside(path, [place.base]);
      try { return await file?.readFile("utf8"); } finally { await file?.close(); }
    };
    const seen = { proc: readdirSync("/proc").length, before: await read(${JSON.stringify(path)}) };
    const untilMs = performance.now() + ${LIMIT_MS};
    await whileSwapping(${JSON.stringify(swap)}, place, async () => {
      for (let tries = 0; (tries < ${TRIES} || !seen.inside) && performance.now() < untilMs; tries += 1) {
        seen[await read(${JSON.stringify(path)}).catch(() => "refused")] = true;
      }
    });
    console.log(JSON.stringify(seen));`;

    const { stdout } = await promisify(execFile)("unshare", [
      "-rm",
      "sh",
      "-c",
      'mount -t tmpfs tmpfs /proc && exec "$0" "$@"',
      ...evaluating(script),
    ]);

    expect(JSON.parse(stdout)).toMatchObject({ proc: 0, before: "inside", inside: true });
    expect(stdout).not.toContain("outside");
  },
  3 * LIMIT_MS,
);

test.runIf(isLinux)("a file that is refused is closed at once", async () => {
  await using place = await room();
  const path = join(place.base, "faces", "face.png");
  const left = new Set<string>();

  await whileSwapping("a directory and a link that leads out", place, async () => {
    for (let tries = 0; tries < 5 * TRIES; tries += 1) {
      if ((await read(path, place.base).catch(() => undefined)) !== undefined) continue;
      for (const name of readdirSync("/proc/self/fd")) left.add(targetOf(join("/proc/self/fd", name)));
    }
  });

  expect([...left].filter((open) => open.startsWith(join(place.base, "..")))).toEqual([]);
});

function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return "";
  }
}
