import { copyFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { bigJpeg } from "../../test/support/big-jpeg.ts";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { SubjectReferenceError } from "../errors.ts";
import { readLocalImage, type ReferencePlaces } from "../utils/reference-file.ts";
import { type ReadReference, resolveReference } from "./references.ts";

const PNG_URL = "data:image/png;base64,";
const NAME = "subject_reference[3].image_file";
const NOWHERE: ReferencePlaces = { base: resolve("/nowhere"), directories: [], homeDirectory: resolve("/nobody") };

function readingIn(places: ReferencePlaces): ReadReference {
  return (path, name) => readLocalImage(path, name, places, 10_000_000);
}

async function refusalOf(imageFile: string, places = NOWHERE): Promise<SubjectReferenceError> {
  try {
    await resolveReference(imageFile, NAME, readingIn(places));
  } catch (error) {
    if (error instanceof SubjectReferenceError) return error;
    throw error;
  }
  throw new Error(`${imageFile.slice(0, 100)} was accepted`);
}

function dataUrlOf(byteLength: number): string {
  return PNG_URL + Buffer.alloc(byteLength, 1).toString("base64");
}

test.each([
  "https://example.com/face.jpg",
  "HTTPS://EXAMPLE.COM/face.jpg",
  "https://example.com/a%2Fb.png?Expires=1&Signature=x%3D",
  "https://[2001:db8::1]:8443/face.webp",
  "data:image/jpeg;base64,/9j/4AAQ",
  "data:image/png;base64,iVBORw0KGgo=",
  "data:image/webp;base64,UklGRg==",
])("a reference that MiniMax takes goes to it unchanged: %s", async (imageFile) => {
  expect(await resolveReference(imageFile, NAME, readingIn(NOWHERE))).toBe(imageFile);
});

test("a reference that MiniMax takes goes to it unchanged: a data URL of one byte less than 10 MB", async () => {
  const imageFile = dataUrlOf(9_999_999);

  expect(await resolveReference(imageFile, NAME, readingIn(NOWHERE))).toBe(imageFile);
});

test.each(["face.jpeg", "./face.jpeg", "a-face", "猫.png"])(
  "a local file goes to MiniMax as a data URL: %s in the base directory",
  async (imageFile) => {
    await using directory = await temporaryDirectory();
    const image = bigJpeg(2000);
    await writeFile(join(directory.path, "original"), image);
    await copyFile(join(directory.path, "original"), join(directory.path, imageFile));

    expect(await resolveReference(imageFile, NAME, readingIn({ ...NOWHERE, base: directory.path }))).toBe(
      `data:image/jpeg;base64,${image.toString("base64")}`,
    );
  },
);

test.each([
  ["plain http", "http://example.com/face.jpg"],
  ["http to this machine", "http://127.0.0.1/face.jpg"],
  ["ftp", "ftp://example.com/face.jpg"],
  ["javascript", "javascript:alert(1)"],
  ["https without a host", "https://"],
  ["https that is no URL", "https://exa mple.com/face.jpg"],
  ["https with backslashes", "https:\\\\example.com\\face.jpg"],
])("anything else is refused: %s", async (_case, imageFile) => {
  expect((await refusalOf(imageFile)).message).toBe(
    `${NAME}: "${imageFile}" is not an https:// URL, an image data URL or a file.`,
  );
});

test.each([
  ["HTML", "data:text/html;base64,PGh0bWw+"],
  ["a data URL that is not base64", "data:image/png,%89PNG"],
  ["a data URL with parameters", "data:image/png;name=a;base64,iVBORw0KGgo="],
])("anything else is refused: %s", async (_case, imageFile) => {
  expect((await refusalOf(imageFile)).message).toBe(
    `${NAME}: the data URL is not a JPEG, PNG or WebP image in base64.`,
  );
});

test.each([
  ["https behind white space", " https://example.com/face.jpg"],
  ["a file that is not there", "face.jpeg"],
  ["a file URL of what is not there", "file:///nowhere/face.jpeg"],
  ["nothing", ""],
])("anything else is refused: %s, which is no file", async (_case, imageFile) => {
  expect((await refusalOf(imageFile)).message.startsWith(`${NAME}: `)).toBe(true);
});

test.each([
  ["nothing in it", ""],
  ["a character outside the alphabet", "iVBOR!0K"],
  ["a line break", "iVBO\nw0K"],
  ["characters missing", "iVBOR"],
  ["padding in the middle", "iV==Rw0K"],
  ["padding alone", "===="],
  ["letters outside ASCII", "ŁŁŁŁ"],
])("anything else is refused: a data URL with %s", async (_case, encoded) => {
  expect((await refusalOf(PNG_URL + encoded)).message).toContain("base64 is not valid");
});

test.each([10_000_000, 10_000_001, 40_000_000])(
  "anything else is refused: a data URL of %i bytes",
  async (byteLength) => {
    expect((await refusalOf(dataUrlOf(byteLength))).message).toContain("10 MB or more");
  },
);

test.each([
  ["data:image/jpg;base64,/9j/4AAQ", "data:image/jpeg;base64,/9j/4AAQ"],
  ["data:image/pjpeg;base64,/9j/4AAQ", "data:image/jpeg;base64,/9j/4AAQ"],
  ["DATA:IMAGE/PNG;BASE64,iVBORw0KGgo=", "data:image/png;base64,iVBORw0KGgo="],
])("a data URL: %s is sent by the name that MiniMax knows", async (imageFile, sent) => {
  expect(await resolveReference(imageFile, NAME, readingIn(NOWHERE))).toBe(sent);
});

test.each([
  ["a GIF", "data:image/gif;base64,R0lGODlh"],
  ["an SVG", "data:image/svg+xml;base64,PHN2Zz4="],
  ["a HEIC", "data:image/heic;base64,AAAA"],
  ["an AVIF", "data:image/avif;base64,AAAA"],
])("a data URL of %s image is refused by that name", async (kind, imageFile) => {
  expect((await refusalOf(imageFile)).message).toBe(
    `${NAME}: the data URL is ${kind} image, which MiniMax does not accept: convert it to JPEG or PNG.`,
  );
});

test("a refusal begins with the name of the parameter", async () => {
  expect((await refusalOf("http://example.com")).message.startsWith(`${NAME}: `)).toBe(true);
});

test("a refusal says what is allowed and that nothing was sent", async () => {
  const { recovery } = (await refusalOf("http://example.com")).details;

  expect(recovery).toContain("No request was made");
  expect(recovery).toContain("https://");
  expect(recovery).toContain("data:image/png");
  expect(recovery).toContain("MINIMAX_REFERENCE_DIRS");
  expect(recovery).toContain("10 MB");
});

test("a refusal does not repeat the image", async () => {
  expect((await refusalOf(`${PNG_URL}${"A".repeat(5000)}!`)).message.length).toBeLessThan(200);
});

test("a refusal quotes a long address in part", async () => {
  expect((await refusalOf(`http://example.com/${"a".repeat(5000)}`)).message.length).toBeLessThan(200);
});

test("a refusal may not be repeated as it is", async () => {
  expect((await refusalOf("http://example.com")).details.retryAfterMs).toBeUndefined();
});
