import { execFile, spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { promisify } from "node:util";
import fc from "fast-check";
import sharp, { type Sharp } from "sharp";
import { expect, test } from "vitest";
import { evaluating } from "../../test/support/evaluating.ts";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { ImageError } from "../errors.ts";
import type { SavedImage } from "../schemas.ts";
import { type Destination, publishImage, writeImage } from "./save-image.ts";

const SIZE = { width: 60, height: 40 };
const canMount =
  process.platform === "linux" && spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0;
const NOBODY_ABORTS = new AbortController().signal;

async function saveImage(
  source: AsyncIterable<Uint8Array>,
  destination: Destination,
  signal: AbortSignal,
): Promise<SavedImage> {
  await using written = await writeImage(source, destination.directory, signal);
  return await publishImage(written, destination, signal);
}

function image(background = "tomato"): Sharp {
  return sharp({ create: { ...SIZE, channels: 3, background } });
}

function jpeg(background?: string): Promise<Buffer> {
  return image(background).jpeg().toBuffer();
}

async function* chunksOf(bytes: Uint8Array, size = 100): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.byteLength; offset += size) {
    await nextTurn();
    yield bytes.subarray(offset, offset + size);
  }
}

function named(...stems: readonly string[]): () => string {
  let asked = 0;
  return () => {
    const stem = stems[asked];
    asked += 1;
    if (stem === undefined) throw new Error(`Asked for ${asked} names.`);
    return stem;
  };
}

function numbered(stem: string): () => string {
  let asked = 0;
  return () => {
    asked += 1;
    return asked === 1 ? stem : `${stem}-${asked}`;
  };
}

async function failureOf(saving: Promise<unknown>): Promise<unknown> {
  try {
    await saving;
  } catch (error) {
    return error;
  }
  throw new Error("The image was saved.");
}

async function openFiles(): Promise<string[]> {
  const descriptors = await readdir("/proc/self/fd");
  return Promise.all(descriptors.map((descriptor) => readlink(join("/proc/self/fd", descriptor)).catch(() => "")));
}

function withMetadata(image: Buffer, bytes: number): Buffer {
  const segment = Buffer.alloc(50_000, "m");
  segment.set([0xff, 0xe2], 0);
  segment.writeUInt16BE(segment.byteLength - 2, 2);
  const segments = Array.from({ length: bytes / segment.byteLength }, () => segment);
  return Buffer.concat([image.subarray(0, 2), ...segments, image.subarray(2)]);
}

test("a saved image is the file with every byte, and its facts are those of the file", async () => {
  await using directory = await temporaryDirectory();
  const bytes = await jpeg();

  const saved = await saveImage(
    chunksOf(bytes),
    { directory: directory.path, nextBaseName: named("hero") },
    NOBODY_ABORTS,
  );

  expect(saved).toEqual({
    path: join(directory.path, "hero.jpeg"),
    ...SIZE,
    bytes: bytes.byteLength,
    mime_type: "image/jpeg",
  });
  expect(await readFile(saved.path)).toEqual(bytes);
  expect(await readdir(directory.path)).toEqual(["hero.jpeg"]);
});

test.each([
  ["jpeg", "image/jpeg", () => image().jpeg()],
  ["jpeg", "image/jpeg", () => image().jpeg({ progressive: true })],
  ["png", "image/png", () => image().png()],
  ["webp", "image/webp", () => image().webp()],
  ["webp", "image/webp", () => image().webp({ lossless: true })],
  ["webp", "image/webp", () => image().ensureAlpha(0.5).webp()],
] as const)("a saved image ends in .%s because its bytes are %s", async (extension, mimeType, render) => {
  await using directory = await temporaryDirectory();
  const bytes = await render().toBuffer();

  const saved = await saveImage(
    chunksOf(bytes),
    { directory: directory.path, nextBaseName: named("hero") },
    NOBODY_ABORTS,
  );

  expect(saved).toMatchObject({ ...SIZE, mime_type: mimeType });
  expect(await readdir(directory.path)).toEqual([`hero.${extension}`]);
});

test.each([200_000, 700_000, 1_500_000])(
  "a saved image is measured behind %i bytes of metadata",
  async (metadataBytes) => {
    await using directory = await temporaryDirectory();
    const bytes = withMetadata(await jpeg(), metadataBytes);
    expect(await sharp(bytes).metadata()).toMatchObject(SIZE);

    const saved = await saveImage(
      chunksOf(bytes, 10_000),
      { directory: directory.path, nextBaseName: named("hero") },
      NOBODY_ABORTS,
    );

    expect(saved).toMatchObject({ ...SIZE, bytes: bytes.byteLength });
    expect(bytes.equals(await readFile(saved.path))).toBe(true);
  },
);

test("a saved image is measured by its first piece, even when a later one begins like another image", async () => {
  await using directory = await temporaryDirectory();
  const another = await image().resize(8, 8).png().toBuffer();
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield await jpeg();
    yield another;
  }

  const saved = await saveImage(pieces(), { directory: directory.path, nextBaseName: named("hero") }, NOBODY_ABORTS);

  expect(saved).toMatchObject({ ...SIZE, mime_type: "image/jpeg" });
});

test.runIf(process.platform === "linux")("a saved image is closed, and so is one that is refused", async () => {
  await using directory = await temporaryDirectory();

  await saveImage(chunksOf(await jpeg()), { directory: directory.path, nextBaseName: named("hero") }, NOBODY_ABORTS);
  await failureOf(
    saveImage(chunksOf(Buffer.from("odd")), { directory: directory.path, nextBaseName: named() }, NOBODY_ABORTS),
  );

  expect((await openFiles()).filter((path) => path.startsWith(directory.path))).toEqual([]);
});

test("a saved image is the same, into whatever pieces its bytes are cut", async () => {
  await using directory = await temporaryDirectory();
  const bytes = await jpeg();
  const nextBaseName = numbered("hero");

  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: bytes.byteLength }), { maxLength: 6 }), async (cuts) => {
      const edges = [0, ...cuts, bytes.byteLength].toSorted((left, right) => left - right);
      async function* pieces(): AsyncGenerator<Uint8Array> {
        for (const [position, edge] of edges.entries()) {
          await nextTurn();
          yield bytes.subarray(edge, edges[position + 1] ?? edge);
        }
      }

      const saved = await saveImage(pieces(), { directory: directory.path, nextBaseName }, NOBODY_ABORTS);

      expect(saved).toMatchObject({ ...SIZE, bytes: bytes.byteLength });
      expect(await readFile(saved.path)).toEqual(bytes);
    }),
    { numRuns: 30 },
  );
});

test("a saved image has no name before it is whole", async () => {
  await using directory = await temporaryDirectory();
  const bytes = await jpeg();
  const seen: string[] = [];
  async function* watched(): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunksOf(bytes)) {
      seen.push(...(await readdir(directory.path)));
      yield chunk;
    }
  }

  await saveImage(watched(), { directory: directory.path, nextBaseName: named("hero") }, NOBODY_ABORTS);

  expect(new Set(seen).size).toBe(1);
  expect(seen[0]).toMatch(/^\..*\.tmp$/);
});

test("nobody who keeps looking ever sees an image that is not whole", async () => {
  await using directory = await temporaryDirectory();
  const bytes = await jpeg();
  const progress = { isOver: false };
  const saving = Promise.all(
    Array.from({ length: 60 }, (_, index) =>
      saveImage(chunksOf(bytes), { directory: directory.path, nextBaseName: named(`hero-${index}`) }, NOBODY_ABORTS),
    ),
  ).finally(() => {
    progress.isOver = true;
  });

  const sizes = new Set<number>();
  for (let isLast = false; !isLast;) {
    isLast = progress.isOver;
    const names = (await readdir(directory.path)).filter((name) => name.endsWith(".jpeg"));
    for (const { size } of await Promise.all(names.map((name) => stat(join(directory.path, name))))) sizes.add(size);
  }
  await saving;

  expect(sizes).toEqual(new Set([bytes.byteLength]));
});

test("a name that is taken is left alone, byte for byte, and the next one is asked for", async () => {
  await using directory = await temporaryDirectory();
  await writeFile(join(directory.path, "hero.jpeg"), "mine");
  await writeFile(join(directory.path, "hero-2.jpeg"), "");
  const bytes = await jpeg();

  const saved = await saveImage(
    chunksOf(bytes),
    { directory: directory.path, nextBaseName: named("hero", "hero-2", "hero-3") },
    NOBODY_ABORTS,
  );

  expect(saved.path).toBe(join(directory.path, "hero-3.jpeg"));
  expect(await readFile(join(directory.path, "hero.jpeg"), "utf8")).toBe("mine");
  expect(await readFile(join(directory.path, "hero-2.jpeg"), "utf8")).toBe("");
  expect(await readFile(saved.path)).toEqual(bytes);
  expect(await readdir(directory.path)).toHaveLength(3);
});

test("a name that is taken by a directory is taken, too", async () => {
  await using directory = await temporaryDirectory();
  await mkdir(join(directory.path, "hero.jpeg"));

  const saved = await saveImage(
    chunksOf(await jpeg()),
    { directory: directory.path, nextBaseName: named("hero", "hero-2") },
    NOBODY_ABORTS,
  );

  expect(saved.path).toBe(join(directory.path, "hero-2.jpeg"));
  expect(await readdir(join(directory.path, "hero.jpeg"))).toEqual([]);
});

test.skipIf(process.platform === "win32")(
  "a name that is taken by a link to nowhere is taken, too, and not followed",
  async () => {
    await using directory = await temporaryDirectory();
    await using elsewhere = await temporaryDirectory();
    await symlink(join(elsewhere.path, "gone.jpeg"), join(directory.path, "hero.jpeg"));

    const saved = await saveImage(
      chunksOf(await jpeg()),
      { directory: directory.path, nextBaseName: named("hero", "hero-2") },
      NOBODY_ABORTS,
    );

    expect(saved.path).toBe(join(directory.path, "hero-2.jpeg"));
    expect(await readdir(elsewhere.path)).toEqual([]);
  },
);

test("a name that is taken with another extension is free", async () => {
  await using directory = await temporaryDirectory();
  await writeFile(join(directory.path, "hero.png"), "mine");

  const saved = await saveImage(
    chunksOf(await jpeg()),
    { directory: directory.path, nextBaseName: named("hero") },
    NOBODY_ABORTS,
  );

  expect(saved.path).toBe(join(directory.path, "hero.jpeg"));
});

test("a name that is taken by one of 40 images that are saved at once goes to that one alone", async () => {
  await using directory = await temporaryDirectory();
  const images = await Promise.all(Array.from({ length: 40 }, (_, index) => jpeg(`rgb(${index * 6}, 80, 160)`)));

  const saved = await Promise.all(
    images.map((bytes) =>
      saveImage(chunksOf(bytes), { directory: directory.path, nextBaseName: numbered("hero") }, NOBODY_ABORTS),
    ),
  );

  expect(new Set(saved.map(({ path }) => path)).size).toBe(40);
  expect(await readdir(directory.path)).toHaveLength(40);
  expect(await Promise.all(saved.map(({ path }) => readFile(path)))).toEqual(images);
});

test("an abort in the middle leaves no file, and rejects with the reason", async () => {
  await using directory = await temporaryDirectory();
  const bytes = await jpeg();
  const controller = new AbortController();
  const reason = new Error("the client cancelled");
  let isReleased = false;
  async function* interrupted(): AsyncGenerator<Uint8Array> {
    try {
      yield bytes.subarray(0, 200);
      expect(await readdir(directory.path)).toHaveLength(1);
      controller.abort(reason);
      yield bytes.subarray(200);
    } finally {
      isReleased = true;
    }
  }

  const failure = await failureOf(
    saveImage(interrupted(), { directory: directory.path, nextBaseName: named("hero") }, controller.signal),
  );

  expect(failure).toBe(reason);
  expect(isReleased).toBe(true);
  expect(await readdir(directory.path)).toEqual([]);
});

test("an abort does not wait for the rest", async () => {
  await using directory = await temporaryDirectory();
  const controller = new AbortController();
  const reason = new Error("the client cancelled");
  let pieces = 0;
  async function* long(): AsyncGenerator<Uint8Array> {
    for (; pieces < 1_000; pieces += 1) {
      if (pieces === 3) controller.abort(reason);
      await nextTurn();
      yield Buffer.alloc(100);
    }
  }

  const failure = await failureOf(
    saveImage(long(), { directory: directory.path, nextBaseName: named("hero") }, controller.signal),
  );

  expect(failure).toBe(reason);
  expect(pieces).toBe(3);
});

test("an abort behind the last byte leaves no file, and rejects with the reason", async () => {
  await using directory = await temporaryDirectory();
  const bytes = await jpeg();
  const controller = new AbortController();
  const reason = new Error("the client cancelled");
  async function* interrupted(): AsyncGenerator<Uint8Array> {
    yield bytes;
    await nextTurn();
    controller.abort(reason);
  }

  const failure = await failureOf(
    saveImage(interrupted(), { directory: directory.path, nextBaseName: named("hero") }, controller.signal),
  );

  expect(failure).toBe(reason);
  expect(await readdir(directory.path)).toEqual([]);
});

test("an abort before the first byte leaves no file, and rejects with the reason", async () => {
  await using directory = await temporaryDirectory();
  const reason = "closing";

  const failure = await failureOf(
    saveImage(
      chunksOf(await jpeg()),
      { directory: directory.path, nextBaseName: named("hero") },
      AbortSignal.abort(reason),
    ),
  );

  expect(failure).toBe(reason);
  expect(await readdir(directory.path)).toEqual([]);
});

test("an abort at any piece leaves either nothing or the whole file", async () => {
  const bytes = await jpeg();

  await fc.assert(
    fc.asyncProperty(fc.nat({ max: Math.ceil(bytes.byteLength / 50) + 5 }), async (turn) => {
      await using directory = await temporaryDirectory();
      const controller = new AbortController();
      const saving = saveImage(
        chunksOf(bytes, 50),
        { directory: directory.path, nextBaseName: named("hero") },
        controller.signal,
      );
      const settled = saving.then(
        () => true,
        () => false,
      );
      for (let count = 0; count < turn; count += 1) await nextTurn();
      controller.abort(new Error("the client cancelled"));

      const isSaved = await settled;

      expect(await readdir(directory.path)).toEqual(isSaved ? ["hero.jpeg"] : []);
      if (isSaved) expect(await readFile(join(directory.path, "hero.jpeg"))).toEqual(bytes);
    }),
    { numRuns: 40 },
  );
});

test("an abort after the end does not take the file away", async () => {
  await using directory = await temporaryDirectory();
  const controller = new AbortController();
  await saveImage(
    chunksOf(await jpeg()),
    { directory: directory.path, nextBaseName: named("hero") },
    controller.signal,
  );

  controller.abort();
  await nextTurn();

  expect(await readdir(directory.path)).toEqual(["hero.jpeg"]);
});

test.each<[string, Error]>([
  ["an image error", new ImageError("The link broke.", { retryAfterMs: 0 })],
  ["a plain error", new TypeError("terminated")],
  ["a system error", Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" })],
])("a source that fails with %s leaves no file, and its own error comes through", async (_kind, reason) => {
  await using directory = await temporaryDirectory();
  const bytes = await jpeg();
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(0, 300);
    await nextTurn();
    throw reason;
  }

  const failure = await failureOf(
    saveImage(broken(), { directory: directory.path, nextBaseName: named("hero") }, NOBODY_ABORTS),
  );

  expect(failure).toBe(reason);
  expect(await readdir(directory.path)).toEqual([]);
});

test("a source that fails before its first byte leaves no file", async () => {
  await using directory = await temporaryDirectory();
  const reason = new ImageError("There is no image.");
  const broken: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(reason) }),
  };

  const failure = await failureOf(
    saveImage(broken, { directory: directory.path, nextBaseName: named("hero") }, NOBODY_ABORTS),
  );

  expect(failure).toBe(reason);
  expect(await readdir(directory.path)).toEqual([]);
});

test("a source that fails does not touch the images that are saved beside it", async () => {
  await using directory = await temporaryDirectory();
  const bytes = await jpeg();
  const nextBaseName = numbered("hero");
  const sources = [chunksOf(bytes), chunksOf(Buffer.from("<html>")), chunksOf(bytes)];

  const outcomes = await Promise.allSettled(
    sources.map((source) => saveImage(source, { directory: directory.path, nextBaseName }, NOBODY_ABORTS)),
  );

  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(await readdir(directory.path)).toHaveLength(2);
});

test.each<[string, () => Promise<Uint8Array>]>([
  ["nothing at all", () => Promise.resolve(Buffer.alloc(0))],
  ["a page", () => Promise.resolve(Buffer.from("<!doctype html><title>502</title>"))],
  ["a GIF", () => image().gif().toBuffer()],
  ["a TIFF", () => image().tiff().toBuffer()],
  ["a WAV", () => Promise.resolve(Buffer.from(`RIFF\x24\0\0\0WAVEfmt ${"\0".repeat(40)}`, "latin1"))],
  ["the first bytes of a JPEG", async () => (await jpeg()).subarray(0, 20)],
  ["the signature of a PNG", async () => (await image().png().toBuffer()).subarray(0, 20)],
  ["a JPEG behind a blank", async () => Buffer.concat([Buffer.from(" "), await jpeg()])],
  ["two million zeros", () => Promise.resolve(Buffer.alloc(2_000_000))],
])("what is no image here %s, is refused and leaves no file", async (_kind, render) => {
  await using directory = await temporaryDirectory();
  const bytes = await render();
  let names = 0;
  const nextBaseName = (): string => {
    names += 1;
    return "hero";
  };

  const failure = await failureOf(
    saveImage(chunksOf(bytes, 100_000), { directory: directory.path, nextBaseName }, NOBODY_ABORTS),
  );

  expect(failure).toBeInstanceOf(ImageError);
  expect(failure).toHaveProperty("message", expect.stringContaining("not a JPEG, PNG or WebP"));
  expect(failure).not.toHaveProperty("details.retryAfterMs");
  expect(names).toBe(0);
  expect(await readdir(directory.path)).toEqual([]);
});

test("an image that cannot be written because the directory is gone is a failure of that image, with the system's code", async () => {
  await using directory = await temporaryDirectory();
  const gone = join(directory.path, "gone");

  const failure = await failureOf(
    saveImage(chunksOf(await jpeg()), { directory: gone, nextBaseName: named("hero") }, NOBODY_ABORTS),
  );

  expect(failure).toBeInstanceOf(ImageError);
  expect(failure).toHaveProperty("message", `The image could not be written to ${gone} (ENOENT).`);
  expect(failure).toHaveProperty("cause.code", "ENOENT");
  expect(await readdir(directory.path)).toEqual([]);
});

test("an image that cannot be written because the directory is a file is a failure of that image, and the file is left alone", async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, "file");
  await writeFile(file, "mine");

  const failure = await failureOf(
    saveImage(chunksOf(await jpeg()), { directory: file, nextBaseName: named("hero") }, NOBODY_ABORTS),
  );

  expect(failure).toBeInstanceOf(ImageError);
  expect(await readFile(file, "utf8")).toBe("mine");
});

test.runIf(canMount).each([
  ["the disk is full", "size=8k", "the disk is full, ENOSPC"],
  ["the filesystem is read-only", "ro", "the filesystem is read-only, EROFS"],
])("an image that cannot be written because %s says so, and leaves no file", async (_why, mountOption, reason) => {
  await using directory = await temporaryDirectory();
  const module = JSON.stringify(new URL("./save-image.ts", import.meta.url).href);
  const path = JSON.stringify(directory.path);
  const script = `import { readdir } from "node:fs/promises";
      import { writeImage } from ${module};
      writeImage([Buffer.alloc(100_000)], ${path}, new AbortController().signal)
        .catch(async (error) => console.log(error.name, error.message, await readdir(${path})));`;

  const { stdout } = await promisify(execFile)("unshare", [
    "-rm",
    "sh",
    "-c",
    'mount -t tmpfs -o "$0" tmpfs "$1" && shift && exec "$@"',
    mountOption,
    directory.path,
    ...evaluating(script),
  ]);

  expect(stdout.trim()).toBe(`ImageError The image could not be written to ${directory.path} (${reason}). []`);
});

test("an image that cannot be written under a name that the filesystem does not take leaves no file", async () => {
  await using directory = await temporaryDirectory();

  const failure = await failureOf(
    saveImage(
      chunksOf(await jpeg()),
      { directory: directory.path, nextBaseName: named("x".repeat(300)) },
      NOBODY_ABORTS,
    ),
  );

  expect(failure).toBeInstanceOf(ImageError);
  expect(await readdir(directory.path)).toEqual([]);
});

test("an image that cannot be written because no name can be made leaves no file", async () => {
  await using directory = await temporaryDirectory();

  const failure = await failureOf(
    saveImage(chunksOf(await jpeg()), { directory: directory.path, nextBaseName: named() }, NOBODY_ABORTS),
  );

  expect(failure).toMatchObject({ message: "Asked for 1 names." });
  expect(await readdir(directory.path)).toEqual([]);
});

test("a call that is cancelled while it looks for a free name leaves no file behind", async () => {
  await using directory = await temporaryDirectory();
  const controller = new AbortController();
  const nextBaseName = async (isTaken: (baseName: string) => Promise<boolean>): Promise<string> => {
    controller.abort(new Error("cancelled"));
    await isTaken("hero");
    return "hero";
  };

  await expect(
    saveImage(chunksOf(await jpeg()), { directory: directory.path, nextBaseName }, controller.signal),
  ).rejects.toThrow("cancelled");

  expect(await readdir(directory.path)).toEqual([]);
});

test("a call that is cancelled while every name it tries is taken stops trying", async () => {
  await using directory = await temporaryDirectory();
  await writeFile(join(directory.path, "hero.jpeg"), "mine");
  const controller = new AbortController();
  let tries = 0;
  const nextBaseName = (): string => {
    tries += 1;
    if (tries === 3) controller.abort(new Error("cancelled"));
    return "hero";
  };

  await expect(
    saveImage(chunksOf(await jpeg()), { directory: directory.path, nextBaseName }, controller.signal),
  ).rejects.toThrow("cancelled");

  expect(await readdir(directory.path)).toEqual(["hero.jpeg"]);
});
