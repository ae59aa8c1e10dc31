import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { TOOL_NAME } from "../src/constants.ts";
import { fallSilent } from "../stand-in/behaviours.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { smallImage } from "./support/big-jpeg.ts";
import { PATIENCE } from "./support/patience.ts";
import { begin } from "./support/pending-call.ts";
import { PHASES } from "./support/phases.ts";
import { EXIT_LIMIT_MS, outputOf, runServer, type SpawnedServer, spawnServer, STARTED } from "./support/server.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";
import { waitFor } from "./support/wait-for.ts";

const BILLED = "The server ended before 1 paid request could be finished: images may have been generated and billed.\n";
const UNFINISHED = STARTED + BILLED;

type Way = readonly [name: string, end: (server: SpawnedServer) => void];

const everywhere: readonly Way[] = [
  ["the end of stdin", ({ transport }) => transport.process.stdin.end()],
  ["a closed stdout", ({ transport }) => transport.process.stdout.destroy()],
];
const bySignals: readonly Way[] = [
  ["SIGTERM", ({ transport }) => transport.process.kill("SIGTERM")],
  ["SIGHUP", ({ transport }) => transport.process.kill("SIGHUP")],
  [
    "SIGINT, SIGTERM and the end of stdin at once",
    ({ transport }) => {
      transport.process.kill("SIGINT");
      transport.process.kill("SIGTERM");
      transport.process.stdin.end();
    },
  ],
];
const ways = process.platform === "win32" ? everywhere : [...everywhere, ...bySignals];

test.each(ways)("a call ends by %s, and the log says that it is paid", async (_, end) => {
  await using api = await startStandIn({ script: [fallSilent()] });
  await using server = await spawnServer({ api, speed: 20 });
  begin(server);
  await waitFor("the request", () => api.requests.length === 1);

  end(server);

  await expectOrderlyEnd(server, UNFINISHED);
  await waitFor("the closed connection", () => api.openExchanges() === 0, EXIT_LIMIT_MS);
});

test.each(PHASES)("a call that ends while $name leaves no partial file", async (phase) => {
  await using api = await startStandIn({ createImage: smallImage, ...phase.api });
  await using server = await spawnServer({ api, preload: PATIENCE });
  const call = begin(server, phase.args);
  await call.reaches(phase.message);
  await waitFor("the request", () => api.requests.length === 1);

  server.transport.process.stdin.end();

  const isUnpaid = phase.name === "waiting to try again";
  await expectOrderlyEnd(server, isUnpaid ? STARTED : UNFINISHED, { mayHaveSaved: phase.name === "saving" });
});

test.each([{}, { filename: "hero" }])("nine images on a slow disk are saved at the end: %o", async (args) => {
  const linkAtEnd = `async (...args) => {
    while (!process.stdin.readableEnded) await new Promise((resolve) => setTimeout(resolve, 5));
    return link(...args);
  }`;
  await using api = await startStandIn({ createImage: smallImage });
  await using server = await spawnServer({ api, preload: PATIENCE + replacingLink(linkAtEnd) });
  await begin(server, { n: 9, ...args }).reaches(/^saving/);
  expect((await readdir(server.outputDir)).filter((name) => name.endsWith(".jpeg"))).toEqual([]);

  server.transport.process.stdin.end();

  expect(await server.exited).toEqual({ code: 0, signal: null });
  const names = await readdir(server.outputDir);
  expect([names.length, names.filter((name) => name.endsWith(".jpeg")).length]).toEqual([9, 9]);
  expect(server.transport.stderr).toBe(STARTED);
});

test("a call that ends in the queue is not sent", async () => {
  await using api = await startStandIn({ script: [fallSilent()] });
  await using server = await spawnServer({ api, env: { MINIMAX_RPM: "1" } });
  begin(server);
  await waitFor("the request", () => api.requests.length === 1);
  await begin(server).reaches(/^waiting for a slot/);

  server.transport.process.stdin.end();

  await expectOrderlyEnd(server, UNFINISHED);
  expect(api.requests).toHaveLength(1);
});

test.each(["giveUp", "cancel"] as const)("a call after %s does not keep the process", async (stop) => {
  await using api = await startStandIn({ script: [fallSilent()] });
  await using server = await spawnServer({ api });
  const call = begin(server);
  await waitFor("the request", () => api.requests.length === 1);
  call[stop]();
  await expect(call.result).rejects.toThrow();
  await server.client.ping();

  server.transport.process.stdin.end();

  await expectOrderlyEnd(server, stop === "giveUp" ? UNFINISHED : STARTED);
  await waitFor("the closed connection", () => api.openExchanges() === 0);
  expect(api.requests).toHaveLength(1);
});

test("what was asked before the end of stdin is answered", async () => {
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
  expect(stdout).toContain(TOOL_NAME);
});

test("a defect ends the server with one line, and cleans up", async () => {
  await using directory = await temporaryDirectory();
  const sign = join(directory.path, "now");
  const preload = `import { existsSync } from "node:fs";
    const look = setInterval(() => {
      if (!existsSync(${JSON.stringify(sign)})) return;
      clearInterval(look);
      throw new Error("something\\nis wrong");
    }, 5);`;
  await using api = await startStandIn({ script: [fallSilent()] });
  await using server = await spawnServer({ api, preload });
  const call = begin(server);
  await waitFor("the request", () => api.requests.length > 0);

  await writeFile(sign, "");

  await expect(call.result).rejects.toThrow();
  expect(await server.exited).toEqual({ code: 1, signal: null });
  expect(server.transport.stderr).toBe(`${STARTED}Fatal error: something is wrong\n${BILLED}`);
  expect(await readdir(server.outputDir)).toEqual([]);
});

test("a failed assertion of Node's HTTP client costs a line and no image", async () => {
  const preload = `import assert from "node:assert";
    ${replacingLink('(...args) => (setImmediate(() => assert(false, "no reader")), link(...args))')}`;
  await using api = await startStandIn({ createImage: smallImage });
  await using server = await spawnServer({ api, preload });

  expect(outputOf(await server.generate({ prompt: "a cat" })).saved_count).toBe(1);

  await waitFor("the line", () => server.transport.stderr !== STARTED);
  expect(server.transport.stderr).toBe(`${STARTED}Fault in the HTTP client: no reader\n`);
  expect(outputOf(await server.generate({ prompt: "a dog" })).saved_count).toBe(1);
});

test("a call that will not end does not keep the process", async () => {
  const preload = replacingLink('() => { process.stderr.write("stuck\\n"); return new Promise(() => {}); }');
  await using api = await startStandIn({ createImage: smallImage });
  await using server = await spawnServer({ api, preload });
  begin(server);
  await waitFor("the stuck call", () => server.transport.stderr.endsWith("stuck\n"));

  server.transport.process.stdin.end();

  expect(await server.exited).toEqual({ code: 0, signal: null });
  expect(server.transport.stderr).toBe(`${STARTED}stuck\n${BILLED}`);
});

/** A module that has the server name files by this function, which may call `link`. */
function replacingLink(replacement: string): string {
  return `import fs from "node:fs/promises";
    import * as modules from "node:module";
    const link = fs.link;
    fs.link = ${replacement};
    modules.syncBuiltinESMExports();`;
}

async function expectOrderlyEnd(server: SpawnedServer, stderr: string, { mayHaveSaved = false } = {}): Promise<void> {
  await waitFor("the exit", () => server.transport.process.exitCode !== null, EXIT_LIMIT_MS);
  expect(await server.exited).toEqual({ code: 0, signal: null });
  if (mayHaveSaved) expect([STARTED, stderr]).toContain(server.transport.stderr);
  else expect(server.transport.stderr).toBe(stderr);
  const names = await readdir(server.outputDir);
  expect(mayHaveSaved ? names.filter((name) => !name.endsWith(".jpeg")) : names).toEqual([]);
}
