import { lstat, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { startStandIn } from "../stand-in/server.ts";
import { smallImage } from "./support/big-jpeg.ts";
import { outputOf, spawnServer, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";

const ON_WINDOWS = process.platform === "win32";

const shared = shareServer();

const reference = (image_file: unknown): unknown => [{ type: "character", image_file }];

test.each<readonly [string, Readonly<Record<string, unknown>>, string]>([
  ["no prompt", { prompt: undefined }, "- prompt: expected text of 1 to 1500 characters; got nothing"],
  ["null for a prompt", { prompt: null }, "- prompt: expected text of 1 to 1500 characters"],
  ["a blank prompt", { prompt: " \n\t" }, "- prompt: expected text that is not blank"],
  ["a prompt of 1501 characters", { prompt: "🐱".repeat(1501) }, "- prompt: expected at most 1500 characters"],
  ["an unknown ratio", { aspect_ratio: "5:4" }, "16:9"],
  ["a number as text", { n: "3" }, '- n: expected an integer from 1 to 9; got "3" (text)'],
  ["a seed over 32 bits", { seed: 4294967296 }, "from 0 to 4294967295"],
  ["an unknown format", { response_format: "hex" }, "base64"],
  ["a flag as text", { return_images: "true" }, '- return_images: expected true or false; got "true" (text)'],
  ["an object as text", { style: "comic" }, '- style: expected an object with style_type; got "comic" (text)'],
  ["an odd side", { width: 1000.5, height: 1000 }, "got 1000.5 (number)"],
  ["a path as a list", { output_dir: ["a"] }, "- output_dir: expected a path of 1 to 4096 characters; got a list of 1"],
  ["a path as filename", { filename: "public/img/hero.jpg" }, 'Use output_dir "public/img" and filename "hero".'],
  ["a list as text", { subject_reference: "[]" }, "- subject_reference: expected a list of 1 to 5 references; got"],
  ["another server's parameter", { size: "1024x1024" }, "- size: not a parameter of this tool: use width and height"],
  ["an odd size", { width: 1200, height: 630 }, "The nearest size is 1200x632."],
  [
    "one reference without a list",
    { subject_reference: { image_url: "https://a.test/b.png" } },
    "a list, with the path",
  ],
  ["a reference by http", { subject_reference: reference("http://a.test/b.png") }, "is not an https:// URL"],
  ["a GIF", { subject_reference: reference("data:image/gif;base64,R0lG") }, "convert it to one of these"],
  ["broken base64", { subject_reference: reference("data:image/png;base64,A%A=") }, "base64"],
  [
    "a reference of 10 MB",
    { subject_reference: reference(`data:image/png;base64,${"A".repeat(13_333_336)}`) },
    "subject_reference[0].image_file: the data URL holds 10 MB or more",
  ],
])("%s is refused by name, unsent", async (_, args, words) => {
  const { api, server } = shared.begin();

  const result = await server.generate({ prompt: "x", ...args });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain(words);
  expect(textOf(result).match(/^- /gm)?.length ?? 1).toBe(1);
  expect(textOf(result)).toMatch(/^Recovery: No request was made\. /m);
  expect(api.requests).toHaveLength(0);
  expect(await readdir(server.outputDir)).toEqual([]);
});

test.each([
  ["the parent", () => ".."],
  ["a way up and down again", () => join("a", "..", "..", "b")],
  ["an absolute path elsewhere", () => join(dirname(process.cwd()), "elsewhere")],
  ["a sibling of the same prefix", (base: string) => `${base}-evil`],
  ["the home directory", () => "~/pictures"],
])("no output_dir out of the base: %s", async (_, outputDir) => {
  const { api, server } = shared.begin();

  const result = await server.generate({ prompt: "x", output_dir: outputDir(server.outputDir) });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain("output_dir");
  expect(textOf(result)).toContain(server.outputDir);
  expect(api.requests).toHaveLength(0);
  expect(await readdir(server.outputDir)).toEqual([]);
  await expect(lstat(`${server.outputDir}-evil`)).rejects.toThrow("ENOENT");
});

test.skipIf(ON_WINDOWS)("no output_dir out of the base: a link", async () => {
  const { api, server } = shared.begin();
  await using elsewhere = await temporaryDirectory();
  await symlink(elsewhere.path, join(server.outputDir, "link"));

  const result = await server.generate({ prompt: "x", output_dir: join("link", "sub") });

  expect(textOf(result)).toContain("is outside the base directory");
  expect(api.requests).toHaveLength(0);
  expect(await readdir(elsewhere.path)).toEqual([]);
});

test.each([
  "file:///tmp/images",
  "https://e.test/images",
  "s3://bucket/images",
  "$(pwd)/images",
  "`pwd`/images",
  "a\0b",
  "C:\new\test",
  '"images"',
  ON_WINDOWS ? "/home/me/images" : "C:\\Users\\me\\Pictures",
])("no such directory can be meant: %s", async (output_dir) => {
  const { api, server } = shared.begin();

  expect(textOf(await server.generate({ prompt: "x", output_dir }))).toMatch(/^- output_dir: the path /m);

  expect(api.requests).toHaveLength(0);
  expect(await readdir(server.outputDir)).toEqual([]);
});

test.each(["${workspaceFolder}/images", "images/%USERNAME%", "<project>/images", "$HOME/images", "{{slug}}"])(
  "an unfilled output_dir is refused, unsent: %s",
  async (output_dir) => {
    const { api, server } = shared.begin();

    const text = textOf(await server.generate({ prompt: "x", output_dir }));

    expect(text).toContain(
      ON_WINDOWS && output_dir.includes("<") ? "not a valid directory name" : "unfilled placeholder",
    );
    expect(text).toContain("No request was made.");
    expect(api.requests).toHaveLength(0);
    expect(await readdir(server.outputDir)).toEqual([]);
  },
);

test("an output_dir behind a file is refused before the request", async () => {
  const { api, server } = shared.begin();
  await mkdir(join(server.outputDir, "a"));
  await writeFile(join(server.outputDir, "a", "b"), "");

  const result = await server.generate({ prompt: "x", output_dir: join("a", "b", "c") });

  expect(textOf(result)).toContain("cannot be written");
  expect(api.requests).toHaveLength(0);
});

test("huge text is refused by a server with a small heap, which goes on", async () => {
  const huge = "x".repeat(30_000_000);
  await using api = await startStandIn({ createImage: smallImage });
  await using server = await spawnServer({ api, env: { NODE_OPTIONS: "--max-old-space-size=150" } });

  for (const [name, args] of [
    ["prompt", { prompt: huge }],
    ["filename", { filename: huge }],
    ["image_file", { subject_reference: reference(huge) }],
  ] as const) {
    const text = textOf(await server.generate({ prompt: "x", ...args }));
    expect(text).toContain(name);
    expect(text).toContain("got text of more than 50000 characters");
    expect(text.length).toBeLessThan(1000);
  }
  const named = outputOf(await server.generate({ prompt: "x", [huge]: 1 }));
  expect(named.warnings).toEqual([expect.stringMatching(/: x{40}…\.$/)]);
});
