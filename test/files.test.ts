import { mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { type Behaviour, deliver, succeed } from "../stand-in/behaviours.ts";
import { startStandIn } from "../stand-in/server.ts";
import { bigJpeg, smallImage } from "./support/big-jpeg.ts";
import { holdDisk } from "./support/hold-disk.ts";
import { manualClock } from "./support/manual-clock.ts";
import { begin, hold } from "./support/pending-call.ts";
import { outputOf, spawnServer, startServer, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";
import { waitFor } from "./support/wait-for.ts";

const ON_WINDOWS = process.platform === "win32";
const LINUX_PATH_MAX_BYTES = 4096;
const CAT = { prompt: "a cat" };

const shared = shareServer();

test("40 calls with one prompt at once give 40 different files", async () => {
  const { api, server } = shared.begin();

  const results = await Promise.all(Array.from({ length: 40 }, () => server.generate(CAT)));

  const paths = results.flatMap((result) => outputOf(result).file_paths);
  expect(new Set(paths).size).toBe(40);
  expect(await readdir(server.outputDir)).toHaveLength(40);
  const contents = await Promise.all(paths.map((path) => readFile(path)));
  expect(contents.sort((a, b) => a.compare(b))).toEqual(api.deliveredImages.toSorted((a, b) => a.compare(b)));
});

test("names that differ only in case or normalization stay two files", async () => {
  const filenames = ["hero", "HERO", "Hero", "caf\u00e9", "cafe\u0301", "CAF\u00c9", "\ufb01g", "fig", "stra\u00dfe"];
  const images = filenames.map((_, index) => bigJpeg(2_000 + index));
  const { server } = shared.begin({ script: images.map((image) => deliver([image])) });

  const paths: string[] = [];
  for (const filename of filenames) paths.push(...outputOf(await server.generate({ ...CAT, filename })).file_paths);

  expect(await Promise.all(paths.map((path) => readFile(path)))).toEqual(images);
  expect(await readdir(server.outputDir)).toHaveLength(filenames.length);
});

test("a name that is taken hundreds of times gives the next free number", async () => {
  const { server } = shared.begin();
  const taken = ["hero.jpeg", ...Array.from({ length: 299 }, (_, index) => `hero-${index + 2}.jpeg`)];
  await Promise.all(taken.map((name) => writeFile(join(server.outputDir, name), "")));

  const results = await Promise.all([1, 2].map(() => server.generate({ ...CAT, filename: "hero" })));

  const paths = results.flatMap((result) => outputOf(result).file_paths);
  expect(paths.toSorted()).toEqual([301, 302].map((number) => join(server.outputDir, `hero-${number}.jpeg`)));
  expect(await readdir(server.outputDir)).toHaveLength(302);
});

test("a directory in which others save keeps everything", async () => {
  const { server } = shared.begin();
  await mkdir(join(server.outputDir, "cats"));
  await writeFile(join(server.outputDir, "cats", "mine.jpeg"), "mine");

  await server.generate({ prompt: "mine", output_dir: "cats" });

  expect(await readdir(join(server.outputDir, "cats"))).toHaveLength(2);
  expect(await readFile(join(server.outputDir, "cats", "mine.jpeg"), "utf8")).toBe("mine");
});

test("paid images are saved on a disk slower than the call's time", async () => {
  const held = hold();
  await using api = await startStandIn({ createImage: smallImage, script: [held.behaviour] });
  const clock = manualClock();
  await using server = await startServer({ api, clock, callBudgetMs: 60_000 });
  const call = begin(server, { n: 2 });
  await waitFor("the request", () => api.requests.length === 1);
  using disk = holdDisk("open", server.outputDir);
  held.release();
  await waitFor("the disk", () => disk.held() === 2);

  await clock.advance(60_000);
  await server.client.ping();
  disk.release();

  const { file_paths } = outputOf(await call.result);
  expect(await Promise.all(file_paths.map((path) => readFile(path)))).toEqual(api.deliveredImages);
  expect(api.requests).toHaveLength(1);
});

test.runIf(process.platform === "linux")("a path without room for the name is refused before the request", async () => {
  const { api, server } = shared.begin();
  const longestDirectory = LINUX_PATH_MAX_BYTES - 1 - "/.jpeg".length - 60;
  let output_dir = "x".repeat((longestDirectory - server.outputDir.length) % 100 || 100);
  while (server.outputDir.length + output_dir.length + 1 < longestDirectory) output_dir += `/${"x".repeat(99)}`;

  const result = await server.generate({ ...CAT, output_dir, filename: "x".repeat(60) });

  expect(textOf(result)).toContain("cannot be written (ENAMETOOLONG)");
  expect(textOf(result)).toContain("No request was made.");
  expect(api.requests).toHaveLength(0);
});

test("a directory removed while MiniMax generates is made again", async () => {
  await using directory = await temporaryDirectory();
  const base = join(directory.path, "pictures");
  const remove: Behaviour = async (exchange) => {
    await rm(base, { recursive: true });
    await succeed()(exchange);
  };
  await using api = await startStandIn({ createImage: smallImage, script: [remove] });
  await using server = await spawnServer({ api, env: { MINIMAX_OUTPUT_DIR: base } });

  expect(outputOf(await server.generate({ ...CAT, output_dir: "cats" })).saved_count).toBe(1);

  expect(await readdir(join(base, "cats"))).toHaveLength(1);
});

test.skipIf(ON_WINDOWS)("nothing is written through a link put in the directory's place", async () => {
  await using elsewhere = await temporaryDirectory();
  const swap: Behaviour = async (exchange) => {
    const target = join(server.outputDir, "cats");
    await rm(target, { recursive: true });
    await symlink(elsewhere.path, target);
    await succeed()(exchange);
  };
  const { server } = shared.begin({ script: [swap] });

  const result = await server.generate({ ...CAT, output_dir: "cats" });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain("is outside the base directory");
  expect(await readdir(elsewhere.path)).toEqual([]);
});

test("images whose directory became a file are reported as lost", async () => {
  const replace: Behaviour = async (exchange) => {
    const target = join(server.outputDir, "cats");
    await rm(target, { recursive: true });
    await writeFile(target, "");
    await succeed()(exchange);
  };
  const { server } = shared.begin({ script: [replace] });

  const result = await server.generate({ ...CAT, n: 2, output_dir: "cats" });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toMatch(
    /^MiniMax generated and billed 2 images, but none could be saved\. Calling again will be billed again\./,
  );
  expect(textOf(result)).toContain("Saved 0 of 2 images.");
  expect(textOf(result)).toContain("could not be written to");
  expect(textOf(result)).toMatch(/Request id: [0-9a-f]{32}/);
});

test.skipIf(ON_WINDOWS)("an image that the disk has no room for does not lose the others", async () => {
  const images = [bigJpeg(20_000), bigJpeg(900_000), bigJpeg(30_000)];
  await using api = await startStandIn({ script: [deliver(images)] });
  const script = `ulimit -f 400; exec "${process.execPath}" "${resolve("dist", "index.js")}"`;
  await using server = await spawnServer({ api, command: ["/bin/sh", "-c", script] });

  const output = outputOf(await server.generate({ ...CAT, n: 3 }));

  expect(output).toMatchObject({ image_count: 3, saved_count: 2, failures: [{ index: 1 }] });
  expect(output.failures?.[0]?.error).toContain("EFBIG");
  expect(await readdir(server.outputDir)).toHaveLength(2);
  const saved = await Promise.all(output.file_paths.map((path) => readFile(path)));
  expect(saved).toEqual([images[0], images[2]]);
});

test("a disk with too little free space is refused before the request", async () => {
  await using api = await startStandIn();
  const preload = `import fs from "node:fs/promises";
    import { syncBuiltinESMExports } from "node:module";
    fs.statfs = async () => ({ bsize: 1000, blocks: 9000, bavail: 9 });
    syncBuiltinESMExports();`;
  await using server = await spawnServer({ api, preload });

  const result = await server.generate({ ...CAT, n: 9 });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain("9 kB");
  expect(textOf(result)).toContain("No request was made");
  expect(api.requests).toHaveLength(0);
  expect(await readdir(server.outputDir)).toEqual([]);
});
