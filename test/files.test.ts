import { mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { toolOutputSchema } from "../src/schemas.ts";
import { type Behaviour, deliver, succeed } from "../stand-in/behaviours.ts";
import { startStandIn } from "../stand-in/server.ts";
import { bigJpeg } from "./support/big-jpeg.ts";
import { spawnServer, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";

const LINUX_PATH_MAX_BYTES = 4096;

const shared = shareServer((api) => spawnServer({ api, env: { MINIMAX_RPM: "0" } }));

test("files of 40 calls with one prompt at once are 40 different files", async () => {
  const { api, server } = shared.begin();

  const results = await Promise.all(Array.from({ length: 40 }, () => server.generate({ prompt: "a cat" })));

  const paths = results.flatMap((result) => toolOutputSchema.parse(result.structuredContent).file_paths);
  expect(new Set(paths).size).toBe(40);
  expect(await readdir(server.outputDir)).toHaveLength(40);
  const contents = await Promise.all(paths.map((path) => readFile(path)));
  expect(contents.sort((a, b) => a.compare(b))).toEqual(api.deliveredImages.toSorted((a, b) => a.compare(b)));
});

test("files whose names differ only in case or in normalization never replace each other", async () => {
  const filenames = [
    "hero",
    "HERO",
    "Hero",
    "caf\u00e9",
    "cafe\u0301",
    "CAF\u00c9",
    "\ufb01g",
    "fig",
    "stra\u00dfe",
    "STRASSE",
  ];
  const images = filenames.map((_, index) => bigJpeg(2_000 + index));
  const { server } = shared.begin({ script: images.map((image) => deliver([image])) });

  const paths: string[] = [];
  for (const filename of filenames) {
    const result = await server.generate({ prompt: "a cat", filename });
    paths.push(...toolOutputSchema.parse(result.structuredContent).file_paths);
  }

  expect(await Promise.all(paths.map((path) => readFile(path)))).toEqual(images);
  expect(await readdir(server.outputDir)).toHaveLength(filenames.length);
});

test.runIf(process.platform === "linux")(
  "files that the path has no room for are refused before the request",
  async () => {
    const { api, server } = shared.begin();
    const longestDirectory = LINUX_PATH_MAX_BYTES - 1 - "/.jpeg".length - 60;
    let output_dir = "x".repeat((longestDirectory - server.outputDir.length) % 100 || 100);
    while (server.outputDir.length + output_dir.length + 1 < longestDirectory) output_dir += `/${"x".repeat(99)}`;

    const result = await server.generate({ prompt: "a cat", output_dir, filename: "x".repeat(60) });

    expect(textOf(result)).toContain("cannot be written (ENAMETOOLONG)");
    expect(textOf(result)).toContain("No request was made.");
    expect(api.requests).toHaveLength(0);
  },
);

test("files whose directory is removed while MiniMax generates are saved in it all the same", async () => {
  await using directory = await temporaryDirectory();
  const base = join(directory.path, "pictures");
  const remove: Behaviour = async (exchange) => {
    await rm(join(base, "cats"), { recursive: true });
    await succeed()(exchange);
  };
  await using api = await startStandIn({ script: [remove] });
  await using server = await spawnServer({ api, env: { MINIMAX_OUTPUT_DIR: base } });

  const result = await server.generate({ prompt: "a cat", output_dir: "cats" });

  expect(result.structuredContent).toMatchObject({ saved_count: 1 });
  expect(await readdir(join(base, "cats"))).toHaveLength(1);
});

test.skipIf(process.platform === "win32")(
  "files are not written through a link that was put in the directory's place while MiniMax generates",
  async () => {
    await using elsewhere = await temporaryDirectory();
    const swap: Behaviour = async (exchange) => {
      const target = join(server.outputDir, "cats");
      await rm(target, { recursive: true });
      await symlink(elsewhere.path, target);
      await succeed()(exchange);
    };
    const { server } = shared.begin({ script: [swap] });

    const result = await server.generate({ prompt: "a cat", output_dir: "cats" });

    expect(result.isError).toBe(true);
    expect(textOf(result)).toContain("is outside the base directory");
    expect(await readdir(elsewhere.path)).toEqual([]);
  },
);

test("files whose directory became a file are reported as lost, with the reason", async () => {
  const replace: Behaviour = async (exchange) => {
    const target = join(server.outputDir, "cats");
    await rm(target, { recursive: true });
    await writeFile(target, "");
    await succeed()(exchange);
  };
  const { server } = shared.begin({ script: [replace] });

  const result = await server.generate({ prompt: "a cat", n: 2, output_dir: "cats" });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain("Saved 0 of 2 images.");
  expect(textOf(result)).toContain("could not be written to");
  expect(textOf(result)).toMatch(/Request id: [0-9a-f]{32}/);
});

test.skipIf(process.platform === "win32")(
  "files that the disk has no room for are failures, leave nothing behind, and do not lose the others",
  async () => {
    const images = [bigJpeg(20_000), bigJpeg(900_000), bigJpeg(30_000)];
    await using api = await startStandIn({ script: [deliver(images)] });
    const script = `ulimit -f 400; exec "${process.execPath}" "${resolve("dist", "index.js")}"`;
    await using server = await spawnServer({ api, command: "/bin/sh", entry: ["-c", script] });

    const result = await server.generate({ prompt: "a cat", n: 3 });

    const output = toolOutputSchema.parse(result.structuredContent);
    expect(output).toMatchObject({ image_count: 3, saved_count: 2, failures: [{ index: 1 }] });
    expect(output.failures?.[0]?.error).toContain("EFBIG");
    expect((await readdir(server.outputDir)).filter((name) => !name.endsWith(".jpeg"))).toEqual([]);
    const saved = await Promise.all(output.file_paths.map((path) => readFile(path)));
    expect(saved).toEqual([images[0], images[2]]);
  },
);

test("files that the disk has too little free space for are refused before the request", async () => {
  await using api = await startStandIn();
  const nearlyFull = `import fs from "node:fs/promises";
      import { syncBuiltinESMExports } from "node:module";
      fs.statfs = async () => ({ bsize: 1000, blocks: 1000, bavail: 9 });
      syncBuiltinESMExports();`;
  await using server = await spawnServer({
    api,
    env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(nearlyFull)}` },
  });

  const result = await server.generate({ prompt: "a cat", n: 9 });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toMatch(/is full: 9 kB are free, and the images need about \d{3,} kB\..*No request was made/s);
  expect(api.requests).toHaveLength(0);
  expect(await readdir(server.outputDir)).toEqual([]);
});

test("files that exist are never replaced: a directory in which others save keeps everything", async () => {
  const { server } = shared.begin();
  await mkdir(join(server.outputDir, "cats"));
  await writeFile(join(server.outputDir, "cats", "mine.jpeg"), "mine");

  await server.generate({ prompt: "mine", output_dir: "cats" });

  expect(await readdir(join(server.outputDir, "cats"))).toHaveLength(2);
  expect(await readFile(join(server.outputDir, "cats", "mine.jpeg"), "utf8")).toBe("mine");
});
