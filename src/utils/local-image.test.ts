import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readlink, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import sharp from "sharp";
import { expect, test } from "vitest";
import { bigJpeg } from "../../test/support/big-jpeg.ts";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { windowsDisk } from "../../test/support/windows-disk.ts";
import { SubjectReferenceError } from "../errors.ts";
import { readLocalImage } from "./local-image.ts";

const isLinux = process.platform === "linux";
const isWindows = process.platform === "win32";
const NAME = "subject_reference[0].image_file";
const IMAGE = bigJpeg(3000);
const LIMIT_BYTES = 10_000_000;

interface Room extends AsyncDisposable {
  readonly base: string;
  readonly faces: string;
  readonly outside: string;
  /** The image of that path in base64, with its media type. */
  readonly read: (path: string) => Promise<string>;
  readonly refusal: (path: string) => Promise<string>;
}

async function room({ hasHome = true } = {}): Promise<Room> {
  const directory = await temporaryDirectory();
  const [base, faces, outside] = ["base", "faces", "outside"].map((name) => join(directory.path, name));
  if (base === undefined || faces === undefined || outside === undefined) throw new Error("There is no room.");
  const home = join(base, "home");
  for (const path of [base, faces, outside, home, join(base, "deep")]) {
    await mkdir(path);
    await writeFile(join(path, "face.jpeg"), IMAGE);
  }
  const places = {
    base,
    referenceDirectories: [join(directory.path, "gone"), faces],
    homeDirectory: hasHome ? home : undefined,
  };
  const read = async (path: string): Promise<string> => {
    const { bytes, header } = await readLocalImage({ path, name: NAME, limitBytes: LIMIT_BYTES }, places);
    return `${header.mimeType};base64,${Buffer.from(bytes).toString("base64")}`;
  };
  return {
    base,
    faces,
    outside,
    read,
    refusal: (path) => refusalOf(read(path)),
    [Symbol.asyncDispose]: () => Promise.resolve(directory[Symbol.asyncDispose]()),
  };
}

async function refusalOf(reading: Promise<unknown>): Promise<string> {
  try {
    await reading;
  } catch (error) {
    if (error instanceof SubjectReferenceError) return error.message;
    throw error;
  }
  throw new Error("The file was accepted.");
}

const FACE = `image/jpeg;base64,${IMAGE.toString("base64")}`;

test.each<[string, (place: Room) => string]>([
  ["a relative path", () => "face.jpeg"],
  ["a relative path with dots", () => "deep/.././face.jpeg"],
  ["an absolute path", ({ base }) => join(base, "deep", "face.jpeg")],
  ["a file URL", ({ base }) => pathToFileURL(join(base, "a & b 100%.jpeg")).href],
  ["a file URL in capitals", ({ base }) => pathToFileURL(join(base, "a & b 100%.jpeg")).href.replace("file", "FILE")],
  ["a path below ~", () => "~/face.jpeg"],
  ["a path in another allowed directory", ({ faces }) => join(faces, "face.jpeg")],
  ["a relative path to another allowed directory", () => "../faces/face.jpeg"],
  ["a link that stays inside", () => join("link", "face.jpeg")],
  ["a link to another allowed directory", () => join("other", "face.jpeg")],
])("an image is read by %s", async (_case, path) => {
  await using place = await room();
  await writeFile(join(place.base, "a & b 100%.jpeg"), IMAGE);
  await symlink(join(place.base, "deep"), join(place.base, "link"), "junction");
  await symlink(place.faces, join(place.base, "other"), "junction");

  expect(await place.read(path(place))).toBe(FACE);
});

test.skipIf(isWindows)("a name that merely contains file: is no URL", async () => {
  await using place = await room();
  await writeFile(join(place.base, "profile:1.jpeg"), IMAGE);

  expect(await place.read("profile:1.jpeg")).toBe(FACE);
});

test("an image is read in a base that is a link", async () => {
  await using place = await room();
  const base = join(place.outside, "link");
  await symlink(place.base, base, "junction");
  const wanted = { path: "face.jpeg", name: NAME, limitBytes: LIMIT_BYTES };

  const { bytes } = await readLocalImage(wanted, { base, referenceDirectories: [], homeDirectory: undefined });

  expect(Buffer.from(bytes)).toEqual(IMAGE);
});

test.each(["jpeg", "png", "webp"] as const)("the type %s is read from the leading bytes", async (format) => {
  await using place = await room();
  const image = sharp({ create: { width: 8, height: 8, channels: 3, background: "tomato" } }).toFormat(format);
  await writeFile(join(place.base, "image.txt"), await image.toBuffer());

  expect(await place.read("image.txt")).toMatch(new RegExp(`^image/${format};`));
});

test("an image of one byte less than the limit is read", async () => {
  await using place = await room();
  await writeFile(join(place.base, "big.jpeg"), bigJpeg(LIMIT_BYTES - 1));

  expect((await place.read("big.jpeg")).length).toBe("image/jpeg;base64,".length + 13_333_332);
});

test("a name that differs in a space is found unless two names do", async () => {
  await using place = await room();
  const asked = "Screenshot 10.04 AM.jpeg";
  await writeFile(join(place.base, asked.replace(" AM", "\u202fAM")), IMAGE);

  expect(await place.read(asked)).toBe(FACE);

  await writeFile(join(place.base, asked.replace(" AM", "\u00a0AM")), IMAGE);
  expect(await place.refusal(asked)).toContain("(ENOENT)");
});

test("a similar name outside is refused", async () => {
  await using place = await room();
  await writeFile(join(place.outside, "my\u00a0face.jpeg"), IMAGE);

  expect(await place.refusal(join(place.outside, "my face.jpeg"))).toContain("is outside");
});

test.runIf(isLinux)("a file is closed whether it is read or refused", async () => {
  await using place = await room();
  await writeFile(join(place.base, "odd.jpeg"), "odd");

  await place.read("face.jpeg");
  for (const path of ["odd.jpeg", "deep"]) await place.refusal(path);

  const descriptors = await readdir("/proc/self/fd");
  const open = await Promise.all(descriptors.map((fd) => readlink(join("/proc/self/fd", fd)).catch(() => "")));
  expect(open.filter((path) => path.startsWith(place.base))).toEqual([]);
});

test("a path outside is refused, and the allowed directories are named", async () => {
  await using place = await room();
  const outside = join(place.outside, "face.jpeg");

  for (const path of [outside, relative(place.base, outside), pathToFileURL(outside).href]) {
    const message = await place.refusal(path);

    expect(message).toContain(`${NAME}: ${outside} is outside the directories that may be read (${place.base}, `);
    expect(message).toContain(`, ${place.faces})`);
  }
});

test("a refusal does not tell whether a file outside exists", async () => {
  await using place = await room();
  const there = await place.refusal(join(place.outside, "face.jpeg"));

  expect(await place.refusal(join(place.outside, "gone.jpeg"))).toBe(there.replace("face.jpeg", "gone.jpeg"));
});

test("a link to the outside is refused", async () => {
  await using place = await room();
  await symlink(place.outside, join(place.base, "link"), "junction");
  if (!isWindows) await symlink(join(place.outside, "face.jpeg"), join(place.base, "link.jpeg"));

  for (const path of ["link/face.jpeg", ...(isWindows ? [] : ["link.jpeg"])]) {
    expect(await place.refusal(path)).toContain("is outside");
  }
});

test.each<[string, string | Buffer, string]>([
  ["an empty file", "", "is not a JPEG, PNG or WebP image: convert it to one of these"],
  ["text", "root:x:0:0:root:/root:/bin/sh\n", "is not a JPEG, PNG or WebP image: convert it to one of these"],
  ["a truncated JPEG", IMAGE.subarray(0, 20), "is not a JPEG, PNG or WebP image: convert it to one of these"],
])("%s is refused", async (_case, content, why) => {
  await using place = await room();
  const path = join(place.base, "odd.jpeg");
  await writeFile(path, content);

  expect(await place.refusal("odd.jpeg")).toBe(`${NAME}: ${path} ${why}.`);
});

test("a file of the limit is refused", async () => {
  await using place = await room();
  await truncate(join(place.base, "face.jpeg"), LIMIT_BYTES);

  expect(await place.refusal("face.jpeg")).toBe(`${NAME}: ${join(place.base, "face.jpeg")} is 10 MB or larger.`);
});

test("a missing file is refused", async () => {
  await using place = await room();

  expect(await place.refusal("none.jpeg")).toBe(`${NAME}: ${join(place.base, "none.jpeg")} cannot be read (ENOENT).`);
});

test.skipIf(isWindows)("a directory is refused", async () => {
  await using place = await room();

  expect(await place.refusal("deep")).toBe(`${NAME}: ${join(place.base, "deep")} is not a regular file.`);
  expect(await place.refusal("")).toBe(`${NAME}: ${place.base} is not a regular file.`);
});

test.runIf(isLinux)("a pipe and a socket are refused without waiting", async () => {
  await using place = await room();
  const [pipe, socket] = [join(place.base, "pipe.jpeg"), join(place.base, "socket.jpeg")];
  await promisify(execFile)("mkfifo", [pipe]);
  await using server = createServer();
  await once(server.listen(socket), "listening");

  expect(await place.refusal("pipe.jpeg")).toBe(`${NAME}: ${pipe} is not a regular file.`);
  expect(await place.refusal("socket.jpeg")).toBe(`${NAME}: ${socket} cannot be read (ENXIO).`);
});

test.each([
  ["face.jpeg\0.png", "contains a NUL character"],
  ["file:///a%2Fb.jpeg", "file:///a%2Fb.jpeg is not a local file URL"],
  ["file://%", "file://% is not a local file URL"],
  ...(isWindows ? [] : [["file://server/face.jpeg", "file://server/face.jpeg is not a local file URL"]]),
])("%j is refused by its words", async (path, why) => {
  await using place = await room();

  expect(await place.refusal(path)).toBe(`${NAME}: ${why}.`);
});

test("a NUL character in a file URL is refused", async () => {
  await using place = await room();

  expect(await place.refusal(`${pathToFileURL(place.base).href}/face%00.jpeg`)).toContain("cannot be read");
});

test("a path below ~ is refused without a home directory", async () => {
  await using place = await room({ hasHome: false });

  expect(await place.refusal("~/face.jpeg")).toBe(`${NAME}: begins with ~, and this user has no home directory.`);
});

const WINDOWS = { base: "C:\\out", referenceDirectories: ["Z:\\faces", "\\\\mine\\faces"], homeDirectory: "C:\\Ada" };
const ALLOWED = ["C:\\out", "Z:\\faces", "\\\\mine\\faces"];

test.each([
  ["//host/share/face.png", "is outside"],
  ["\\\\?\\UNC\\host\\share\\face.png", "is outside"],
  ["\\\\mine\\other\\face.png", "is outside"],
  ["file://host/share/face.png", "is outside"],
  ["file:////host/share/face.png", "is not a local file URL"],
])("on Windows %j is refused before it is touched", async (path, why) => {
  const disk = windowsDisk([...ALLOWED, "\\\\host\\share\\face.png"]);
  const reading = readLocalImage({ path, name: NAME, limitBytes: LIMIT_BYTES }, WINDOWS, disk.platform);

  expect(await refusalOf(reading)).toContain(why);
  expect(ALLOWED).toEqual(expect.arrayContaining([...disk.asked]));
});

test.each([
  ["//MINE/Faces/none.png", "cannot be read (ENOENT)"],
  ["file://mine/faces/none.png", "cannot be read (ENOENT)"],
  ["\\\\real\\share\\faces\\none.png", "cannot be read (ENOENT)"],
  ["Z:\\faces\\none.png", "cannot be read (ENOENT)"],
  ["file:///c%3A/OUT/none.png", "cannot be read (ENOENT)"],
  ["none.png", "cannot be read (ENOENT)"],
  ["Q:\\face.png", "is outside"],
  ["..\\\u1E9E\\face.png", "is outside"],
])("on Windows %j, which does not exist, %s", async (path, why) => {
  const disk = windowsDisk([...ALLOWED, "\\\\real\\share\\faces"], { "Z:": "\\\\real\\share" });
  const reading = readLocalImage({ path, name: NAME, limitBytes: LIMIT_BYTES }, WINDOWS, disk.platform);

  expect(await refusalOf(reading)).toContain(why);
});
