import { describe, expect, test } from "vitest";
import { ServerError } from "./errors.ts";
import { ReferenceError, resolveReference } from "./references.ts";

const PNG_URL = "data:image/png;base64,";

function refusalOf(imageFile: string, position = 0): ServerError {
  try {
    resolveReference(imageFile, position);
  } catch (error) {
    if (error instanceof ReferenceError) return error;
    throw error;
  }
  throw new Error(`${imageFile.slice(0, 100)} was accepted`);
}

function dataUrlOf(byteLength: number): string {
  return PNG_URL + Buffer.alloc(byteLength, 1).toString("base64");
}

describe("a reference that MiniMax takes goes to it unchanged", () => {
  test.each([
    "https://example.com/face.jpg",
    "HTTPS://EXAMPLE.COM/face.jpg",
    "https://example.com/a%2Fb.png?Expires=1&Signature=x%3D",
    "https://[2001:db8::1]:8443/face.webp",
    "data:image/jpeg;base64,/9j/4AAQ",
    "data:image/png;base64,iVBORw0KGgo=",
    "data:image/webp;base64,UklGRg==",
  ])("%s", (imageFile) => {
    expect(resolveReference(imageFile, 0)).toBe(imageFile);
  });

  test("a data URL of one byte less than 10 MB", () => {
    const imageFile = dataUrlOf(9_999_999);

    expect(resolveReference(imageFile, 0)).toBe(imageFile);
  });
});

describe("anything else is refused", () => {
  test.each([
    ["plain http", "http://example.com/face.jpg"],
    ["http to this machine", "http://127.0.0.1/face.jpg"],
    ["ftp", "ftp://example.com/face.jpg"],
    ["javascript", "javascript:alert(1)"],
    ["https without a host", "https://"],
    ["https that is no URL", "https://exa mple.com/face.jpg"],
    ["https behind white space", " https://example.com/face.jpg"],
    ["https with backslashes", "https:\\\\example.com\\face.jpg"],
    ["nothing", ""],
    ["a GIF", "data:image/gif;base64,R0lGODlh"],
    ["an SVG", "data:image/svg+xml;base64,PHN2Zz4="],
    ["HTML", "data:text/html;base64,PGh0bWw+"],
    ["a data URL that is not base64", "data:image/png,%89PNG"],
    ["a data URL with parameters", "data:image/png;name=a;base64,iVBORw0KGgo="],
  ])("%s", (_case, imageFile) => {
    expect(refusalOf(imageFile).message).toContain("neither an https:// URL nor an image data URL");
  });

  test.each([
    ["nothing in it", ""],
    ["a character outside the alphabet", "iVBOR!0K"],
    ["a line break", "iVBO\nw0K"],
    ["characters missing", "iVBOR"],
    ["padding in the middle", "iV==Rw0K"],
    ["padding alone", "===="],
    ["letters outside ASCII", "ŁŁŁŁ"],
  ])("a data URL with %s", (_case, encoded) => {
    expect(refusalOf(PNG_URL + encoded).message).toContain("base64 is not valid");
  });

  test.each([10_000_000, 10_000_001, 40_000_000])("a data URL of %i bytes", (byteLength) => {
    expect(refusalOf(dataUrlOf(byteLength)).message).toContain("10 MB or more");
  });
});

describe("a refusal", () => {
  test("names the place in the array, counted from 0", () => {
    expect(refusalOf("http://example.com", 3).message).toMatch(/^subject_reference\[3\]\.image_file is/);
  });

  test("says what is allowed and that nothing was sent", () => {
    const { recovery } = refusalOf("http://example.com").facts;

    expect(recovery).toContain("No request was made");
    expect(recovery).toContain("https://");
    expect(recovery).toContain("data:image/png");
    expect(recovery).toContain("10 MB");
  });

  test("does not repeat the picture", () => {
    expect(refusalOf(`${PNG_URL}${"A".repeat(5000)}!`).message.length).toBeLessThan(200);
  });

  test("may not be repeated as it is", () => {
    expect(refusalOf("http://example.com").facts.repeatAfterMs).toBeUndefined();
  });
});
