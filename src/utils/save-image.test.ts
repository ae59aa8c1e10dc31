import { execFile, spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
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
import { publishImage, writeImage } from "./save-image.ts";

const SIZE = { width: 60, height: 40 };
const UNABORTED = new AbortController().signal;
const CANCELLED = new Error("the client cancelled");
const canMount =
  process.platform === "linux" && spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0;

interface Room extends AsyncDisposable {
  readonly path: string;
  readonly save: (
    source: AsyncIterable<Uint8Array>,
    options?: { baseNames?: Iterable<string>; signal?: AbortSignal; directory?: string },
  ) => Promise<SavedImage>;
  readonly names: () => Promise<string[]>;
}

async function room(): Promise<Room> {
  const { path, [Symbol.asyncDispose]: remove } = await temporaryDirectory();
  return {
    path,
    save: async (source, { baseNames = ["hero"], signal = UNABORTED, directory = path } = {}) => {
      await using written = await writeImage(source, directory, signal);
      return await publishImage(written, { directory, baseNames, signal });
    },
    names: async () => (await readdir(path)).toSorted(),
    [Symbol.asyncDispose]: () => Promise.resolve(remove()),
  };
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

function* numbered(): Generator<string> {
  for (let number = 1; ; number += 1) yield `hero-${number}`;
}

async function failureOf(saving: Promise<unknown>): Promise<unknown> {
  try {
    await saving;
  } catch (error) {
    return error;
  }
  throw new Error("The image was saved.");
}

function withMetadata(file: Buffer, bytes: number): Buffer {
  const segment = Buffer.alloc(50_000, "m");
  segment.set([0xff, 0xe2], 0);
  segment.writeUInt16BE(segment.byteLength - 2, 2);
  const segments = Array.from({ length: bytes / segment.byteLength }, () => segment);
  return Buffer.concat([file.subarray(0, 2), ...segments, file.subarray(2)]);
}

test.each([
  ["jpeg", () => image().jpeg()],
  ["jpeg", () => image().jpeg({ progressive: true })],
  ["png", () => image().png()],
  ["webp", () => image().webp()],
  ["webp", () => image().ensureAlpha(0.5).webp({ lossless: true })],
] as const)("a %s is saved byte for byte, with its facts", async (extension, render) => {
  await using place = await room();
  const bytes = await render().toBuffer();

  const saved = await place.save(chunksOf(bytes));

  const path = join(place.path, `hero.${extension}`);
  expect(saved).toEqual({ path, ...SIZE, bytes: bytes.byteLength, mime_type: `image/${extension}` });
  expect(await readFile(path)).toEqual(bytes);
  expect(await place.names()).toEqual([`hero.${extension}`]);
});

test.each([200_000, 1_500_000])("an image is measured behind %i bytes of metadata", async (metadataBytes) => {
  await using place = await room();
  const bytes = withMetadata(await jpeg(), metadataBytes);
  expect(await sharp(bytes).metadata()).toMatchObject(SIZE);

  const saved = await place.save(chunksOf(bytes, 10_000));

  expect(saved).toMatchObject({ ...SIZE, bytes: bytes.byteLength });
  expect(bytes.equals(await readFile(saved.path))).toBe(true);
});

test("an image is measured by its first piece", async () => {
  await using place = await room();
  const pieces = [Buffer.alloc(0), await jpeg(), await image().resize(8, 8).png().toBuffer()];
  async function* source(): AsyncGenerator<Uint8Array> {
    for (const piece of pieces) {
      await nextTurn();
      yield piece;
    }
  }

  expect(await place.save(source())).toMatchObject({ ...SIZE, mime_type: "image/jpeg" });
});

test("an image is the same however its bytes are cut", async () => {
  await using place = await room();
  const bytes = await jpeg();

  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: bytes.byteLength }), { maxLength: 6 }), async (cuts) => {
      const edges = [0, ...cuts, bytes.byteLength].toSorted((left, right) => left - right);
      async function* pieces(): AsyncGenerator<Uint8Array> {
        for (const [position, edge] of edges.entries()) {
          await nextTurn();
          yield bytes.subarray(edge, edges[position + 1] ?? edge);
        }
      }
      const written = await writeImage(pieces(), place.path, UNABORTED);
      const saved = await publishImage(written, {
        directory: place.path,
        baseNames: numbered(),
        signal: UNABORTED,
      });

      expect(written.isTruncated).toBe(false);
      expect(saved).toMatchObject({ ...SIZE, bytes: bytes.byteLength });
      expect(await readFile(saved.path)).toEqual(bytes);
    }),
    { numRuns: 30 },
  );
});

test.each(["jpeg", "png", "webp"] as const)("a %s that ends early is kept and said to be", async (format) => {
  await using place = await room();
  const bytes = await image().toFormat(format).toBuffer();

  for (const [length, isTruncated] of [
    [bytes.length - 1, true],
    [bytes.length, false],
  ] as const) {
    await using written = await writeImage(chunksOf(bytes.subarray(0, length), 7), place.path, UNABORTED);
    expect(written).toMatchObject({ isTruncated, bytes: length });
  }
  expect(await place.names()).toEqual([]);
});

test.runIf(process.platform === "linux")("every file is closed, also of a refused image", async () => {
  await using place = await room();

  await place.save(chunksOf(await jpeg()));
  await failureOf(place.save(chunksOf(Buffer.from("odd"))));

  const descriptors = await readdir("/proc/self/fd");
  const open = await Promise.all(descriptors.map((fd) => readlink(join("/proc/self/fd", fd)).catch(() => "")));
  expect(open.filter((path) => path.startsWith(place.path))).toEqual([]);
});

test("an image has no name before it is whole", async () => {
  await using place = await room();
  const bytes = await jpeg();
  const seen = new Set<string>();
  async function* watched(): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunksOf(bytes)) {
      for (const name of await place.names()) seen.add(name);
      yield chunk;
    }
  }

  await place.save(watched());

  expect([...seen]).toEqual([expect.stringMatching(/^\..*\.tmp$/)]);
});

test("a name that is taken is left alone, and the next is tried", async () => {
  await using place = await room();
  await writeFile(join(place.path, "hero.jpeg"), "mine");
  await mkdir(join(place.path, "hero-2.jpeg"));
  await symlink(join(place.path, "gone.jpeg"), join(place.path, "hero-3.jpeg"), "junction");
  await writeFile(join(place.path, "hero-4.png"), "mine");
  const bytes = await jpeg();

  const saved = await place.save(chunksOf(bytes), { baseNames: ["hero", "hero-2", "hero-3", "hero-4", "hero-5"] });

  expect(saved.path).toBe(join(place.path, "hero-4.jpeg"));
  expect(await readFile(join(place.path, "hero.jpeg"), "utf8")).toBe("mine");
  expect(await readFile(saved.path)).toEqual(bytes);
  expect(await place.names()).toEqual(["hero-2.jpeg", "hero-3.jpeg", "hero-4.jpeg", "hero-4.png", "hero.jpeg"]);
});

test("of 40 images saved at once each gets its own name", async () => {
  await using place = await room();
  const images = await Promise.all(Array.from({ length: 40 }, (_, index) => jpeg(`rgb(${index * 6}, 80, 160)`)));

  const saved = await Promise.all(images.map((bytes) => place.save(chunksOf(bytes), { baseNames: numbered() })));

  expect(new Set(saved.map(({ path }) => path)).size).toBe(40);
  expect(await Promise.all(saved.map(({ path }) => readFile(path)))).toEqual(images);
  expect(await place.names()).toHaveLength(40);
});

test("an image without a free name is refused and leaves no file", async () => {
  await using place = await room();
  await writeFile(join(place.path, "hero.jpeg"), "mine");

  const failure = await failureOf(place.save(chunksOf(await jpeg())));

  expect(failure).toBeInstanceOf(ImageError);
  expect(failure).toHaveProperty("message", "There is no name left for the image.");
  expect(await place.names()).toEqual(["hero.jpeg"]);
});

test.each<[string, (bytes: Buffer, controller: AbortController) => AsyncGenerator<Uint8Array>]>([
  [
    "before the first byte",
    async function* (bytes, controller) {
      await nextTurn();
      controller.abort(CANCELLED);
      yield bytes;
    },
  ],
  [
    "in the middle",
    async function* (bytes, controller) {
      yield bytes.subarray(0, 200);
      await nextTurn();
      controller.abort(CANCELLED);
      yield bytes.subarray(200);
      expect.unreachable("The rest was waited for.");
    },
  ],
  [
    "after the last byte",
    async function* (bytes, controller) {
      yield bytes;
      await nextTurn();
      controller.abort(CANCELLED);
    },
  ],
])("an abort %s leaves no file", async (_case, sourceOf) => {
  await using place = await room();
  const controller = new AbortController();
  const source = sourceOf(await jpeg(), controller);

  expect(await failureOf(place.save(source, { signal: controller.signal }))).toBe(CANCELLED);
  expect(await place.names()).toEqual([]);
  expect(await source.next()).toEqual({ done: true, value: undefined });
});

test("an abort before the start leaves no file", async () => {
  await using place = await room();

  const saving = place.save(chunksOf(await jpeg()), { signal: AbortSignal.abort(CANCELLED) });

  expect(await failureOf(saving)).toBe(CANCELLED);
  expect(await place.names()).toEqual([]);
});

test("an abort while names are tried leaves no file", async () => {
  await using place = await room();
  await writeFile(join(place.path, "hero.jpeg"), "mine");
  const controller = new AbortController();
  let tries = 0;
  function* taken(): Generator<string> {
    for (;;) {
      tries += 1;
      if (tries === 3) controller.abort(CANCELLED);
      yield "hero";
    }
  }

  const saving = place.save(chunksOf(await jpeg()), { baseNames: taken(), signal: controller.signal });

  expect(await failureOf(saving)).toBe(CANCELLED);
  expect(tries).toBe(3);
  expect(await place.names()).toEqual(["hero.jpeg"]);
});

test("an abort at any time leaves nothing or the whole file", async () => {
  const bytes = await jpeg();

  await fc.assert(
    fc.asyncProperty(fc.nat({ max: Math.ceil(bytes.byteLength / 50) + 5 }), async (turn) => {
      await using place = await room();
      const controller = new AbortController();
      const settled = place.save(chunksOf(bytes, 50), { signal: controller.signal }).then(
        () => true,
        () => false,
      );
      for (let count = 0; count < turn; count += 1) await nextTurn();
      controller.abort(CANCELLED);

      const isSaved = await settled;

      expect(await place.names()).toEqual(isSaved ? ["hero.jpeg"] : []);
      if (isSaved) expect(await readFile(join(place.path, "hero.jpeg"))).toEqual(bytes);
    }),
    { numRuns: 40 },
  );
});

test.each<[string, number, Error]>([
  ["an image error", 300, new ImageError("The link broke.", { retryAfterMs: 0 })],
  ["a plain error", 300, new TypeError("terminated")],
  ["a system error", 300, Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" })],
  ["an error before the first byte", 0, new ImageError("There is no image.")],
])("a source's own error is passed on, and no file is left: %s", async (_kind, length, reason) => {
  await using place = await room();
  const bytes = await jpeg();
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield* chunksOf(bytes.subarray(0, length));
    throw reason;
  }

  const outcomes = await Promise.allSettled([place.save(broken()), place.save(chunksOf(bytes))]);

  expect(outcomes).toEqual([{ status: "rejected", reason }, expect.objectContaining({ status: "fulfilled" })]);
  expect(await place.names()).toEqual(["hero.jpeg"]);
});

test.each<[string, () => Promise<Uint8Array>]>([
  ["nothing", () => Promise.resolve(Buffer.alloc(0))],
  ["a page", () => Promise.resolve(Buffer.from("<!doctype html><title>502</title>"))],
  ["a GIF", () => image().gif().toBuffer()],
  ["the first bytes of a JPEG", async () => (await jpeg()).subarray(0, 20)],
  ["a JPEG after a blank", async () => Buffer.concat([Buffer.from(" "), await jpeg()])],
  ["two million zeros", () => Promise.resolve(Buffer.alloc(2_000_000))],
])("%s is refused as no image, and leaves no file", async (_kind, render) => {
  await using place = await room();

  const failure = await failureOf(writeImage(chunksOf(await render(), 100_000), place.path, UNABORTED));

  expect(failure).toBeInstanceOf(ImageError);
  expect(failure).toHaveProperty("message", "What MiniMax delivered is not a JPEG, PNG or WebP image.");
  expect(failure).not.toHaveProperty("details.retryAfterMs");
  expect(await place.names()).toEqual([]);
});

test.each([
  ["gone", "hero", "ENOENT"],
  ["file", "hero", "ENOTDIR"],
  [".", "x".repeat(300), "ENAMETOOLONG"],
])("an image that cannot be written to %s is a failure of its own", async (name, baseName, code) => {
  await using place = await room();
  await writeFile(join(place.path, "file"), "mine");
  const directory = join(place.path, name);

  const failure = await failureOf(place.save(chunksOf(await jpeg()), { directory, baseNames: [baseName] }));

  expect(failure).toBeInstanceOf(ImageError);
  if (process.platform !== "win32") {
    expect(failure).toHaveProperty("message", `The image could not be written to ${directory} (${code}).`);
    expect(failure).toHaveProperty("cause.code", code);
  }
  expect(await place.names()).toEqual(["file"]);
  expect(await readFile(join(place.path, "file"), "utf8")).toBe("mine");
});

test.runIf(canMount).each([
  ["a full disk", "size=8k", "the disk is full, ENOSPC"],
  ["a read-only file system", "ro", "the filesystem is read-only, EROFS"],
])("%s is named, and no file is left", async (_case, mountOption, reason) => {
  await using place = await room();
  const module = JSON.stringify(new URL("./save-image.ts", import.meta.url).href);
  const path = JSON.stringify(place.path);
  const script = `import { readdir } from "node:fs/promises";
    import { writeImage } from ${module};
    writeImage([Buffer.alloc(100_000)], ${path}, new AbortController().signal)
      .catch(async (error) => console.log(error.name, error.message, await readdir(${path})));`;
  const mount = 'mount -t tmpfs -o "$0" tmpfs "$1" && shift && exec "$@"';
  const args = ["-rm", "sh", "-c", mount, mountOption, place.path, ...evaluating(script)];

  const { stdout } = await promisify(execFile)("unshare", args);

  expect(stdout.trim()).toBe(`ImageError The image could not be written to ${place.path} (${reason}). []`);
});
