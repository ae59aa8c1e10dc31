import { expect, test } from "vitest";
import { fileName, fileSize } from "./caption.ts";
import { imageUrl, readToolInput, readToolResult } from "./tool-call.ts";

const IMAGE = { path: "/images/cat.jpeg", width: 1280, height: 720, bytes: 312_000, mime_type: "image/jpeg" };

test.each([
  [{}, { prompt: "", count: 1, aspectRatio: 1 }],
  [{ arguments: null }, { prompt: "", count: 1, aspectRatio: 1 }],
  [
    { arguments: { prompt: " a cat ", n: 4, aspect_ratio: "16:9" } },
    { prompt: "a cat", count: 4, aspectRatio: 16 / 9 },
  ],
  [{ arguments: { n: 1000, aspect_ratio: "1:0" } }, { prompt: "", count: 9, aspectRatio: 1 }],
  [{ arguments: { n: "4", aspect_ratio: ["16:9"], width: null } }, { prompt: "", count: 1, aspectRatio: 1 }],
  [{ arguments: { aspect_ratio: "1:1", width: 1024, height: 512 } }, { prompt: "", count: 1, aspectRatio: 2 }],
])("parameters that are missing or unusable get the tool's defaults: %j", (params, expected) => {
  expect(readToolInput(params)).toEqual(expected);
});

test("a tool result gives its images in order, with what it carries", () => {
  const result = readToolResult({
    content: [
      { type: "text", text: "Saved 2 of 2 images." },
      { type: "image", data: "AAAA", mimeType: "image/jpeg" },
    ],
    structuredContent: { images: [IMAGE, { ...IMAGE, path: "/images/dog.jpeg" }], warnings: ["slow", 7] },
  });

  expect(result).toEqual({
    images: [
      { path: "/images/cat.jpeg", width: 1280, height: 720, bytes: 312_000, carried: "data:image/jpeg;base64,AAAA" },
      { path: "/images/dog.jpeg", width: 1280, height: 720, bytes: 312_000, carried: undefined },
    ],
    failures: [],
    warnings: ["slow"],
    text: "",
    isError: false,
  });
});

test("a tool result names a failed image by its place, counted from 1", () => {
  const result = readToolResult({
    structuredContent: { images: [IMAGE], failures: [{ index: 2, error: "disk full" }, { error: "lost" }, null] },
  });

  expect(result).toMatchObject({ failures: ["Image 3 was not saved: disk full", "lost"] });
});

test.each([undefined, null, 7, {}, { images: "none" }, { images: [null, { path: 1 }, { ...IMAGE, width: 0 }] }])(
  "a tool result without a usable image is shown as its text: %j",
  (structuredContent) => {
    expect(readToolResult({ content: [{ type: "text", text: "Saved." }], structuredContent })).toMatchObject({
      images: [],
      text: "Saved.",
      isError: false,
    });
  },
);

test("a tool result that is an error is its text", () => {
  const content = [
    { type: "text", text: "It failed." },
    { type: "text", text: "Recovery: wait." },
  ];

  expect(readToolResult({ content, isError: true, structuredContent: { images: [IMAGE] } })).toMatchObject({
    images: [],
    text: "It failed.\nRecovery: wait.",
    isError: true,
  });
});

test.each([
  ["MCP", { type: "image", data: "AAAA", mimeType: "image/png" }],
  ["the Messages API", { type: "image", source: { type: "base64", data: "AAAA", media_type: "image/png" } }],
])("an image in the form of %s is shown although nothing is said of it", (_name, block) => {
  expect(readToolResult({ content: [block, { type: "text", text: "Saved." }] })).toMatchObject({
    images: [{ path: "", bytes: 3, carried: "data:image/png;base64,AAAA" }],
    text: "Saved.",
  });
});

test("only base64 of a JPEG, PNG or WebP becomes an image's address", () => {
  expect(imageUrl("AAAA", "image/png")).toBe("data:image/png;base64,AAAA");
  expect(imageUrl("AAAA", "image/svg+xml")).toBeUndefined();
  expect(imageUrl("AAAA", "text/html")).toBeUndefined();
  expect(imageUrl('AAAA" onerror="x', "image/png")).toBeUndefined();
  expect(imageUrl(undefined, "image/png")).toBeUndefined();
});

test.each([
  ["/home/me/cat.jpeg", "cat.jpeg"],
  ["C:\\Users\\me\\cat.jpeg", "cat.jpeg"],
  ["cat.jpeg", "cat.jpeg"],
])("the file name of %s is %s", (path, name) => {
  expect(fileName(path)).toBe(name);
});

test.each([
  [950, "950 bytes"],
  [312_400, "312 kB"],
  [999_600, "1.0 MB"],
  [3_449_000, "3.4 MB"],
])("%i bytes are shown as %s", (bytes, shown) => {
  expect(fileSize(bytes)).toBe(shown);
});
