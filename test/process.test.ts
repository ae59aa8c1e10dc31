import { mkdir, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { TOOL_NAME } from "../src/constants.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { smallImage } from "./support/big-jpeg.ts";
import { ask, messagesOf } from "./support/raw-requests.ts";
import { runServer, type SeenProgress, spawnServer, STARTED } from "./support/server.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";

const ON_WINDOWS = process.platform === "win32";
const NO_API = { url: "http://127.0.0.1:8" };

test.each([
  [{ MINIMAX_API_HOST: "ftp://x" }, ["- MINIMAX_API_KEY is required", "- MINIMAX_API_HOST must be"]],
  [{ MINIMAX_API_KEY: "k", MINIMAX_API_HOST: "http://anna:SECRET@127.0.0.1:8" }, ["- MINIMAX_API_HOST must be"]],
])("a start with bad variables exits with 1 and advice (case %#)", async (env, words) => {
  const { code, stdout, stderr } = await runServer({ env });

  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  for (const word of words) expect(stderr).toContain(word);
  expect(stderr).not.toContain("SECRET");
});

test("a start that fails unexpectedly is one line on stderr, and exit 1", async () => {
  const preload = `const on = process.on;
      process.on = (event, ...rest) => {
        if (event === "SIGHUP") throw new Error("signals are\\nnot available");
        return on.call(process, event, ...rest);
      };`;

  const run = await runServer({ env: { MINIMAX_API_KEY: "k" }, preload });

  expect(run).toEqual({ code: 1, stdout: "", stderr: "The server cannot start: signals are not available.\n" });
});

test("starting has no side effects on the disk", async () => {
  await using server = await spawnServer({ api: NO_API, env: { MINIMAX_OUTPUT_DIR: "" } });

  await server.client.listTools();

  expect(await readdir(server.outputDir)).toEqual([]);
});

const RELATIVE =
  "The server cannot start:\n- MINIMAX_OUTPUT_DIR is relative, and the working directory has been deleted: give an absolute path.\n";

test.skipIf(ON_WINDOWS).each([
  [["--version"], {}, 0, ""],
  [["--help"], {}, 0, ""],
  [[], { MINIMAX_OUTPUT_DIR: tmpdir() }, 0, STARTED],
  [[], { MINIMAX_OUTPUT_DIR: "images" }, 1, RELATIVE],
])("a deleted working directory matters where it is needed (case %#)", async (args, variables, code, stderr) => {
  await using directory = await temporaryDirectory();
  const cwd = join(directory.path, "gone");
  await mkdir(cwd);
  const node = [process.execPath, resolve("dist", "index.js")];

  const run = await runServer({
    command: ["/bin/sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", ...node],
    args,
    env: { MINIMAX_API_KEY: STAND_IN_KEY, HOME: "", ...variables },
    cwd,
    input: "",
  });

  expect(run).toMatchObject({ code, stderr });
  expect(await readdir(directory.path)).toEqual([]);
});

test.skipIf(ON_WINDOWS).each(["", "not/absolute"])("a HOME of %j gives no relative base directory", async (HOME) => {
  const env = { MINIMAX_API_KEY: STAND_IN_KEY, MINIMAX_API_HOST: NO_API.url, HOME };

  const { stdout, code } = await runServer({ cwd: "/", args: ["--check"], env });

  expect(code).not.toBeNull();
  expect(stdout).toMatch(/^Base directory +\//m);
});

test("progress comes at once, rises strictly, and ends with the result", async () => {
  await using api = await startStandIn({ generationMs: 300, createImage: smallImage });
  await using server = await spawnServer({ api });
  const seen: SeenProgress[] = [];

  await server.generate({ prompt: "a cat", n: 2 }, { onProgress: (progress) => seen.push(progress) });

  const atResult = seen.length;
  await server.client.listTools();
  expect(seen).toHaveLength(atResult);
  expect(seen.map(({ message }) => message)).toContainEqual(expect.stringContaining("generating 2 images"));
  const values = seen.map(({ progress }) => progress);
  expect(values.length).toBeGreaterThanOrEqual(3);
  expect(values).toEqual([...new Set(values)].toSorted((a, b) => a - b));
  for (const { progress, total } of seen) expect(progress).toBeLessThanOrEqual(total ?? 0);
});

test.each([0, ""])("progress takes %j for a token", async (progressToken) => {
  await using api = await startStandIn({ createImage: smallImage });
  await using server = await spawnServer({ api });

  await ask(server, "tools/call", { name: TOOL_NAME, arguments: { prompt: "a cat" }, _meta: { progressToken } });

  const progress = messagesOf(server).find(({ method }) => method === "notifications/progress");
  expect(progress).toMatchObject({ params: { progressToken } });
});
