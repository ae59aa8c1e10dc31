import { lstat, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { spawnQuickServer, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";

const shared = shareServer((api) => spawnQuickServer({ api, env: { MINIMAX_RPM: "0" } }));

const character = (image_file: unknown): unknown => [{ type: "character", image_file }];

const refusals: readonly (readonly [string, Readonly<Record<string, unknown>>, readonly string[]])[] = [
  ["no prompt", {}, ["prompt", "text of 1 to 1500 characters", "got nothing"]],
  ["blank prompt", { prompt: " \n\t" }, ["prompt", "not blank"]],
  ["prompt of 1501 characters", { prompt: "🐱".repeat(1501) }, ["prompt", "at most 1500"]],
  ["unknown aspect ratio", { prompt: "x", aspect_ratio: "5:4" }, ["aspect_ratio", "16:9"]],
  ["n of 0", { prompt: "x", n: 0 }, ["n", "from 1 to 9"]],
  ["n of 10", { prompt: "x", n: 10 }, ["n", "from 1 to 9"]],
  ["n of 1.5", { prompt: "x", n: 1.5 }, ["n", "from 1 to 9"]],
  ["n as text", { prompt: "x", n: "2" }, ["n", "from 1 to 9"]],
  ["negative seed", { prompt: "x", seed: -1 }, ["seed", "from 0 to 4294967295"]],
  ["seed over 32 bits", { prompt: "x", seed: 4294967296 }, ["seed", "from 0 to 4294967295"]],
  ["unknown response format", { prompt: "x", response_format: "hex" }, ["response_format", "base64", "url"]],
  ["optimizer as text", { prompt: "x", prompt_optimizer: "yes" }, ["prompt_optimizer", "true or false"]],
  ["empty output_dir", { prompt: "x", output_dir: "" }, ["output_dir"]],
  ["no references in the list", { prompt: "x", subject_reference: [] }, ["subject_reference"]],
  [
    "six references",
    { prompt: "x", subject_reference: Array(6).fill({ type: "character", image_file: "https://a.test/b" }) },
    ["subject_reference", "5"],
  ],
  [
    "reference of another type",
    { prompt: "x", subject_reference: [{ type: "style", image_file: "https://a.test/b" }] },
    ["subject_reference[0].type", "character"],
  ],
  [
    "reference by http",
    { prompt: "x", subject_reference: character("http://a.test/b.png") },
    ["subject_reference[0].image_file", "https://"],
  ],
  [
    "reference by file URL",
    { prompt: "x", subject_reference: character("file:///etc/passwd") },
    ["subject_reference[0].image_file", "https://"],
  ],
  [
    "reference as GIF",
    { prompt: "x", subject_reference: character("data:image/gif;base64,AAAA") },
    ["subject_reference[0].image_file", "data:image/png"],
  ],
  [
    "reference in broken base64",
    { prompt: "x", subject_reference: character("data:image/png;base64,A%A=") },
    ["subject_reference[0].image_file", "base64"],
  ],
  [
    "reference of 10 MB",
    { prompt: "x", subject_reference: character(`data:image/png;base64,${"A".repeat(13_333_336)}`) },
    ["subject_reference[0].image_file", "10 MB"],
  ],
];

test.each(refusals)(
  "a parameter that is not allowed is refused by name, and no request is made: %s",
  async (_, args, words) => {
    const { api, server } = shared.begin();

    const result = await server.generate(args);

    expect(result.isError).toBe(true);
    for (const word of words) expect(textOf(result)).toContain(word);
    expect(api.requests).toHaveLength(0);
    expect(await readdir(server.outputDir)).toEqual([]);
  },
);

test.each([
  ["the parent", () => ".."],
  ["a way up and down again", () => join("a", "..", "..", "b")],
  ["an absolute path elsewhere", () => join(dirname(process.cwd()), "elsewhere")],
  ["a sibling with the same prefix", (base: string) => `${base}-evil`],
  ["a NUL byte", () => "a\0b"],
  ["the home directory", () => "~/pictures"],
])(
  "an output_dir that leads out of the base is refused, nothing is created, and no request is made: %s",
  async (_, outputDir) => {
    const { api, server } = shared.begin();
    const output_dir = outputDir(server.outputDir);

    const result = await server.generate({ prompt: "x", output_dir });

    expect(result.isError).toBe(true);
    expect(textOf(result)).toContain("output_dir");
    expect(textOf(result)).toContain(server.outputDir);
    expect(api.requests).toHaveLength(0);
    expect(await readdir(server.outputDir)).toEqual([]);
    await expect(lstat(`${server.outputDir}-evil`)).rejects.toThrow("ENOENT");
  },
);

test.skipIf(process.platform === "win32")(
  "an output_dir that leads out of the base is refused, nothing is created, and no request is made: a link that leads out",
  async () => {
    const { api, server } = shared.begin();
    await using elsewhere = await temporaryDirectory();
    await symlink(elsewhere.path, join(server.outputDir, "link"));

    const result = await server.generate({ prompt: "x", output_dir: join("link", "sub") });

    expect(textOf(result)).toContain("is outside the base directory");
    expect(api.requests).toHaveLength(0);
    expect(await readdir(elsewhere.path)).toEqual([]);
  },
);

test("a file in the way is refused before the request", async () => {
  const { api, server } = shared.begin();
  await mkdir(join(server.outputDir, "a"));
  await writeFile(join(server.outputDir, "a", "b"), "");

  const result = await server.generate({ prompt: "x", output_dir: join("a", "b", "c") });

  expect(textOf(result)).toContain("cannot be written");
  expect(api.requests).toHaveLength(0);
});

test("1500 code points are allowed, however many bytes they take", async () => {
  const { api, server } = shared.begin();

  const result = await server.generate({ prompt: "🐱".repeat(1500) });

  expect(result.isError).toBeUndefined();
  expect(api.requests).toHaveLength(1);
});
