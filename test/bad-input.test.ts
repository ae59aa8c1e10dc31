import { readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startStandIn } from "../stand-in/server.ts";
import { smallImage } from "./support/big-jpeg.ts";
import { outputOf, spawnServer, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";

const shared = shareServer();

const reference = (image_file: string): object => ({ subject_reference: [{ type: "character", image_file }] });

test.each([
  ["no prompt", { prompt: undefined }, "- prompt: expected text of 1 to 1500 characters; got nothing"],
  ["a number as text", { n: "3" }, '- n: expected an integer from 1 to 9; got "3" (text)'],
  ["an odd size", { width: 1200, height: 630 }, "The nearest size is 1200x632."],
  ["a path as filename", { filename: "public/img/hero.jpg" }, 'Use output_dir "public/img" and filename "hero".'],
  ["another server's parameter", { size: "1024x1024" }, "- size: not a parameter of this tool: use width and height"],
  ["a reference by http", reference("http://a.test/b.png"), "is not an https:// URL"],
  ["a reference of 10 MB", reference(`data:image/png;base64,${"A".repeat(13_333_336)}`), "holds 10 MB or more"],
  ["a URL for a directory", { output_dir: "s3://bucket/images" }, "- output_dir: the path is a URL"],
  ["an unfilled directory", { output_dir: "${workspaceFolder}/images" }, "unfilled placeholder"],
  ["a directory outside the base", { output_dir: "../elsewhere" }, "is outside the base directory"],
])("%s is refused by name, unsent", async (_, args, words) => {
  const { api, server } = shared.begin();

  const result = await server.generate({ prompt: "x", ...args });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain(words);
  expect(textOf(result)).toMatch(/^Recovery: No request was made\. /m);
  expect(api.requests).toHaveLength(0);
  expect(await readdir(server.outputDir)).toEqual([]);
});

test("nothing is saved by a link that leads out of the base", async () => {
  const { api, server } = shared.begin();
  await using elsewhere = await temporaryDirectory();
  await symlink(elsewhere.path, join(server.outputDir, "link"), "junction");

  const result = await server.generate({ prompt: "x", output_dir: join("link", "sub") });

  expect(textOf(result)).toContain("is outside the base directory");
  expect(api.requests).toHaveLength(0);
  expect(await readdir(elsewhere.path)).toEqual([]);
});

test("huge text is refused by a server with a small heap, which goes on", async () => {
  const huge = "x".repeat(30_000_000);
  await using api = await startStandIn({ createImage: smallImage });
  await using server = await spawnServer({ api, env: { NODE_OPTIONS: "--max-old-space-size=150" } });

  for (const args of [{ prompt: huge }, { filename: huge }, reference(huge)]) {
    const text = textOf(await server.generate({ prompt: "x", ...args }));
    expect(text).toContain("got text of more than 50000 characters");
    expect(text.length).toBeLessThan(1000);
  }
  const { warnings } = outputOf(await server.generate({ prompt: "x", [huge]: 1 }));
  expect(warnings).toEqual([expect.stringMatching(/: x{40}…\.$/)]);
});
