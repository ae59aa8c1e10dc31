import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bigJpeg } from "../../test/support/big-jpeg.ts";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { SubjectReferenceError } from "../errors.ts";
import { Workspace } from "../utils/workspace.ts";
import { type ReadReference, resolveReference } from "./references.ts";

const JPEG = bigJpeg(60).toString("base64");
const PNG = Buffer.from("89504e470d0a1a0a0000000d4948445200000008000000080800000000deadbeef", "hex").toString("base64");
const WEBP = Buffer.from("524946461600000057454250565038580a000000000000000700000700000000", "hex").toString("base64");
const NAME = "subject_reference[3].image_file";

function readingIn(base: string): ReadReference {
  const places = { base, defaultDirectory: base, referenceDirectories: [], homeDirectory: undefined };
  return (wanted) => new Workspace(places).readImage(wanted, new AbortController().signal);
}

const readNothing: ReadReference = ({ path }) => Promise.reject(new Error(`${path} was read`));

async function refusalOf(imageFile: string): Promise<SubjectReferenceError> {
  try {
    await resolveReference(imageFile, NAME, readNothing);
  } catch (error) {
    if (error instanceof SubjectReferenceError) return error;
    throw error;
  }
  throw new Error(`${imageFile.slice(0, 100)} was accepted`);
}

function dataUrlOf(byteLength: number): string {
  return `data:image/jpeg;base64,${bigJpeg(byteLength).toString("base64")}`;
}

test.each([
  ["a link", "https://example.com/a%2Fb.png?Expires=1&Signature=x%3D"],
  ["a link in capitals", "HTTPS://EXAMPLE.COM/face.jpg"],
  ["a link to an IPv6 address", "https://[2001:db8::1]:8443/face.webp"],
  ["a JPEG", `data:image/jpeg;base64,${JPEG}`],
  ["a PNG", `data:image/png;base64,${PNG}`],
  ["a WebP", `data:image/webp;base64,${WEBP}`],
  ["a data URL of one byte less than 10 MB", dataUrlOf(9_999_999)],
])("%s goes to MiniMax unchanged", async (_what, imageFile) => {
  expect(await resolveReference(imageFile, NAME, readNothing)).toBe(imageFile);
});

test.each([
  ["data:image/jpg;base64", "data:image/jpeg;base64", JPEG],
  ["data:image/pjpeg;base64", "data:image/jpeg;base64", JPEG],
  ["DATA:IMAGE/PNG;BASE64", "data:image/png;base64", PNG],
])("%s is sent as %s", async (given, sent, image) => {
  expect(await resolveReference(`${given},${image}`, NAME, readNothing)).toBe(`${sent},${image}`);
});

test.each(["face.jpeg", "./face.jpeg", "a-face", "猫.png"])("the file %s is sent as a data URL", async (imageFile) => {
  await using directory = await temporaryDirectory();
  const image = bigJpeg(2000);
  await writeFile(join(directory.path, "original"), image);
  await copyFile(join(directory.path, "original"), join(directory.path, imageFile));

  expect(await resolveReference(imageFile, NAME, readingIn(directory.path))).toBe(
    `data:image/jpeg;base64,${image.toString("base64")}`,
  );
});

test.each([
  ["https behind white space", " https://example.com/face.jpg"],
  ["a file URL", "file:///nowhere/face.jpeg"],
  ["a Windows path", "C:\\face.jpeg"],
])("%s is taken for a file", async (_case, imageFile) => {
  await expect(resolveReference(imageFile, NAME, readNothing)).rejects.toThrow(`${imageFile} was read`);
});

test("a file of 10 MB is refused", async () => {
  await using directory = await temporaryDirectory();
  await writeFile(join(directory.path, "face.jpeg"), bigJpeg(10_000_000));

  await expect(resolveReference("face.jpeg", NAME, readingIn(directory.path))).rejects.toThrow("10 MB or larger");
});

test.each([
  ["plain http", "http://example.com/face.jpg"],
  ["http to this machine", "http://127.0.0.1/face.jpg"],
  ["ftp", "ftp://example.com/face.jpg"],
  ["javascript", "javascript:alert(1)"],
  ["https without a host", "https://"],
  ["https that is no URL", "https://exa mple.com/face.jpg"],
  ["https with backslashes", "https:\\\\example.com\\face.jpg"],
])("%s is refused", async (_case, imageFile) => {
  expect((await refusalOf(imageFile)).message).toBe(
    `${NAME}: "${imageFile}" is not an https:// URL, an image data URL or a file.`,
  );
});

test.each([
  ["HTML", "data:text/html;base64,PGh0bWw+"],
  ["no base64", "data:image/png,%89PNG"],
  ["parameters", "data:image/png;name=a;base64,iVBORw0KGgo="],
  ["a GIF", "data:image/gif;base64,R0lGODlh"],
  ["a GIF by another name", "data:image/jpeg;base64,R0lGODlh"],
  ["an SVG", "data:image/svg+xml;base64,PHN2Zz4="],
])("a data URL with %s is refused", async (_case, imageFile) => {
  expect((await refusalOf(imageFile)).message).toBe(
    `${NAME}: the data URL is not a JPEG, PNG or WebP image in base64: convert it to one of these.`,
  );
});

test.each([
  ["nothing in it", ""],
  ["a character outside the alphabet", "iVBOR!0K"],
  ["a line break", "iVBO\nw0K"],
  ["characters missing", "iVBOR"],
  ["padding in the middle", "iV==Rw0K"],
  ["padding alone", "===="],
  ["letters outside ASCII", "ŁŁŁŁ"],
])("a data URL with %s is not valid", async (_case, encoded) => {
  expect((await refusalOf(`data:image/png;base64,${encoded}`)).message).toContain("base64 is not valid");
});

test.each([10_000_000, 10_000_001, 40_000_000])("a data URL of %i bytes is refused", async (byteLength) => {
  expect((await refusalOf(dataUrlOf(byteLength))).message).toContain("10 MB or more");
});

test("a refusal says what is allowed, and that no request was made", async () => {
  const { recovery, details } = await refusalOf("http://example.com");

  expect(recovery).toMatch(/^No request was made\. Allowed: an https:\/\/ URL, .*MINIMAX_REFERENCE_DIRS; .*10 MB\.$/);
  expect(details.retryAfterMs).toBeUndefined();
});

test.each([`data:image/png;base64,${"A".repeat(5000)}!`, `http://example.com/${"a".repeat(5000)}`])(
  "a refusal is short, however long the reference is",
  async (imageFile) => {
    expect((await refusalOf(imageFile)).message.length).toBeLessThan(200);
  },
);
