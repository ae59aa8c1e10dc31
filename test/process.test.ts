import { mkdir, readdir, rmdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { TOOL_NAME } from "../src/constants.ts";
import { fallSilent } from "../stand-in/behaviours.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { smallImage } from "./support/big-jpeg.ts";
import { type Run, runServer, type SeenProgress, spawnServer, STARTED } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";
import { waitFor } from "./support/wait-for.ts";

const ON_WINDOWS = process.platform === "win32";

const shared = shareServer();

test.each([
  ["without a key", {}, ["MINIMAX_API_KEY is required"]],
  ["with a blank key", { MINIMAX_API_KEY: "  " }, ["MINIMAX_API_KEY is required"]],
  ["with a key no header can carry", { MINIMAX_API_KEY: "SECRET\u2026end" }, ["MINIMAX_API_KEY contains characters"]],
  [
    "with a host that holds a user",
    { MINIMAX_API_KEY: "k", MINIMAX_API_HOST: "http://anna:SECRET@127.0.0.1:8" },
    ["MINIMAX_API_HOST must be global, cn, or an https:// origin"],
  ],
  ["with two bad variables", { MINIMAX_API_HOST: "ftp://x" }, ["- MINIMAX_API_KEY", "- MINIMAX_API_HOST"]],
])("a start %s exits with 1 and advice", async (_, env, words) => {
  await using directory = await temporaryDirectory();

  const { code, stdout, stderr } = await runServer({ env, cwd: directory.path });

  expect(code).toBe(1);
  for (const word of words) expect(stderr).toContain(word);
  expect(stderr).not.toContain("SECRET");
  expect(stdout).toBe("");
  expect(await readdir(directory.path)).toEqual([]);
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
  await using server = await spawnServer({ api: { url: "http://127.0.0.1:8" }, env: { MINIMAX_OUTPUT_DIR: "" } });

  await server.client.listTools();

  expect(await readdir(server.outputDir)).toEqual([]);
});

test.skipIf(ON_WINDOWS)("a deleted working directory matters only where it is needed", async () => {
  await using directory = await temporaryDirectory();
  const env = { MINIMAX_API_KEY: STAND_IN_KEY, HOME: "" };

  expect(await runWithoutDirectory(["--version"], env)).toMatchObject({ code: 0, stderr: "" });
  expect(await runWithoutDirectory(["--help"], env)).toMatchObject({ code: 0, stderr: "" });
  const absolute = { ...env, MINIMAX_OUTPUT_DIR: directory.path };
  expect(await runWithoutDirectory([], absolute)).toMatchObject({ code: 0, stderr: STARTED });
  const relative = { ...env, MINIMAX_OUTPUT_DIR: "images", MINIMAX_API_HOST: "ftp://x" };
  const refused = await runWithoutDirectory([], relative);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(
    /^The server cannot start:\n- MINIMAX_OUTPUT_DIR is relative, and the working directory has been deleted: give an absolute path\.\n- MINIMAX_API_HOST .*\n$/,
  );
});

test.skipIf(ON_WINDOWS).each(["", "not/absolute"])("a HOME of %j gives no relative base directory", async (HOME) => {
  await using api = await startStandIn({ script: [fallSilent()] });
  const env = { MINIMAX_API_KEY: STAND_IN_KEY, MINIMAX_API_HOST: api.url, HOME };

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
  expect(seen.length).toBeGreaterThanOrEqual(3);
  expect(seen.map(({ message }) => message)).toContainEqual(expect.stringContaining("generating 2 images"));
  const values = seen.map(({ progress }) => progress);
  expect(values).toEqual(values.toSorted((a, b) => a - b));
  expect(new Set(values).size).toBe(values.length);
  for (const { progress, total } of seen) expect(progress).toBeLessThanOrEqual(total ?? 0);
});

test("progress is not sent when no token was given", async () => {
  const { server } = shared.begin();
  const { length: before } = server.transport.stdout;

  await server.generate({ prompt: "a cat" }, { silent: true });

  expect(server.transport.stdout.slice(before)).toContain("Saved 1 of 1 image.");
  expect(server.transport.stdout.slice(before)).not.toContain("notifications/progress");
});

test.each([0, ""])("progress takes %j for a token", async (progressToken) => {
  const { server } = shared.begin();
  const { length: before } = server.transport.stdout;
  const params = { name: TOOL_NAME, arguments: { prompt: "a cat" }, _meta: { progressToken } };

  server.transport.write(`${JSON.stringify({ jsonrpc: "2.0", id: "with-token", method: "tools/call", params })}\n`);

  await waitFor("the result", () => server.transport.stdout.slice(before).includes('"with-token"'));
  expect(server.transport.stdout.slice(before)).toContain(`"progressToken":${JSON.stringify(progressToken)}`);
});

/** The shell deletes its own directory and then becomes the server. */
async function runWithoutDirectory(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Run> {
  await using directory = await temporaryDirectory();
  const cwd = join(directory.path, "gone");
  await mkdir(cwd);
  const node = [process.execPath, resolve("dist", "index.js")];
  try {
    return await runServer({
      command: ["/bin/sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", ...node],
      args,
      env,
      cwd,
      input: "",
    });
  } finally {
    await rmdir(cwd).catch(() => undefined);
  }
}
