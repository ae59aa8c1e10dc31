import { readdir } from "node:fs/promises";
import { expect, test } from "vitest";
import { startStandIn } from "../stand-in/server.ts";
import { runServer } from "./support/run-server.ts";
import { type SeenProgress, spawnServer } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";
import { waitFor } from "./support/wait-for.ts";

const shared = shareServer((api) => spawnServer({ api, env: { MINIMAX_RPM: "0" } }));

test.each([
  ["without a key", {}, "MINIMAX_API_KEY is required"],
  ["with a blank key", { MINIMAX_API_KEY: "  " }, "MINIMAX_API_KEY is required"],
  [
    "with a key that no header can carry",
    { MINIMAX_API_KEY: "sk-api-\u2026end" },
    "MINIMAX_API_KEY contains characters",
  ],
  [
    "with a plain http host",
    { MINIMAX_API_KEY: "k", MINIMAX_API_HOST: "http://api.minimax.io" },
    "MINIMAX_API_HOST must be",
  ],
])("starting: %s says what to do on stderr and exits with 1", async (_, env, words) => {
  await using directory = await temporaryDirectory();

  const { code, stdout, stderr } = await runServer({ env, cwd: directory.path });

  expect(code).toBe(1);
  expect(stderr).toContain(words);
  expect(stderr).not.toContain("sk-api-");
  expect(stdout).toBe("");
  expect(await readdir(directory.path)).toEqual([]);
});

test("starting names every bad variable in one message", async () => {
  const { stderr } = await runServer({ env: { MINIMAX_API_HOST: "ftp://x" } });

  expect(stderr).toContain("MINIMAX_API_KEY");
  expect(stderr).toContain("MINIMAX_API_HOST");
});

test("starting that fails for a reason nobody has thought of is one line on stderr, without a stack, and exit 1", async () => {
  const preload = `const on = process.on;
      process.on = (event, ...rest) => {
        if (event === "SIGHUP") throw new Error("signals are\\nnot available");
        return on.call(process, event, ...rest);
      };`;

  const run = await runServer({ env: { MINIMAX_API_KEY: "k" }, preload });

  expect(run).toEqual({ code: 1, stdout: "", stderr: "The server cannot start: signals are not available.\n" });
});

test("starting has no side effects on the disk", async () => {
  await using api = await startStandIn();
  await using server = await spawnServer({ api, env: { MINIMAX_OUTPUT_DIR: "" } });

  await server.client.listTools();

  expect(await readdir(server.outputDir)).toEqual([]);
});

test("progress comes at once, rises strictly, stays within the total and ends with the result", async () => {
  await using api = await startStandIn({ generationMs: 300 });
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
  const request = {
    jsonrpc: "2.0",
    id: "with-token",
    method: "tools/call",
    params: { name: "minimax_image_generate", arguments: { prompt: "a cat" }, _meta: { progressToken } },
  };

  server.transport.write(`${JSON.stringify(request)}\n`);

  await waitFor("the result", () => server.transport.stdout.slice(before).includes('"with-token"'));
  expect(server.transport.stdout.slice(before)).toContain(`"progressToken":${JSON.stringify(progressToken)}`);
});
