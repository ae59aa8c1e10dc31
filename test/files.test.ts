import { readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { type Behaviour, deliver, succeed } from "../stand-in/behaviours.ts";
import { startStandIn } from "../stand-in/server.ts";
import { bigJpeg } from "./support/big-jpeg.ts";
import { outputOf, spawnServer, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";

const CAT = { prompt: "a cat" };

const shared = shareServer();

test("names that differ only in case or normalization stay two files", async () => {
  const filenames = ["hero", "HERO", "Hero", "caf\u00e9", "cafe\u0301", "CAF\u00c9", "\ufb01g", "fig", "stra\u00dfe"];
  const images = filenames.map((_, index) => bigJpeg(2_000 + index));
  const { server } = shared.begin({ script: images.map((image) => deliver([image])) });

  const paths: string[] = [];
  for (const filename of filenames) paths.push(...outputOf(await server.generate({ ...CAT, filename })).file_paths);

  expect(await Promise.all(paths.map((path) => readFile(path)))).toEqual(images);
  expect(await readdir(server.outputDir)).toHaveLength(filenames.length);
});

test.each([
  ["a file", (path: string) => writeFile(path, ""), "could not be written to"],
  [
    "a link that leads out",
    (path: string, elsewhere: string) => symlink(elsewhere, path, "junction"),
    "is outside the base directory",
  ],
])("images whose directory became %s are reported as lost", async (_, make, words) => {
  await using elsewhere = await temporaryDirectory();
  const replace: Behaviour = async (exchange) => {
    await rm(join(server.outputDir, "cats"), { recursive: true });
    await rename(join(server.outputDir, "other"), join(server.outputDir, "cats"));
    await succeed()(exchange);
  };
  const { server } = shared.begin({ script: [replace] });
  await make(join(server.outputDir, "other"), elsewhere.path);

  const result = await server.generate({ ...CAT, n: 2, output_dir: "cats" });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toMatch(
    /^MiniMax generated and billed 2 images, but none could be saved\. Calling again will be billed again\./,
  );
  expect(textOf(result)).toContain("Saved 0 of 2 images.");
  expect(textOf(result)).toContain(words);
  expect(textOf(result)).toMatch(/Request id: [0-9a-f]{32}/);
  expect(await readdir(elsewhere.path)).toEqual([]);
});

test.skipIf(process.platform === "win32")(
  "an image that the disk has no room for does not lose the others",
  async () => {
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
  },
);

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
