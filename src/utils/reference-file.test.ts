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
import { type WindowsDisk, windowsDisk } from "../../test/support/windows-disk.ts";
import { SubjectReferenceError } from "../errors.ts";
import { type LocalImage, readLocalImage } from "./reference-file.ts";

const isWindows = process.platform === "win32";
const NAME = "subject_reference[0].image_file";
const IMAGE = bigJpeg(3000);
const LIMIT_BYTES = 10_000_000;
const DATA_URL = `data:image/jpeg;base64,${IMAGE.toString("base64")}`;

interface Room extends AsyncDisposable {
  readonly base: string;
  readonly faces: string;
  readonly home: string;
  readonly outside: string;
  readonly read: (imageFile: string) => Promise<string>;
  readonly refusal: (imageFile: string) => Promise<string>;
}

async function room(): Promise<Room> {
  const directory = await temporaryDirectory();
  const base = join(directory.path, "base");
  const faces = join(directory.path, "faces");
  const home = join(base, "home");
  const outside = join(directory.path, "outside");
  for (const path of [base, faces, home, outside, join(base, "deep")]) await mkdir(path);
  for (const path of [base, faces, home, outside, join(base, "deep")]) {
    await writeFile(join(path, "face.jpeg"), IMAGE);
  }
  const places = { base, directories: [join(directory.path, "gone"), faces], homeDirectory: home };
  const read = (imageFile: string): Promise<string> => dataUrlOf(readLocalImage(imageFile, NAME, places, LIMIT_BYTES));
  return {
    base,
    faces,
    home,
    outside,
    read,
    refusal: (imageFile) => refusalOf(read(imageFile)),
    [Symbol.asyncDispose]: () => Promise.resolve(directory[Symbol.asyncDispose]()),
  };
}

async function dataUrlOf(reading: Promise<LocalImage>): Promise<string> {
  const { bytes, header } = await reading;
  return `data:${header.mimeType};base64,${Buffer.from(bytes).toString("base64")}`;
}

async function openFiles(): Promise<string[]> {
  const descriptors = await readdir("/proc/self/fd");
  return Promise.all(descriptors.map((descriptor) => readlink(join("/proc/self/fd", descriptor)).catch(() => "")));
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

test("a reference image is read from a path relative to the base", async () => {
  await using place = await room();

  for (const path of ["face.jpeg", "./face.jpeg", "deep/face.jpeg", "deep/../face.jpeg"]) {
    expect(await place.read(path)).toBe(DATA_URL);
  }
});

test("a reference image is read from an absolute path", async () => {
  await using place = await room();

  expect(await place.read(join(place.base, "face.jpeg"))).toBe(DATA_URL);
});

test("a reference image is read from a file URL", async () => {
  await using place = await room();
  const spaced = join(place.base, "a face & more 100%.jpeg");
  await writeFile(spaced, IMAGE);

  expect(await place.read(pathToFileURL(join(place.base, "face.jpeg")).href)).toBe(DATA_URL);
  expect(await place.read(pathToFileURL(spaced).href.replace("file:", "FILE:"))).toBe(DATA_URL);
});

test.skipIf(isWindows)("a reference image is read from a path that only holds the letters of a file URL", async () => {
  await using place = await room();
  await writeFile(join(place.base, "profile:1.jpeg"), IMAGE);

  expect(await place.read("profile:1.jpeg")).toBe(DATA_URL);
});

test("a reference image is read from a path below the home directory", async () => {
  await using place = await room();

  expect(await place.read("~/face.jpeg")).toBe(DATA_URL);
});

test("a reference image is read from a directory of MINIMAX_REFERENCE_DIRS, although another one is gone", async () => {
  await using place = await room();

  expect(await place.read(join(place.faces, "face.jpeg"))).toBe(DATA_URL);
  expect(await place.read("../faces/face.jpeg")).toBe(DATA_URL);
});

test.skipIf(isWindows)("a reference image is read through a link that stays inside", async () => {
  await using place = await room();
  await symlink(join(place.base, "deep", "face.jpeg"), join(place.base, "link.jpeg"));
  await symlink(join(place.faces, "face.jpeg"), join(place.base, "other.jpeg"));

  expect(await place.read("link.jpeg")).toBe(DATA_URL);
  expect(await place.read("other.jpeg")).toBe(DATA_URL);
});

test("a reference image is read in a base that is itself behind a link", async () => {
  await using place = await room();
  const base = join(place.outside, "link");
  await symlink(place.base, base, "junction");

  const places = { base, directories: [], homeDirectory: place.home };
  expect(await dataUrlOf(readLocalImage("face.jpeg", NAME, places, LIMIT_BYTES))).toBe(DATA_URL);
});

test.each(["jpeg", "png", "webp"] as const)(
  "a reference image is read as %s by its leading bytes, whatever its name says",
  async (format) => {
    await using place = await room();
    const image = await sharp({ create: { width: 8, height: 8, channels: 3, background: "tomato" } })
      .toFormat(format)
      .toBuffer();
    await writeFile(join(place.base, "image.txt"), image);

    expect(await place.read("image.txt")).toBe(`data:image/${format};base64,${image.toString("base64")}`);
  },
);

test.runIf(process.platform === "linux")(
  "a reference image is read and closed again, also when it is refused",
  async () => {
    await using place = await room();
    await writeFile(join(place.base, "odd.jpeg"), "odd");

    await place.read("face.jpeg");
    await place.refusal("odd.jpeg");
    await place.refusal("deep");

    expect((await openFiles()).filter((path) => path.startsWith(place.base))).toEqual([]);
  },
);

test("a reference image is read with one byte less than 10 MB", async () => {
  await using place = await room();
  await writeFile(join(place.base, "big.jpeg"), bigJpeg(9_999_999));

  expect((await place.read("big.jpeg")).length).toBe("data:image/jpeg;base64,".length + 13_333_332);
});

test("a reference image is read whose name differs only in the kind of a space, and one of two such names is not guessed", async () => {
  await using place = await room();
  const asked = "Screenshot 10.04 AM.jpeg";
  await writeFile(join(place.base, asked.replace(" AM", "\u202fAM")), IMAGE);

  expect(await place.read(asked)).toBe(DATA_URL);

  await writeFile(join(place.base, asked.replace(" AM", "\u00a0AM")), IMAGE);
  expect(await place.refusal(asked)).toContain("(ENOENT)");
});

test("nothing is read that is no image MiniMax takes, and its kind is named where it is known", async () => {
  await using place = await room();
  await writeFile(
    join(place.base, "photo.heic"),
    Buffer.concat([Buffer.from("\0\0\0\x18ftypheic"), Buffer.alloc(100)]),
  );

  expect(await place.refusal("photo.heic")).toContain("HEIC");
});

test("nothing is read outside the allowed directories, and they are named", async () => {
  await using place = await room();
  const outside = join(place.outside, "face.jpeg");

  for (const path of [outside, relative(place.base, outside), pathToFileURL(outside).href]) {
    const message = await place.refusal(path);

    expect(message).toContain(`${NAME}: ${outside} is outside the directories that may be read`);
    expect(message).toContain(`(${place.base}, `);
    expect(message).toContain(`, ${place.faces})`);
  }
});

test("nothing is read outside the allowed directories, and nobody learns whether it is there", async () => {
  await using place = await room();
  const there = await place.refusal(join(place.outside, "face.jpeg"));
  const gone = await place.refusal(join(place.outside, "gone.jpeg"));

  expect(gone).toBe(there.replace("face.jpeg", "gone.jpeg"));
});

test("nothing is read in a directory whose name begins like the base's", async () => {
  await using place = await room();
  await mkdir(`${place.base}-other`);
  await writeFile(join(`${place.base}-other`, "face.jpeg"), IMAGE);

  expect(await place.refusal("../base-other/face.jpeg")).toContain("is outside");
});

test.skipIf(isWindows)("nothing is read through a link to a file outside", async () => {
  await using place = await room();
  await symlink(join(place.outside, "face.jpeg"), join(place.base, "link.jpeg"));

  expect(await place.refusal("link.jpeg")).toContain("is outside");
});

test("nothing is read through a link to a directory outside", async () => {
  await using place = await room();
  await symlink(place.outside, join(place.base, "link"), "junction");

  expect(await place.refusal("link/face.jpeg")).toContain("is outside");
});

test("nothing is read that is not there", async () => {
  await using place = await room();

  expect(await place.refusal("none.jpeg")).toBe(`${NAME}: ${join(place.base, "none.jpeg")} cannot be read (ENOENT).`);
});

test.skipIf(isWindows)("nothing is read that is a directory", async () => {
  await using place = await room();

  expect(await place.refusal("deep")).toBe(`${NAME}: ${join(place.base, "deep")} is not a regular file.`);
  expect(await place.refusal("")).toBe(`${NAME}: ${place.base} is not a regular file.`);
});

test.runIf(process.platform === "linux")(
  "nothing is read from a pipe, and nobody waits for its other end",
  async () => {
    await using place = await room();
    const pipe = join(place.base, "pipe.jpeg");
    await promisify(execFile)("mkfifo", [pipe]);

    expect(await place.refusal("pipe.jpeg")).toBe(`${NAME}: ${pipe} is not a regular file.`);
  },
);

test.runIf(process.platform === "linux")("nothing is read from a socket, which cannot be opened", async () => {
  await using place = await room();
  const socket = join(place.base, "socket.jpeg");
  await using server = createServer();
  await once(server.listen(socket), "listening");

  expect(await place.refusal("socket.jpeg")).toBe(`${NAME}: ${socket} cannot be read (ENXIO).`);
});

test("nothing is read with 10 MB or more", async () => {
  await using place = await room();
  const path = join(place.base, "face.jpeg");
  await truncate(path, 10_000_000);

  expect(await place.refusal("face.jpeg")).toBe(`${NAME}: ${path} is 10 MB or larger.`);
});

test.each([
  ["empty", Buffer.alloc(0)],
  ["text", Buffer.from("root:x:0:0:root:/root:/bin/sh\n")],
  ["a JPEG that ends before its size", IMAGE.subarray(0, 20)],
])("nothing is read that is %s instead of an image", async (_case, bytes) => {
  await using place = await room();
  const path = join(place.base, "odd.jpeg");
  await writeFile(path, bytes);

  expect(await place.refusal("odd.jpeg")).toBe(`${NAME}: ${path} is not a JPEG, PNG or WebP image.`);
});

test("nothing is read with a NUL character in its path", async () => {
  await using place = await room();

  expect(await place.refusal("face.jpeg\0.png")).toBe(`${NAME}: contains a NUL character.`);
  expect(await place.refusal(`${pathToFileURL(place.base).href}/face%00.jpeg`)).toContain("cannot be read");
});

test.each(["file:///a%2Fb.jpeg", "file://%"])(
  "nothing is read from %s, which is not a local file URL",
  async (imageFile) => {
    await using place = await room();

    expect(await place.refusal(imageFile)).toBe(`${NAME}: ${imageFile} is not a local file URL.`);
  },
);

test.skipIf(isWindows)("nothing is read from another machine", async () => {
  await using place = await room();

  expect(await place.refusal("file://server/share/face.jpeg")).toContain("is not a local file URL");
});

const places = { base: "C:\\out", directories: ["Z:\\faces", "\\\\mine\\faces"], homeDirectory: "C:\\Users\\Ada" };
const asWindows = (disk: WindowsDisk, imageFile: string): Promise<string> =>
  refusalOf(readLocalImage(imageFile, NAME, places, LIMIT_BYTES, disk.platform));

test.each([
  "\\\\host\\share\\face.png",
  "//host/share/face.png",
  "\\/host/share/face.png",
  "\\\\?\\UNC\\host\\share\\face.png",
  "//?/unc/host/share/face.png",
  "\\\\.\\UNC\\host\\share\\face.png",
  "\\\\?\\C:\\..\\UNC\\host\\share\\face.png",
  "\\\\.\\pipe\\face.png",
  "\\\\mine\\other\\face.png",
  "file://host/share/face.png",
  "FILE://host/share/face.png",
  "file:\\\\host\\share\\face.png",
  "file:////host/share/face.png",
  "file:///host/share/face.png",
])(
  "on Windows, before a reference is refused: %j, nothing but the allowed directories is looked at",
  async (imageFile) => {
    const disk = windowsDisk(["C:\\out", "Z:\\faces", "\\\\mine\\faces", "\\\\host\\share\\face.png"]);

    expect(await asWindows(disk, imageFile)).toMatch(/is outside the directories|is not a local file URL/);
    expect(["C:\\out", "Z:\\faces", "\\\\mine\\faces"]).toEqual(expect.arrayContaining([...disk.asked]));
  },
);

test.each([
  "\\\\mine\\faces\\none.png",
  "//MINE/Faces/none.png",
  "file://mine/faces/none.png",
  "\\\\?\\UNC\\mine\\faces\\none.png",
  "\\\\real\\share\\faces\\none.png",
  "Z:\\faces\\none.png",
  "file:///c:/OUT/none.png",
  "file:///c%3A/out/none.png",
  "c:/OUT/none.png",
  "none.png",
])(
  "on Windows, before a reference is refused: %j, its directory is looked at, because it may be read",
  async (imageFile) => {
    const directories = ["C:\\out", "Z:\\faces", "\\\\mine\\faces", "\\\\real\\share\\faces"];
    const disk = windowsDisk(directories, { "Z:": "\\\\real\\share" });

    expect(await asWindows(disk, imageFile)).toContain("cannot be read (ENOENT)");
  },
);

test.each(["Q:\\face.png", "C:\\other\\face.png", "..\\\u1E9E\\face.png", "C:\\\u00D6ut\\..\\face.png"])(
  "on Windows, before a reference is refused: %j, nobody learns whether it is there",
  async (imageFile) => {
    expect(await asWindows(windowsDisk(["C:\\out"]), imageFile)).toContain("is outside the directories");
  },
);
