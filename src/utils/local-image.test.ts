import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readlink, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { bigJpeg } from "../../test/support/big-jpeg.ts";
import { failureOf } from "../../test/support/failure-of.ts";
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
  readonly read: (path: string, limitBytes?: number) => Promise<Buffer>;
  readonly refusal: (path: string, limitBytes?: number) => Promise<string>;
}

async function room(): Promise<Room> {
  const directory = await temporaryDirectory();
  const [base, faces, outside] = [join(directory.path, "base"), join(directory.path, "faces"), directory.path];
  const home = join(base, "home");
  for (const path of [base, faces, home, join(base, "deep")]) {
    await mkdir(path);
    await writeFile(join(path, "face.jpeg"), IMAGE);
  }
  await writeFile(join(outside, "face.jpeg"), IMAGE);
  const places = { base, referenceDirectories: [join(directory.path, "gone"), faces], homeDirectory: home };
  const read: Room["read"] = async (path, limitBytes = LIMIT_BYTES) => {
    const { bytes, header } = await readLocalImage({ path, name: NAME, limitBytes }, places);
    expect(header.mimeType).toBe("image/jpeg");
    return Buffer.from(bytes);
  };
  return {
    base,
    faces,
    outside,
    read,
    refusal: (path, limitBytes) => refusalOf(read(path, limitBytes)),
    [Symbol.asyncDispose]: () => Promise.resolve(directory[Symbol.asyncDispose]()),
  };
}

async function refusalOf(reading: Promise<unknown>): Promise<string> {
  const failure = await failureOf(reading);
  expect(failure).toBeInstanceOf(SubjectReferenceError);
  return failure.message;
}

test.each<[string, (place: Room) => string]>([
  ["a relative path", () => "face.jpeg"],
  ["a relative path with dots", () => "deep/.././face.jpeg"],
  ["an absolute path", ({ base }) => join(base, "deep", "face.jpeg")],
  ["a file URL", ({ base }) => pathToFileURL(join(base, "a & b 100%.txt")).href],
  ["a file URL in capitals", ({ base }) => pathToFileURL(join(base, "face.jpeg")).href.replace("file", "FILE")],
  ["a path below ~", () => "~/face.jpeg"],
  ["a path in another allowed directory", ({ faces }) => join(faces, "face.jpeg")],
  ["a relative path to another allowed directory", () => "../faces/face.jpeg"],
  ["a link to another allowed directory", () => join("link", "face.jpeg")],
  ["a name that differs in how its blank is written", () => "10.04 AM.jpeg"],
  ...(isWindows
    ? []
    : [["a name that contains file:", (): string => "a file:1.jpeg"] satisfies [string, () => string]]),
])("an image is read by %s", async (_case, path) => {
  await using place = await room();
  const names = ["a & b 100%.txt", "10.04\u202fAM.jpeg", ...(isWindows ? [] : ["a file:1.jpeg"])];
  for (const name of names) await writeFile(join(place.base, name), IMAGE);
  await symlink(place.faces, join(place.base, "link"), "junction");

  expect(await place.read(path(place))).toEqual(IMAGE);
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

test("a path outside is refused, and not told whether there is a file", async () => {
  await using place = await room();
  await symlink(place.outside, join(place.base, "out"), "junction");
  await symlink(join(place.base, "gone"), join(place.base, "nowhere"), "junction");
  const { base, outside, faces } = place;
  const allowed = [base, join(outside, "gone"), faces].join(", ");

  for (const path of [
    join(outside, "face.jpeg"),
    join(outside, "gone.jpeg"),
    join(base, "out", "face.jpeg"),
    join(base, "out", "gone.jpeg"),
    join(base, "nowhere"),
  ]) {
    const message = `${NAME}: ${path} is outside the directories that may be read (${allowed}).`;
    for (const asked of [path, relative(base, path), pathToFileURL(path).href]) {
      expect(await place.refusal(asked)).toBe(message);
    }
  }
});

test("a file that is too large or no image is refused", async () => {
  await using place = await room();
  const path = join(place.base, "face.jpeg");

  expect(await place.refusal(path, IMAGE.length)).toBe(`${NAME}: ${path} is 0.003 MB or larger.`);
  expect(await place.read(path, IMAGE.length + 1)).toEqual(IMAGE);

  await writeFile(path, "root:x:0:0:root:/root:/bin/sh");
  expect(await place.refusal(path)).toBe(
    `${NAME}: ${path} is not a JPEG, PNG or WebP image: convert it to one of these.`,
  );
});

test
  .skipIf(isWindows)
  .each([
    ["none.jpeg", "cannot be read (ENOENT)"],
    ["loop", "cannot be read (ELOOP)"],
    ["face.jpeg/below", "cannot be read (ENOTDIR)"],
    ["deep", "is not a regular file"],
    ["pipe", "is not a regular file"],
    ...(isLinux ? [["socket", "cannot be read (ENXIO)"]] : []),
  ])("%s is refused without waiting: it %s", async (name, why) => {
  await using place = await room();
  await symlink("loop", join(place.base, "loop"));
  execFileSync("mkfifo", [join(place.base, "pipe")]);
  await using server = createServer();
  await once(server.listen(join(place.base, "socket")), "listening");

  expect(await place.refusal(name)).toBe(`${NAME}: ${join(place.base, name)} ${why}.`);
});

test.each([
  ["face.jpeg\0.png", "contains a NUL character."],
  ["~/face.jpeg", "begins with ~, and this user has no home directory."],
  ["file:///a%2Fb.jpeg", "file:///a%2Fb.jpeg is not a local file URL."],
  ["file://%", "file://% is not a local file URL."],
  [`${pathToFileURL(import.meta.dirname).href}/face%00.jpeg`, "cannot be read (ERR_INVALID_ARG_VALUE)."],
  ...(isWindows ? [] : [["file://server/face.jpeg", "file://server/face.jpeg is not a local file URL."]]),
])("%j is refused by its words", async (path, why) => {
  const places = { base: import.meta.dirname, referenceDirectories: [], homeDirectory: undefined };
  const reading = readLocalImage({ path, name: NAME, limitBytes: LIMIT_BYTES }, places);

  expect(await refusalOf(reading)).toContain(why);
});

const PRESENT = ["C:\\out", "Z:\\faces", "\\\\mine\\faces"] as const;
const ALLOWED = [...PRESENT, "Q:\\gone"];
const WINDOWS = { base: PRESENT[0], referenceDirectories: ALLOWED.slice(1), homeDirectory: "C:\\Ada" };

test.each([
  ["//host/share/face.png", "is outside"],
  ["\\\\?\\UNC\\host\\share\\face.png", "is outside"],
  ["\\\\mine\\other\\face.png", "is outside"],
  ["file://host/share/face.png", "is outside"],
  ["file:////host/share/face.png", "is not a local file URL"],
])("on Windows %j is refused before it is touched", async (path, why) => {
  const disk = windowsDisk([...PRESENT, "\\\\host\\share\\face.png"]);
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
  const disk = windowsDisk([...PRESENT, "\\\\real\\share\\faces"], { "Z:": "\\\\real\\share" });
  const reading = readLocalImage({ path, name: NAME, limitBytes: LIMIT_BYTES }, WINDOWS, disk.platform);

  expect(await refusalOf(reading)).toContain(why);
});
