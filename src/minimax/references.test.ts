import { expect, test } from "vitest";
import { bigJpeg } from "../../test/support/big-jpeg.ts";
import { failureOf } from "../../test/support/failure-of.ts";
import { type ReadReference, resolveReference } from "./references.ts";

const JPEG = bigJpeg(60).toString("base64");
const PNG = Buffer.from("89504e470d0a1a0a0000000d4948445200000008000000080800000000deadbeef", "hex").toString("base64");
const WEBP = Buffer.from("524946461600000057454250565038580a000000000000000700000700000000", "hex").toString("base64");
const NAME = "subject_reference[3].image_file";

const readNothing: ReadReference = ({ path, name, limitBytes }) =>
  Promise.reject(new Error(`${name}: ${path} was read, below ${limitBytes} bytes`));

function resolved(imageFile: string): Promise<string> {
  return resolveReference(imageFile, NAME, readNothing);
}

function dataUrlOf(byteLength: number): string {
  return `data:image/jpeg;base64,${bigJpeg(byteLength).toString("base64")}`;
}

test.each([
  ["a link", "https://example.com/a%2Fb.png?Expires=1&Signature=x%3D"],
  ["a link in capitals", "HTTPS://EXAMPLE.COM/face.jpg"],
  ["a WebP", `data:image/webp;base64,${WEBP}`],
  ["a data URL of one byte less than 10 MB", dataUrlOf(9_999_999)],
])("%s goes to MiniMax unchanged", async (_what, imageFile) => {
  expect(await resolved(imageFile)).toBe(imageFile);
});

test.each([
  ["data:image/jpg;base64", "data:image/jpeg;base64", JPEG],
  ["data:image/pjpeg;base64", "data:image/jpeg;base64", JPEG],
  ["DATA:IMAGE/PNG;BASE64", "data:image/png;base64", PNG],
])("%s is sent as %s", async (given, sent, image) => {
  expect(await resolved(`${given},${image}`)).toBe(`${sent},${image}`);
});

test.each([
  ["https behind white space", " https://example.com/face.jpg"],
  ["a file URL", "file:///nowhere/face.jpeg"],
  ["a Windows path", "C:\\face.jpeg"],
  ["a name with a colon", "a data:.jpeg"],
])("%s is taken for a file", async (_case, imageFile) => {
  await expect(resolved(imageFile)).rejects.toThrow(`${NAME}: ${imageFile} was read, below 10000000 bytes`);
});

test.each([
  ["plain http", "http://example.com/file:face.jpg"],
  ["https without a host", "https://"],
  ["https with backslashes", "https:\\\\example.com\\face.jpg"],
])("%s is refused", async (_case, imageFile) => {
  const { name, message } = await failureOf(resolved(imageFile));

  expect(name).toBe("SubjectReferenceError");
  expect(message).toBe(`${NAME}: "${imageFile}" is not an https:// URL, an image data URL or a file.`);
});

test("a refusal is short, however long the reference is", async () => {
  expect((await failureOf(resolved(`http://example.com/${"a".repeat(5000)}`))).message.length).toBeLessThan(200);
});

test.each([
  ["HTML", "data:text/html;base64,PGh0bWw+"],
  ["no base64", "data:image/png,data:image/png;base64,iVBORw0KGgo="],
  ["parameters", "data:image/png;name=a;base64,iVBORw0KGgo="],
  ["a GIF by another name", "data:image/jpeg;base64,R0lGODlh"],
])("a data URL with %s is refused", async (_case, imageFile) => {
  expect((await failureOf(resolved(imageFile))).message).toBe(
    `${NAME}: the data URL is not a JPEG, PNG or WebP image in base64: convert it to one of these.`,
  );
});

test.each([
  ["nothing in it", ""],
  ["a character outside the alphabet", "iVBOR!0K"],
  ["a line break", "iVBO\nw0K"],
  ["characters missing", "iVBOR"],
  ["padding in the middle", "iV==Rw0K"],
  ["three paddings", "i==="],
])("a data URL with %s is not valid", async (_case, encoded) => {
  expect((await failureOf(resolved(`data:image/png;base64,${encoded}`))).message).toBe(
    `${NAME}: the data URL's base64 is not valid.`,
  );
});

test("a data URL of 10 MB is refused", async () => {
  expect((await failureOf(resolved(dataUrlOf(10_000_000)))).message).toBe(`${NAME}: the data URL holds 10 MB or more.`);
});
