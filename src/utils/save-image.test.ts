import { open, readdir, readFile, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import sharp, { type Sharp } from "sharp";
import { expect, test } from "vitest";
import { failureOf } from "../../test/support/failure-of.ts";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { ImageError } from "../errors.ts";
import type { SavedImage } from "../schemas.ts";
import { publishImage, writeImage } from "./save-image.ts";

const isLinux = process.platform === "linux";
const SIZE = { width: 60, height: 40 };
const UNABORTED = new AbortController().signal;
const CANCELLED = new Error("the client cancelled");
const TAIL_BYTES = 4096;

interface Room extends AsyncDisposable {
  readonly path: string;
  readonly save: (
    source: AsyncIterable<Uint8Array>,
    options?: { baseNames?: Iterable<string>; signal?: AbortSignal; directory?: string },
  ) => Promise<SavedImage & { isTruncated: boolean }>;
  readonly names: () => Promise<string[]>;
}

async function room(): Promise<Room> {
  const { path, [Symbol.asyncDispose]: remove } = await temporaryDirectory();
  return {
    path,
    save: async (source, { baseNames = ["hero"], signal = UNABORTED, directory = path } = {}) => {
      await using written = await writeImage(source, directory, signal);
      const saved = await publishImage(written, { directory, baseNames, signal });
      return { ...saved, isTruncated: written.isTruncated };
    },
    names: async () => (await readdir(path)).toSorted(),
    [Symbol.asyncDispose]: () => Promise.resolve(remove()),
  };
}

function image(): Sharp {
  return sharp({ create: { ...SIZE, channels: 3, background: "tomato" } });
}

function jpeg(): Promise<Buffer> {
  return image().jpeg().toBuffer();
}

function pieces(bytes: Uint8Array, size = 100): Readable {
  const count = Math.ceil(bytes.byteLength / size);
  return Readable.from(Array.from({ length: count }, (_, index) => bytes.subarray(index * size, (index + 1) * size)));
}

/** The JPEG with ten segments of metadata before its frame header, each of 50 kB. */
function withMetadata(file: Buffer): Buffer {
  const segment = Buffer.alloc(50_000, "m");
  segment.set([0xff, 0xe2], 0);
  segment.writeUInt16BE(segment.byteLength - 2, 2);
  return Buffer.concat([file.subarray(0, 2), ...Array<Buffer>(10).fill(segment), file.subarray(2)]);
}

test.each(["jpeg", "png", "webp"] as const)("a %s is saved byte for byte, with its facts", async (extension) => {
  await using place = await room();
  const bytes = await image().toFormat(extension).toBuffer();
  const facts = { ...SIZE, mime_type: `image/${extension}` };
  const paths = ["whole", "cut"].map((name) => join(place.path, `${name}.${extension}`));

  const whole = await place.save(pieces(bytes, 7), { baseNames: ["whole"] });
  const cut = await place.save(pieces(bytes.subarray(0, -1), 7), { baseNames: ["cut"] });

  expect(whole).toEqual({ ...facts, path: paths[0], bytes: bytes.byteLength, isTruncated: false });
  expect(cut).toEqual({ ...facts, path: paths[1], bytes: bytes.byteLength - 1, isTruncated: true });
  expect(await readFile(whole.path)).toEqual(bytes);
  expect(await readFile(cut.path)).toEqual(bytes.subarray(0, -1));
  expect(await place.names()).toHaveLength(2);
});

test("an image is measured behind much metadata", async () => {
  await using place = await room();
  const bytes = withMetadata(await jpeg());
  expect(await sharp(bytes).metadata()).toMatchObject(SIZE);

  const saved = await place.save(pieces(bytes, 10_000));

  expect(saved).toMatchObject({ ...SIZE, bytes: bytes.byteLength, isTruncated: false });
  expect(await readFile(saved.path)).toEqual(bytes);
});

test("an image is measured by its first bytes", async () => {
  await using place = await room();
  const source = Readable.from([Buffer.alloc(0), await jpeg(), await image().resize(8, 8).png().toBuffer()]);

  expect(await place.save(source)).toMatchObject({ ...SIZE, mime_type: "image/jpeg" });
});

test.each([
  [TAIL_BYTES, false],
  [TAIL_BYTES + 1, true],
])("an end mark %i bytes before the end of the file means that it ends early: %s", async (bytes, isTruncated) => {
  await using place = await room();
  const whole = Buffer.concat([await jpeg(), Buffer.alloc(bytes - 2)]);

  expect(await place.save(pieces(whole, 1000))).toMatchObject({ isTruncated });
});

test.runIf(isLinux)("every file is closed, also of a refused image", async () => {
  await using place = await room();

  await place.save(pieces(await jpeg()));
  await failureOf(place.save(pieces(Buffer.from("odd"))));

  const descriptors = await readdir("/proc/self/fd");
  const left = await Promise.all(descriptors.map((fd) => readlink(join("/proc/self/fd", fd)).catch(() => "")));
  expect(left.filter((path) => path.startsWith(place.path))).toEqual([]);
});

test("an image has no name before it is whole", async () => {
  await using place = await room();
  const seen = new Set<string>();
  async function* watched(source: Readable): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      for (const name of await place.names()) seen.add(name);
      yield chunk;
    }
  }

  await place.save(watched(pieces(await jpeg())));

  expect([...seen]).toEqual([expect.stringMatching(/^\..*\.tmp$/)]);
  expect(await place.names()).toEqual(["hero.jpeg"]);
});

test("a name that is taken is left alone, and the next is tried", async () => {
  await using place = await room();
  for (const name of ["hero.jpeg", "hero-2.png"]) await writeFile(join(place.path, name), "mine");

  const saved = await place.save(pieces(await jpeg()), { baseNames: ["hero", "hero-2", "hero-3"] });

  expect(saved.path).toBe(join(place.path, "hero-2.jpeg"));
  expect(await readFile(join(place.path, "hero.jpeg"), "utf8")).toBe("mine");
  expect(await place.names()).toEqual(["hero-2.jpeg", "hero-2.png", "hero.jpeg"]);
});

test("an image without a free name is refused and leaves no file", async () => {
  await using place = await room();
  await writeFile(join(place.path, "hero.jpeg"), "mine");

  const failure = await failureOf(place.save(pieces(await jpeg())));

  expect(failure).toBeInstanceOf(ImageError);
  expect(failure.message).toBe("There is no name left for the image.");
  expect(await place.names()).toEqual(["hero.jpeg"]);
});

test.each([0, 1, 2])("an abort after %i of two pieces leaves no file, and takes no more", async (count) => {
  await using place = await room();
  const controller = new AbortController();
  const bytes = await jpeg();
  let taken = 0;
  async function* source(): AsyncGenerator<Uint8Array> {
    for (const piece of [bytes.subarray(0, 200), bytes.subarray(200), undefined]) {
      await nextTurn();
      if (taken === count) controller.abort(CANCELLED);
      if (piece === undefined) return;
      yield piece;
      taken += 1;
    }
  }

  await expect(place.save(source(), { signal: controller.signal })).rejects.toBe(CANCELLED);

  expect(await place.names()).toEqual([]);
  expect(taken).toBe(count);
});

test("an abort before the start makes no file", async () => {
  const makeFile = (): never => expect.unreachable("A file was made.");

  const writing = writeImage(pieces(await jpeg()), "/", AbortSignal.abort(CANCELLED), makeFile);

  await expect(writing).rejects.toBe(CANCELLED);
});

test("an abort while names are tried leaves no file", async () => {
  await using place = await room();
  await writeFile(join(place.path, "hero.jpeg"), "mine");
  const controller = new AbortController();
  function* taken(): Generator<string> {
    for (let tries = 1; ; tries += 1) {
      if (tries === 3) controller.abort(CANCELLED);
      yield "hero";
      expect(tries).toBeLessThan(3);
    }
  }

  const saving = place.save(pieces(await jpeg()), { baseNames: taken(), signal: controller.signal });

  await expect(saving).rejects.toBe(CANCELLED);
  expect(await place.names()).toEqual(["hero.jpeg"]);
});

test.each([
  ["an image error", 300, new ImageError("The link broke.", { retryAfterMs: 0 })],
  ["a system error", 0, Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" })],
])("a source's own error is passed on, and no file is left: %s", async (_kind, length, reason) => {
  await using place = await room();
  const bytes = await jpeg();
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield* pieces(bytes.subarray(0, length));
    throw reason;
  }

  await expect(place.save(broken())).rejects.toBe(reason);
  expect(await place.names()).toEqual([]);
});

test.each<[string, () => Promise<Uint8Array>]>([
  ["nothing", () => Promise.resolve(Buffer.alloc(0))],
  ["a page", () => Promise.resolve(Buffer.from("<!doctype html><title>502</title>"))],
  ["the first bytes of a JPEG", async () => (await jpeg()).subarray(0, 20)],
])("%s is refused as no image, and leaves no file", async (_kind, render) => {
  await using place = await room();

  const failure = await failureOf(place.save(pieces(await render())));

  expect(failure).toBeInstanceOf(ImageError);
  expect(failure.message).toBe("What MiniMax delivered is not a JPEG, PNG or WebP image.");
  expect(failure.details.retryAfterMs).toBeUndefined();
  expect(await place.names()).toEqual([]);
});

test.skipIf(process.platform === "win32").each([
  ["gone", "hero", "ENOENT"],
  ["file", "hero", "ENOTDIR"],
  [".", "x".repeat(300), "ENAMETOOLONG"],
])("an image that cannot be written to %s is a failure of its own", async (name, baseName, code) => {
  await using place = await room();
  await writeFile(join(place.path, "file"), "mine");
  const directory = join(place.path, name);

  const failure = await failureOf(place.save(pieces(await jpeg()), { directory, baseNames: [baseName] }));

  expect(failure).toBeInstanceOf(ImageError);
  expect(failure.message).toBe(`The image could not be written to ${directory} (${code}).`);
  expect(failure.cause).toHaveProperty("code", code);
  expect(await place.names()).toEqual(["file"]);
});

test.each<[string, string, number?]>([
  ["ENOSPC", "the disk is full, ENOSPC"],
  ["EROFS", "the filesystem is read-only, EROFS"],
  ["EMFILE", "EMFILE", 0],
  ["", "a bug"],
])("the system's code %s is told as: %s", async (code, reason, retryAfterMs) => {
  const makeFile = (): Promise<never> => Promise.reject(Object.assign(new Error("a bug"), code === "" ? {} : { code }));

  const failure = await failureOf(writeImage(pieces(await jpeg()), "/pictures", UNABORTED, makeFile));

  expect(failure.message).toBe(`The image could not be written to /pictures (${reason}).`);
  expect(failure.details.retryAfterMs).toBe(retryAfterMs);
});

test.runIf(isLinux)("a disk that fills up is told, and no file is left", async () => {
  await using place = await room();
  const makeFile: typeof open = async (path) => {
    await writeFile(String(path), "");
    return open("/dev/full", "r+");
  };

  const failure = await failureOf(writeImage(pieces(await jpeg()), place.path, UNABORTED, makeFile));

  expect(failure.message).toBe(`The image could not be written to ${place.path} (the disk is full, ENOSPC).`);
  expect(await place.names()).toEqual([]);
});
