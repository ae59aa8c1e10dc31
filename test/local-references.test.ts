import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { startStandIn } from "../stand-in/server.ts";
import { bigJpeg, smallImage } from "./support/big-jpeg.ts";
import { DEFAULT_REQUEST } from "./support/default-request.ts";
import { outputOf, spawnServer, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { whileSwapping } from "./support/swap-race.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";

const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
const LINK = "https://example.com/a%2Fb.png?x=1";
const SWAPPED_CALLS = 100;

const urlOf = (image: Buffer, kind = "jpeg"): string => `data:image/${kind};base64,${image.toString("base64")}`;
const asking = (...files: readonly string[]): Readonly<Record<string, unknown>> => ({
  prompt: "a cat",
  subject_reference: files.map((image_file) => ({ type: "character", image_file })),
});
const requestWith = (...files: readonly string[]): unknown => ({ ...DEFAULT_REQUEST, ...asking(...files) });

const shared = shareServer();

test("references arrive to the byte and in their order, by path and by URL", async () => {
  const { api, server } = shared.begin();
  const jpeg = bigJpeg(9_999_999);
  const path = join(server.outputDir, "Ä cat #1%.png");
  await writeFile(path, PNG);
  await writeFile(join(server.outputDir, "face.jpeg"), jpeg);

  await server.generate(asking(pathToFileURL(path).href, LINK, "face.jpeg"));

  expect(api.requests.map(({ body }) => body)).toStrictEqual([requestWith(urlOf(PNG, "png"), LINK, urlOf(jpeg))]);
});

test("MINIMAX_REFERENCE_DIRS may be read, and not written to", async () => {
  await using first = await temporaryDirectory();
  await using second = await temporaryDirectory();
  await using api = await startStandIn({ createImage: smallImage });
  const env = { MINIMAX_REFERENCE_DIRS: [first.path, second.path].join(delimiter) };
  await using server = await spawnServer({ api, env });
  const files = [first, second].map(({ path }) => join(path, "face.png"));
  for (const file of files) await writeFile(file, PNG);

  expect(outputOf(await server.generate(asking(...files))).saved_count).toBe(1);
  const refused = await server.generate({ prompt: "a cat", output_dir: first.path });

  expect(textOf(refused)).toContain("is outside the base directory");
  expect(await readdir(first.path)).toEqual(["face.png"]);
});

test.each<readonly [string, (base: string, elsewhere: string) => Promise<string> | string, string]>([
  ["a file outside", (_, elsewhere) => join(elsewhere, "face.png"), "is outside the directories"],
  [
    "a file below a link that leads out",
    async (base, elsewhere) => {
      await symlink(elsewhere, join(base, "faces"), "junction");
      return join("faces", "face.png");
    },
    "is outside the directories",
  ],
  ["a missing file", () => "missing.png", "cannot be read (ENOENT)"],
])("%s is no reference, and nothing is sent", async (_, prepare, words) => {
  const { api, server } = shared.begin();
  await using elsewhere = await temporaryDirectory();
  await writeFile(join(elsewhere.path, "face.png"), PNG);

  const result = await server.generate(asking(LINK, await prepare(server.outputDir, elsewhere.path)));

  expect(result.isError).toBe(true);
  for (const part of ["subject_reference[1].image_file", words, "No request was made."]) {
    expect(textOf(result)).toContain(part);
  }
  expect(api.requests).toHaveLength(0);
});

test.skipIf(process.platform === "win32")("a directory swapped in a race gives nothing from outside", async () => {
  const { api, server } = shared.begin();
  const base = server.outputDir;
  await using elsewhere = await temporaryDirectory();
  await writeFile(join(elsewhere.path, "face.png"), bigJpeg(5000));
  await mkdir(join(base, "faces"));
  for (const path of [join(base, "kept.png"), join(base, "faces", "face.png")]) await writeFile(path, PNG);
  await symlink(join(base, "faces"), join(base, "link"));
  const args = { ...asking(join("faces", "face.png")), output_dir: "images" };
  const refused: string[] = [];

  await whileSwapping("a directory and a link that leads out", { base, outside: elsewhere.path }, async () => {
    const results = await Promise.all(Array.from({ length: SWAPPED_CALLS }, () => server.generate(args)));
    refused.push(...results.filter(({ isError }) => isError === true).map(textOf));
  });

  expect(refused.filter((text) => !text.includes("No request was made."))).toEqual([]);
  expect(api.requests).toHaveLength(SWAPPED_CALLS - refused.length);
  for (const { body } of api.requests) expect(body).toStrictEqual(requestWith(urlOf(PNG, "png")));
});
