import { readdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { fallSilent } from "../stand-in/behaviours.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { callUntil, PHASES } from "./support/phases.ts";
import { preloading, runServer } from "./support/run-server.ts";
import { EXIT_LIMIT_MS, type SpawnedServer, spawnQuickServer, spawnServer } from "./support/server.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";
import { waitFor } from "./support/wait-for.ts";

const STARTED = "MiniMax Image MCP server running on stdio\n";
const isWindows = process.platform === "win32";

type Way = readonly [string, (server: SpawnedServer) => void];

const signal = (name: NodeJS.Signals): Way => [name, ({ transport }) => transport.process.kill(name)];

const endOfStdin: Way = ["the end of stdin", ({ transport }) => transport.process.stdin.end()];

const ways: readonly Way[] = [
  endOfStdin,
  ["a closed stdout", ({ transport }) => transport.process.stdout.destroy()],
  ...(isWindows
    ? []
    : [
        signal("SIGINT"),
        signal("SIGTERM"),
        signal("SIGHUP"),
        [
          "SIGINT and SIGTERM 100 ms later",
          ({ transport }) => {
            transport.process.kill("SIGINT");
            setTimeout(() => transport.process.kill("SIGTERM"), 100);
          },
        ] satisfies Way,
        [
          "SIGTERM and the end of stdin at once",
          ({ transport }) => {
            transport.process.kill("SIGTERM");
            transport.process.stdin.end();
          },
        ] satisfies Way,
      ]),
];

test.each(ways)("a server in the middle of a call ends by %s: exit 0, silently, and no file", async (_, end) => {
  await using api = await startStandIn({ script: [fallSilent()] });
  await using server = await spawnServer({ api });
  await callUntil({ args: {}, message: /^generating/ }, { server, api });

  end(server);

  await expectOrderlyEnd(server);
  await waitFor("the closed connection", () => api.openExchanges() === 0, EXIT_LIMIT_MS);
});

test.each(PHASES)("a server in the middle of a call ends while $name without a partial file", async (phase) => {
  await using api = await startStandIn(phase.api);
  await using server = await spawnQuickServer({ api, speed: phase.speed });
  await callUntil(phase, { server, api });

  server.transport.process.stdin.end();

  await expectOrderlyEnd(server, { mayHaveSaved: phase.name === "saving" });
});

test("a server in the middle of a call ends while it waits in the queue", async () => {
  await using api = await startStandIn({ script: [fallSilent()] });
  await using server = await spawnServer({ api, env: { MINIMAX_RPM: "1" } });
  await callUntil({ args: {}, message: /^generating/ }, { server, api });
  await callUntil({ args: {}, message: /^waiting for a slot/ }, { server, api });

  server.transport.process.stdin.end();

  await expectOrderlyEnd(server);
  expect(api.requests).toHaveLength(1);
});

test.each(ways.filter(([name]) => name !== "a closed stdout"))("a server without a call ends by %s", async (_, end) => {
  await using api = await startStandIn();
  await using server = await spawnServer({ api });

  end(server);

  await expectOrderlyEnd(server);
});

test("a server without a call answers what was asked before the end of stdin", async () => {
  const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "pipe", version: "1" } };
  const messages = [
    { jsonrpc: "2.0", id: 1, method: "initialize", params },
    { jsonrpc: "2.0", method: "notifications/initialized" },
    { jsonrpc: "2.0", id: 2, method: "tools/list" },
  ];

  const { code, stdout } = await runServer({
    env: { MINIMAX_API_KEY: STAND_IN_KEY },
    input: messages.map((message) => `${JSON.stringify(message)}\n`).join(""),
  });

  expect(code).toBe(0);
  expect(stdout).toContain("minimax_image_generate");
});

test("a defect ends the server with one line, without a stack, and cleans up", async () => {
  await using signs = await temporaryDirectory();
  const sign = join(signs.path, "now");
  const defect = `import { existsSync } from "node:fs";
    const look = setInterval(() => {
      if (!existsSync(${JSON.stringify(sign)})) return;
      clearInterval(look);
      throw new Error("something\\nis wrong");
    }, 5);`;
  await using api = await startStandIn({ script: [fallSilent()] });
  await using server = await spawnServer({
    api,
    entry: [...preloading(defect), resolve("dist", "index.js")],
  });
  const call = server.generate({ prompt: "a cat" }).catch(() => "cut off");
  await waitFor("the request", () => api.requests.length > 0);

  await writeFile(sign, "");

  expect(await call).toBe("cut off");
  expect(await server.exited).toEqual({ code: 1, signal: null });
  expect(server.transport.stderr).toBe(`${STARTED}Fatal error: something is wrong\n`);
  expect(await readdir(server.outputDir)).toEqual([]);
});

test("a failed assertion of Node's HTTP client costs a line, and a paid call goes on", async () => {
  const failedAssertion = `import fs from "node:fs/promises";
    import { syncBuiltinESMExports } from "node:module";
    import assert from "node:assert";
    const link = fs.link;
    fs.link = (from, to) => {
      setImmediate(() => assert(false, "no reader"));
      return link(from, to);
    };
    syncBuiltinESMExports();`;
  await using api = await startStandIn();
  await using server = await spawnServer({ api, entry: [...preloading(failedAssertion), resolve("dist", "index.js")] });

  const result = await server.generate({ prompt: "a cat" });

  expect(result.structuredContent).toMatchObject({ saved_count: 1 });
  await waitFor("the line", () => server.transport.stderr !== STARTED);
  expect(server.transport.stderr).toBe(`${STARTED}Fault in the HTTP client: no reader\n`);
  expect((await server.generate({ prompt: "a dog" })).structuredContent).toMatchObject({ saved_count: 1 });
});

test("the end of stdin ends the server even when a call will not end", async () => {
  const noName = `import fs from "node:fs/promises";
    import { syncBuiltinESMExports } from "node:module";
    fs.link = () => { process.stderr.write("stuck\\n"); return new Promise(() => {}); };
    syncBuiltinESMExports();`;
  await using api = await startStandIn();
  await using server = await spawnServer({ api, entry: [...preloading(noName), resolve("dist", "index.js")] });
  server.generate({ prompt: "a cat" }).catch(() => undefined);
  await waitFor("the stuck call", () => server.transport.stderr.endsWith("stuck\n"));

  server.transport.process.stdin.end();

  expect(await server.exited).toEqual({ code: 0, signal: null });
});

async function expectOrderlyEnd(server: SpawnedServer, { mayHaveSaved = false } = {}): Promise<void> {
  const exit = await Promise.race([
    server.exited,
    waitFor("the exit", () => server.transport.process.exitCode !== null, EXIT_LIMIT_MS).then(() => server.exited),
  ]);
  expect(exit).toEqual({ code: 0, signal: null });
  expect(server.transport.stderr).toBe(STARTED);
  const names = await readdir(server.outputDir);
  if (mayHaveSaved) expect(names.filter((name) => !name.endsWith(".jpeg"))).toEqual([]);
  else expect(names).toEqual([]);
}
