import { execFileSync } from "node:child_process";
import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { delimiter, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { expect, test } from "vitest";
import { startStandIn } from "../stand-in/server.ts";
import { bigJpeg } from "./support/big-jpeg.ts";
import { DEFAULT_REQUEST } from "./support/default-request.ts";
import { spawnServer, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { ALL_SWAPS, whileSwapping } from "./support/swap-race.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";

const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
const PNG_URL = `data:image/png;base64,${PNG.toString("base64")}`;
const ON_WINDOWS = process.platform === "win32";

const character = (image_file: string): { type: "character"; image_file: string } => ({
  type: "character",
  image_file,
});

const requestWith = (...imageFiles: readonly string[]): unknown => ({
  ...DEFAULT_REQUEST,
  subject_reference: imageFiles.map(character),
});

const shared = shareServer((api) => spawnServer({ api, env: { MINIMAX_RPM: "0" } }));

const ways: readonly (readonly [string, (base: string) => string])[] = [
  ["by absolute path", (base) => join(base, "faces", "Ä cat #1%.png")],
  ["by file URL", (base) => pathToFileURL(join(base, "faces", "Ä cat #1%.png")).href],
  ["by a path relative to the base", () => join("faces", "Ä cat #1%.png")],
  ["by a path that goes up and comes back", (base) => join(base, "faces", "..", "faces", "Ä cat #1%.png")],
];

test.each(ways)("a local reference arrives as a data URL of exactly its bytes: %s", async (_, imageFile) => {
  const { api, server } = shared.begin();
  await mkdir(join(server.outputDir, "faces"));
  await writeFile(join(server.outputDir, "faces", "Ä cat #1%.png"), PNG);

  const result = await server.generate({
    prompt: "a cat",
    subject_reference: [character(imageFile(server.outputDir))],
  });

  expect(result.structuredContent).toMatchObject({ saved_count: 1 });
  expect(textOf(result)).toContain("Saved 1 of 1 image.");
  expect(api.requests.map(({ body }) => body)).toStrictEqual([requestWith(PNG_URL)]);
});

test.skipIf(ON_WINDOWS)(
  "a local reference arrives as a data URL of exactly its bytes by a link that stays inside",
  async () => {
    const { api, server } = shared.begin();
    await writeFile(join(server.outputDir, "face.png"), PNG);
    await symlink("face.png", join(server.outputDir, "link"));

    await server.generate({ prompt: "a cat", subject_reference: [character("link")] });

    expect(api.requests.map(({ body }) => body)).toStrictEqual([requestWith(PNG_URL)]);
  },
);

test("a local reference arrives as a data URL of exactly its bytes from every directory of MINIMAX_REFERENCE_DIRS, which are no places to save", async () => {
  await using first = await temporaryDirectory();
  await using second = await temporaryDirectory();
  await using api = await startStandIn();
  const env = { MINIMAX_REFERENCE_DIRS: [first.path, second.path].join(delimiter) };
  await using server = await spawnServer({ api, env });
  const jpeg = bigJpeg(5000);
  await writeFile(join(first.path, "face.png"), PNG);
  await writeFile(join(second.path, "face.png"), jpeg);
  const files = [join(first.path, "face.png"), join(second.path, "face.png")];

  await server.generate({ prompt: "a cat", subject_reference: files.map(character) });
  const refused = await server.generate({ prompt: "a cat", output_dir: first.path });

  expect(api.requests.map(({ body }) => body)).toStrictEqual([
    requestWith(PNG_URL, `data:image/jpeg;base64,${jpeg.toString("base64")}`),
  ]);
  expect(textOf(refused)).toContain("is outside the base directory");
  expect(await readdir(first.path)).toEqual(["face.png"]);
});

test("a local reference arrives as a data URL of exactly its bytes when it is one byte smaller than 10 MB", async () => {
  const { api, server } = shared.begin();
  const jpeg = bigJpeg(9_999_999);
  await writeFile(join(server.outputDir, "face.jpeg"), jpeg);

  const result = await server.generate({ prompt: "a cat", subject_reference: [character("face.jpeg")] });

  expect(result.structuredContent).toMatchObject({ saved_count: 1 });
  expect(api.requests.map(({ body }) => body)).toStrictEqual([
    requestWith(`data:image/jpeg;base64,${jpeg.toString("base64")}`),
  ]);
});

test("a local reference arrives as a data URL of exactly its bytes beside one that is a URL, in the order given", async () => {
  const { api, server } = shared.begin();
  await writeFile(join(server.outputDir, "face.png"), PNG);
  const url = "https://example.com/a%2Fb.png?x=1";

  await server.generate({ prompt: "a cat", subject_reference: [character(url), character("face.png")] });

  expect(api.requests.map(({ body }) => body)).toStrictEqual([requestWith(url, PNG_URL)]);
});

interface Places {
  readonly base: string;
  readonly elsewhere: string;
}
const refusals: readonly (readonly [string, (places: Places) => string | Promise<string>, string])[] = [
  ["a file outside", ({ elsewhere }) => join(elsewhere, "face.png"), "is outside the directories"],
  [
    "a file outside by URL",
    ({ elsewhere }) => pathToFileURL(join(elsewhere, "face.png")).href,
    "is outside the directories",
  ],
  [
    "a file outside by a way up",
    ({ base, elsewhere }) => join(relative(base, elsewhere), "face.png"),
    "is outside the directories",
  ],
  ["the base itself", ({ base }) => base, "is not a regular file"],
  [
    "a directory",
    async ({ base }) => {
      await mkdir(join(base, "faces"));
      return "faces";
    },
    "is not a regular file",
  ],
  ["a text", ({ base }) => written(base, "SECRET=1"), "is not a JPEG, PNG or WebP image"],
  ["an empty file", ({ base }) => written(base, ""), "is not a JPEG, PNG or WebP image"],
  ["a GIF", ({ base }) => written(base, "GIF89a\u0001\0\u0001\0"), "is a GIF image, which MiniMax does not accept"],
  ["a truncated PNG", ({ base }) => written(base, PNG.subarray(0, 12)), "is not a JPEG, PNG or WebP image"],
  ["a file of 10 MB", ({ base }) => written(base, bigJpeg(10_000_000)), "is 10 MB or larger"],
  ["a missing file", () => "missing.png", "cannot be read (ENOENT)"],
  ["an http URL", () => "http://127.0.0.1/face.png", "is not an https:// URL"],
  [
    "a GIF as data URL",
    () => "data:image/gif;base64,R0lGODlhAQABAAAAACw=",
    "is a GIF image, which MiniMax does not accept",
  ],
  [
    "a file URL of another machine",
    () => "file://other.test/share/face.png",
    ON_WINDOWS ? "is outside the directories" : "is not a local file URL",
  ],
  ["a path with a NUL", () => "face.png\0.txt", "NUL"],
];

test.each(refusals)(
  "a reference that may not be used is refused by name, and no request is made: %s",
  async (_, prepare, words) => {
    await using elsewhere = await temporaryDirectory();
    await writeFile(join(elsewhere.path, "face.png"), PNG);
    await expectRefusal((base) => prepare({ base, elsewhere: elsewhere.path }), words);
  },
);

test.skipIf(ON_WINDOWS)(
  "a reference that may not be used is refused by name, and no request is made: a link that leads out",
  async () => {
    await using elsewhere = await temporaryDirectory();
    await writeFile(join(elsewhere.path, "face.png"), PNG);
    await expectRefusal(async (base) => {
      await symlink(join(elsewhere.path, "face.png"), join(base, "face.png"));
      return "face.png";
    }, "is outside the directories");
  },
);

test.skipIf(ON_WINDOWS)(
  "a reference that may not be used is refused by name, and no request is made: a file below a link that leads out",
  async () => {
    await using elsewhere = await temporaryDirectory();
    await writeFile(join(elsewhere.path, "face.png"), PNG);
    await expectRefusal(async (base) => {
      await symlink(elsewhere.path, join(base, "faces"));
      return join("faces", "face.png");
    }, "is outside the directories");
  },
);

test.skipIf(ON_WINDOWS)(
  "a reference that may not be used is refused by name, and no request is made: a pipe that nobody writes to",
  async () => {
    await expectRefusal((base) => {
      execFileSync("mkfifo", [join(base, "pipe")]);
      return "pipe";
    }, "is not a regular file");
  },
);

const CALLS = 240;

test.skipIf(ON_WINDOWS).each(ALL_SWAPS)(
  "a reference that is swapped while it is opened between %s is sent only as the file inside",
  async (swap) => {
    const { api, server } = shared.begin();
    const base = server.outputDir;
    await using elsewhere = await temporaryDirectory();
    await writeFile(join(elsewhere.path, "face.png"), bigJpeg(5000));
    await mkdir(join(base, "faces"));
    for (const path of [join(base, "kept.png"), join(base, "faces", "face.png")]) await writeFile(path, PNG);
    await symlink(join(base, "faces"), join(base, "link"));
    const imageFile = join(swap.startsWith("a link") ? "link" : "faces", "face.png");
    const results: CallToolResult[] = [];

    await whileSwapping(swap, { base, outside: elsewhere.path }, async () => {
      const calls = Array.from({ length: CALLS }, () =>
        server.generate({ prompt: "a cat", output_dir: "images", subject_reference: [character(imageFile)] }),
      );
      results.push(...(await Promise.all(calls)));
    });

    const refused = results.filter(({ isError }) => isError === true);
    expect(refused.map(textOf).filter((text) => !text.includes("No request was made."))).toEqual([]);
    expect(api.requests).toHaveLength(CALLS - refused.length);
    for (const { body } of api.requests) expect(body).toStrictEqual(requestWith(PNG_URL));
  },
  60_000,
);

async function expectRefusal(prepare: (base: string) => string | Promise<string>, words: string): Promise<void> {
  const { api, server } = shared.begin();
  const imageFile = await prepare(server.outputDir);
  const before = await readdir(server.outputDir);

  const result = await server.generate({
    prompt: "a cat",
    subject_reference: [character("https://example.com/face.png"), character(imageFile)],
  });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain("subject_reference[1].image_file");
  expect(textOf(result)).toContain(words);
  expect(textOf(result)).toContain("No request was made.");
  expect(api.requests).toHaveLength(0);
  expect(await readdir(server.outputDir)).toEqual(before);
}

async function written(base: string, content: string | Buffer): Promise<string> {
  await writeFile(join(base, "face.png"), content);
  return "face.png";
}
