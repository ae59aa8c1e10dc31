import { execFileSync } from "node:child_process";
import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { delimiter, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { startStandIn } from "../stand-in/server.ts";
import { bigJpeg, smallImage } from "./support/big-jpeg.ts";
import { DEFAULT_REQUEST } from "./support/default-request.ts";
import { outputOf, spawnServer, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { ALL_SWAPS, whileSwapping } from "./support/swap-race.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";

const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
const ON_WINDOWS = process.platform === "win32";
const SWAPPED_CALLS = 100;

const urlOf = (image: Buffer, kind = "jpeg"): string => `data:image/${kind};base64,${image.toString("base64")}`;
const character = (image_file: string): { type: "character"; image_file: string } => ({
  type: "character",
  image_file,
});
const asking = (...files: readonly string[]): Readonly<Record<string, unknown>> => ({
  prompt: "a cat",
  subject_reference: files.map(character),
});
const requestWith = (...files: readonly string[]): unknown => ({
  ...DEFAULT_REQUEST,
  subject_reference: files.map(character),
});

const shared = shareServer();

const name = "Ä cat #1%.png";

test.each<readonly [string, (base: string) => string]>([
  ["an absolute path", (base) => join(base, "faces", name)],
  ["a file URL", (base) => pathToFileURL(join(base, "faces", name)).href],
  ["a path relative to the base", () => join("faces", name)],
  ["a path that goes up and comes back", (base) => join(base, "faces", "..", "faces", name)],
])("a reference arrives to the byte by %s", async (_, imageFile) => {
  const { api, server } = shared.begin();
  await mkdir(join(server.outputDir, "faces"));
  await writeFile(join(server.outputDir, "faces", name), PNG);

  expect(outputOf(await server.generate(asking(imageFile(server.outputDir)))).saved_count).toBe(1);

  expect(api.requests.map(({ body }) => body)).toStrictEqual([requestWith(urlOf(PNG, "png"))]);
});

test.skipIf(ON_WINDOWS)("a reference arrives by a link that stays inside", async () => {
  const { api, server } = shared.begin();
  await writeFile(join(server.outputDir, "face.png"), PNG);
  await symlink("face.png", join(server.outputDir, "link"));

  await server.generate(asking("link"));

  expect(api.requests.map(({ body }) => body)).toStrictEqual([requestWith(urlOf(PNG, "png"))]);
});

test("MINIMAX_REFERENCE_DIRS may be read, and not written to", async () => {
  await using first = await temporaryDirectory();
  await using second = await temporaryDirectory();
  await using api = await startStandIn({ createImage: smallImage });
  const env = { MINIMAX_REFERENCE_DIRS: [first.path, second.path].join(delimiter) };
  await using server = await spawnServer({ api, env });
  const jpeg = bigJpeg(5000);
  const files = [join(first.path, "face.png"), join(second.path, "face.png")] as const;
  await writeFile(files[0], PNG);
  await writeFile(files[1], jpeg);

  await server.generate(asking(...files));
  const refused = await server.generate({ prompt: "a cat", output_dir: first.path });

  expect(api.requests.map(({ body }) => body)).toStrictEqual([requestWith(urlOf(PNG, "png"), urlOf(jpeg))]);
  expect(textOf(refused)).toContain("is outside the base directory");
  expect(await readdir(first.path)).toEqual(["face.png"]);
});

test("references just below 10 MB and by URL arrive in the order given", async () => {
  const { api, server } = shared.begin();
  const jpeg = bigJpeg(9_999_999);
  await writeFile(join(server.outputDir, "face.jpeg"), jpeg);
  const url = "https://example.com/a%2Fb.png?x=1";

  expect(outputOf(await server.generate(asking(url, "face.jpeg"))).saved_count).toBe(1);

  expect(api.requests.map(({ body }) => body)).toStrictEqual([requestWith(url, urlOf(jpeg))]);
});

interface Places {
  readonly base: string;
  readonly elsewhere: string;
}
type Refusal = readonly [string, (places: Places) => string | Promise<string>, string];

const OUTSIDE = "is outside the directories";
const refusals: readonly Refusal[] = [
  ["a file outside", ({ elsewhere }) => join(elsewhere, "face.png"), OUTSIDE],
  ["a file outside by URL", ({ elsewhere }) => pathToFileURL(join(elsewhere, "face.png")).href, OUTSIDE],
  ["a file outside by a way up", ({ base, elsewhere }) => join(relative(base, elsewhere), "face.png"), OUTSIDE],
  ["a directory", ({ base }) => base, "is not a regular file"],
  ["a text", ({ base }) => written(base, "SECRET=1"), "is not a JPEG, PNG or WebP image"],
  ["a truncated PNG", ({ base }) => written(base, PNG.subarray(0, 12)), "is not a JPEG, PNG or WebP image"],
  ["a file of 10 MB", ({ base }) => written(base, bigJpeg(10_000_000)), "is 10 MB or larger"],
  ["a missing file", () => "missing.png", "cannot be read (ENOENT)"],
  ["a path with a NUL", () => "face.png\0.txt", "NUL"],
];
const refusalsOfLinks: readonly Refusal[] = [
  [
    "a link that leads out",
    async ({ base, elsewhere }) => {
      await symlink(join(elsewhere, "face.png"), join(base, "face.png"));
      return "face.png";
    },
    OUTSIDE,
  ],
  [
    "a file below a link that leads out",
    async ({ base, elsewhere }) => {
      await symlink(elsewhere, join(base, "faces"));
      return join("faces", "face.png");
    },
    OUTSIDE,
  ],
  [
    "a pipe without a writer",
    ({ base }) => {
      execFileSync("mkfifo", [join(base, "pipe")]);
      return "pipe";
    },
    "is not a regular file",
  ],
];

test.each(ON_WINDOWS ? refusals : [...refusals, ...refusalsOfLinks])("no reference: %s", async (_, prepare, words) => {
  const { api, server } = shared.begin();
  await using elsewhere = await temporaryDirectory();
  await writeFile(join(elsewhere.path, "face.png"), PNG);
  const imageFile = await prepare({ base: server.outputDir, elsewhere: elsewhere.path });
  const before = await readdir(server.outputDir);

  const result = await server.generate(asking("https://example.com/face.png", imageFile));

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain("subject_reference[1].image_file");
  expect(textOf(result)).toContain(words);
  expect(textOf(result)).toContain("No request was made.");
  expect(api.requests).toHaveLength(0);
  expect(await readdir(server.outputDir)).toEqual(before);
});

test.skipIf(ON_WINDOWS).each(ALL_SWAPS)("swapped: %s", async (swap) => {
  const { api, server } = shared.begin();
  const base = server.outputDir;
  await using elsewhere = await temporaryDirectory();
  await writeFile(join(elsewhere.path, "face.png"), bigJpeg(5000));
  await mkdir(join(base, "faces"));
  for (const path of [join(base, "kept.png"), join(base, "faces", "face.png")]) await writeFile(path, PNG);
  await symlink(join(base, "faces"), join(base, "link"));
  const args = { ...asking(join(swap.startsWith("a link") ? "link" : "faces", "face.png")), output_dir: "images" };
  const refused: string[] = [];

  await whileSwapping(swap, { base, outside: elsewhere.path }, async () => {
    const results = await Promise.all(Array.from({ length: SWAPPED_CALLS }, () => server.generate(args)));
    refused.push(...results.filter(({ isError }) => isError === true).map(textOf));
  });

  expect(refused.filter((text) => !text.includes("No request was made."))).toEqual([]);
  expect(api.requests).toHaveLength(SWAPPED_CALLS - refused.length);
  for (const { body } of api.requests) expect(body).toStrictEqual(requestWith(urlOf(PNG, "png")));
});

async function written(base: string, content: string | Buffer): Promise<string> {
  await writeFile(join(base, "face.png"), content);
  return "face.png";
}
