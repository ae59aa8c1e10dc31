import { once } from "node:events";
import { mkdir, readdir, rmdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { toolOutputSchema } from "../src/schemas.ts";
import { type Behaviour, fallSilent, succeed } from "../stand-in/behaviours.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { spawnServer } from "./support/server.ts";
import { StdioTransport } from "./support/stdio-transport.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";
import { waitFor } from "./support/wait-for.ts";

const isWindows = process.platform === "win32";
const ENTRY = resolve("dist", "index.js");
const STARTED = "MiniMax Image MCP server running on stdio\n";
const DROPPED = "Protocol error: a message of more than 72 MB was dropped\n";
const MANY = 2_000;

test("a line above 72 MB and one that is not JSON cost a line each on stderr, and a paid call goes on", async () => {
  const release = new AbortController();
  const held: Behaviour = async (exchange) => {
    await once(release.signal, "abort");
    await succeed()(exchange);
  };
  await using api = await startStandIn({ script: [held] });
  await using server = await spawnServer({ api });
  const call = server.generate({ prompt: "a cat" });
  await waitFor("the request", () => api.requests.length === 1);

  const piece = "x".repeat(1_000_000);
  for (let count = 0; count < 74; count++) server.transport.write(piece);
  server.transport.write("\nnot json\n");
  await waitFor("both lines", () => server.transport.stderr.split("\n").length === 4, 30_000);
  release.abort();

  expect((await call).structuredContent).toMatchObject({ saved_count: 1 });
  expect(server.transport.stderr.startsWith(`${STARTED}${DROPPED}Protocol error: `)).toBe(true);
});

test("a huge line without an end, and then the end of stdin, end the server in order", async () => {
  await using api = await startStandIn();
  await using server = await spawnServer({ api });

  server.transport.process.stdin.end("x".repeat(74_000_000));

  expect(await server.exited).toEqual({ code: 0, signal: null });
  expect(server.transport.stderr).toBe(`${STARTED}${DROPPED}`);
});

test("a file name that is taken thousands of times gives the next free number at once", async () => {
  await using api = await startStandIn();
  await using server = await spawnServer({ api });
  const taken = ["hero.jpeg", ...Array.from({ length: MANY - 1 }, (_, index) => `hero-${index + 2}.jpeg`)];
  while (taken.length > 0) {
    await Promise.all(taken.splice(-100).map((name) => writeFile(join(server.outputDir, name), "")));
  }

  const results = await Promise.all(
    [1, 2].map(() => server.generate({ prompt: "a cat", filename: "hero", aspect_ratio: "1:1" })),
  );

  const paths = results.flatMap((result) => toolOutputSchema.parse(result.structuredContent).file_paths);
  const names = [`hero-${MANY + 1}.jpeg`, `hero-${MANY + 2}.jpeg`];
  expect(paths.toSorted()).toEqual(names.map((name) => join(server.outputDir, name)));
  expect((await readdir(server.outputDir)).length).toBe(MANY + 2);
}, 60_000);

test.skipIf(isWindows)(
  "a working directory that was deleted is needed by neither --help, --version nor an absolute base",
  async () => {
    await using directory = await temporaryDirectory();
    const env = { MINIMAX_API_KEY: STAND_IN_KEY, HOME: "" };

    expect(await runWithoutDirectory(["--version"], env)).toMatchObject({ code: 0, stderr: "" });
    expect(await runWithoutDirectory(["--help"], env)).toMatchObject({ code: 0, stderr: "" });
    expect(await runWithoutDirectory([], { ...env, MINIMAX_OUTPUT_DIR: directory.path })).toMatchObject({
      code: 0,
      stderr: STARTED,
    });
    const refused = await runWithoutDirectory([], {
      ...env,
      MINIMAX_OUTPUT_DIR: "images",
      MINIMAX_API_HOST: "ftp://x",
    });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      /^The server cannot start:\n- MINIMAX_API_HOST .*\n- MINIMAX_OUTPUT_DIR is relative, and the working directory has been deleted: give an absolute path\.\n$/,
    );
  },
);

test.skipIf(isWindows).each(["", "not/absolute"])(
  "a HOME of %j never gives a relative base directory",
  async (HOME) => {
    await using api = await startStandIn({ script: [fallSilent()] });
    const { stdout, code } = await runIn("/", ["--check"], {
      MINIMAX_API_KEY: STAND_IN_KEY,
      MINIMAX_API_HOST: api.url,
      HOME,
    });

    expect(code).not.toBeNull();
    expect(stdout).toMatch(/^Base directory +\//m);
  },
);

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function runIn(cwd: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<Run> {
  const transport = new StdioTransport(process.execPath, [ENTRY, ...args], { env, cwd });
  transport.process.stdin.end();
  const { code } = await transport.exited;
  return { code, stdout: transport.stdout, stderr: transport.stderr };
}

/** The shell deletes its own directory and then becomes the server. */
async function runWithoutDirectory(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Run> {
  await using directory = await temporaryDirectory();
  const cwd = join(directory.path, "gone");
  await mkdir(cwd);
  const transport = new StdioTransport(
    "/bin/sh",
    ["-c", 'rmdir "$PWD" && exec "$@"', "sh", process.execPath, ENTRY, ...args],
    {
      env,
      cwd,
    },
  );
  transport.process.stdin.end();
  const { code } = await transport.exited;
  await rmdir(cwd).catch(() => undefined);
  return { code, stdout: transport.stdout, stderr: transport.stderr };
}
