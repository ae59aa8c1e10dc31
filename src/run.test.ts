import { EventEmitter } from "node:events";
import { readdirSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { describe, expect, test } from "vitest";
import { fallSilent, refuse } from "../stand-in/behaviours.ts";
import { linkBreaksOff } from "../stand-in/object-store.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { assertOnlyJsonRpc } from "../test/support/server.ts";
import { temporaryDirectory } from "../test/support/temporary-directory.ts";
import { waitFor } from "../test/support/wait-for.ts";
import { LINE_MAX_BYTES, TOOL_NAME } from "./constants.ts";
import { run } from "./run.ts";
import { toolOutputSchema } from "./schemas.ts";
import { systemClock } from "./timing/clock.ts";
import { DEFAULT_POLICY, type Timing } from "./timing/retry.ts";

const STARTED = "MiniMax Image MCP server running on stdio\n";
const TIMING: Timing = { clock: systemClock, random: () => 0.5, policy: DEFAULT_POLICY };
const A_CAT = { name: TOOL_NAME, arguments: { prompt: "a cat" } };
const INITIALIZE = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "pipe", version: "1" } },
};

class TestProcess extends EventEmitter {
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  written = "";
  logged = "";

  constructor() {
    super();
    this.stdout.on("data", (chunk: Buffer) => (this.written += String(chunk)));
    this.stderr.on("data", (chunk: Buffer) => (this.logged += String(chunk)));
  }
}

interface Running extends AsyncDisposable {
  readonly process: TestProcess;
  readonly directory: string;
  readonly exits: readonly number[];
  readonly filesAtExit: readonly string[];
  readonly connect: () => Promise<Client>;
}

async function start({
  environment = {},
  timing = TIMING,
  process = new TestProcess(),
  workingDirectory,
}: {
  environment?: NodeJS.ProcessEnv;
  timing?: Timing;
  process?: TestProcess;
  workingDirectory?: string;
} = {}): Promise<Running> {
  const directory = await temporaryDirectory();
  const exits: number[] = [];
  const filesAtExit: string[] = [];
  await run({
    process,
    args: [],
    environment: { MINIMAX_API_KEY: STAND_IN_KEY, MINIMAX_OUTPUT_DIR: directory.path, ...environment },
    workingDirectory: workingDirectory ?? directory.path,
    homeDirectory: directory.path,
    timing,
    exit: (code) => {
      exits.push(code);
      filesAtExit.push(...readdirSync(directory.path));
    },
  });
  return {
    process,
    directory: directory.path,
    exits,
    filesAtExit,
    connect: async () => {
      const client = new Client({ name: "test", version: "1.0.0" });
      await client.connect(new StdioServerTransport(process.stdout, process.stdin));
      return client;
    },
    async [Symbol.asyncDispose]() {
      process.stdin.end();
      await waitFor("the exit", () => exits.length > 0);
      await directory[Symbol.asyncDispose]();
    },
  };
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await nextTurn();
}

describe("a host with a usable environment", () => {
  test("is served: initialize is answered, and a call saves a picture", async () => {
    await using api = await startStandIn();
    await using running = await start({ environment: { MINIMAX_API_HOST: api.url } });

    const client = await running.connect();
    const result = await client.callTool(A_CAT);

    expect(client.getServerVersion()).toMatchObject({ name: "minimax-image-mcp" });
    expect(client.getInstructions()).toContain(running.directory);
    const { file_paths } = toolOutputSchema.parse(result.structuredContent);
    expect(file_paths).toHaveLength(1);
    expect(await readdir(running.directory)).toHaveLength(1);
    expect(api.requests[0]?.headers.authorization).toBe(`Bearer ${STAND_IN_KEY}`);
    expect(running.process.logged).toBe(STARTED);
    expect(running.exits).toEqual([]);
    assertOnlyJsonRpc(running.process.written);
  });

  test("is told that the server runs before anything is asked, and nothing on stdout", async () => {
    await using running = await start();

    await waitFor("the log", () => running.process.logged === STARTED);

    expect(running.process.written).toBe("");
  });

  test("without a directory of its own finds its files below the working directory", async () => {
    await using api = await startStandIn();
    await using running = await start({ environment: { MINIMAX_API_HOST: api.url, MINIMAX_OUTPUT_DIR: undefined } });

    const client = await running.connect();
    await client.callTool(A_CAT);

    expect(await readdir(join(running.directory, "output"))).toHaveLength(1);
  });

  test("in a Windows system directory finds its files below the home directory", async () => {
    await using place = await temporaryDirectory();
    const environment = { MINIMAX_OUTPUT_DIR: "", SystemRoot: place.path };
    await using running = await start({ environment, workingDirectory: place.path });

    const client = await running.connect();

    expect(client.getInstructions()).toContain(join(running.directory, "Pictures", "minimax-image-mcp"));
    expect(client.getInstructions()).not.toContain(place.path);
  });

  test("is paced as MINIMAX_RPM says", async () => {
    await using api = await startStandIn({ script: [fallSilent()] });
    const environment = { MINIMAX_API_HOST: api.url, MINIMAX_RPM: "1" };
    await using running = await start({ environment });
    const client = await running.connect();
    const messages: (string | undefined)[] = [];
    const calls = [client.callTool(A_CAT), callAndListen(client, messages)];
    for (const call of calls) call.catch(() => undefined);

    await waitFor("the queue", () => messages.some((message) => message?.startsWith("waiting for a turn")));
    await waitFor("the request", () => api.requests.length > 0);

    expect(api.requests).toHaveLength(1);
  });
});

describe("a host that cannot be served", () => {
  test.each<[string, NodeJS.ProcessEnv, RegExp]>([
    ["a missing key", { MINIMAX_API_KEY: undefined }, /^The server cannot start:\n- MINIMAX_API_KEY is required.*\n$/],
    ["a bad limit", { MINIMAX_RPM: "many" }, /^The server cannot start:\n- MINIMAX_RPM has to be .*\n$/],
    [
      "several bad variables",
      { MINIMAX_API_HOST: "ftp://example.com", MINIMAX_TIMEOUT_MS: "-1" },
      /^The server cannot start:\n- MINIMAX_API_HOST .*\n- MINIMAX_TIMEOUT_MS .*\n$/,
    ],
  ])("because of %s is told why on stderr, ended with 1, and stdout stays clean", async (_what, environment, words) => {
    await using running = await start({ environment });
    await waitFor("the exit", () => running.exits.length > 0);

    expect(running.exits).toEqual([1]);
    expect(running.process.logged).toMatch(words);
    expect(running.process.logged).not.toContain(STAND_IN_KEY);
    expect(running.process.written).toBe("");
  });

  test("for a reason nobody has thought of is told in one line, without a stack", async () => {
    const process = new TestProcess();
    process.on = () => {
      throw new Error("signals are\nnot available");
    };
    await using running = await start({ process });
    await waitFor("the exit", () => running.exits.length > 0);

    expect(running.exits).toEqual([1]);
    expect(process.logged).toBe("The server cannot start: signals are not available.\n");
  });
});

const ways: readonly (readonly [string, (process: TestProcess) => void])[] = [
  ["the end of stdin", ({ stdin }) => stdin.end()],
  ["a closed stdin", ({ stdin }) => stdin.destroy()],
  ["a broken stdin", ({ stdin }) => stdin.destroy(new Error("read EIO"))],
  ["a closed stdout", ({ stdout }) => stdout.destroy()],
  ["a broken stdout", ({ stdout }) => stdout.destroy(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }))],
  ["SIGINT", (process) => process.emit("SIGINT")],
  ["SIGTERM", (process) => process.emit("SIGTERM")],
  ["SIGHUP", (process) => process.emit("SIGHUP")],
];

describe("the process is ended with 0, once, by", () => {
  test.each(ways)("%s", async (_sign, give) => {
    await using running = await start();
    await running.connect();

    give(running.process);
    await waitFor("the exit", () => running.exits.length > 0);
    for (const [, giveAgain] of ways) giveAgain(running.process);
    await turns(20);

    expect(running.exits).toEqual([0]);
    expect(running.process.logged).toBe(STARTED);
  });

  test.each(ways)("%s in the middle of a call, and its request is given up", async (_sign, give) => {
    await using api = await startStandIn({ script: [fallSilent()] });
    await using running = await start({ environment: { MINIMAX_API_HOST: api.url } });
    const client = await running.connect();
    client.callTool(A_CAT).catch(() => undefined);
    await waitFor("the request", () => api.requests.length === 1);

    give(running.process);
    await waitFor("the exit", () => running.exits.length > 0);
    await waitFor("the closed connection", () => api.openExchanges() === 0);

    expect(running.exits).toEqual([0]);
    expect(running.process.logged).toBe(STARTED);
    expect(await readdir(running.directory)).toEqual([]);
  });

  test("the end of stdin in the middle of a file, and only after that file is gone", async () => {
    await using api = await startStandIn({ linkScript: [linkBreaksOff("silence")] });
    await using running = await start({ environment: { MINIMAX_API_HOST: api.url } });
    const client = await running.connect();
    const call = { name: TOOL_NAME, arguments: { prompt: "a cat", response_format: "url" } };
    client.callTool(call).catch(() => undefined);
    await waitFor("the partial file", async () => (await readdir(running.directory)).length > 0);

    running.process.stdin.end();
    await waitFor("the exit", () => running.exits.length > 0);

    expect(running.exits).toEqual([0]);
    expect(running.filesAtExit).toEqual([]);
  });

  test("the end of stdin even when a call will not end", async () => {
    await using api = await startStandIn({ script: [refuse(1000)] });
    const clock = { ...systemClock, sleep: () => new Promise<void>(() => undefined) };
    await using running = await start({
      environment: { MINIMAX_API_HOST: api.url },
      timing: { ...TIMING, clock },
    });
    const client = await running.connect();
    const messages: (string | undefined)[] = [];
    callAndListen(client, messages).catch(() => undefined);
    await waitFor("the wait", () => messages.some((message) => message?.includes("Try 2 of 4")));

    running.process.stdin.end();
    await waitFor("the exit", () => running.exits.length > 0);

    expect(running.exits).toEqual([0]);
  });

  test("a line that is longer than any message can be, which is logged", async () => {
    await using running = await start();

    running.process.stdin.write(Buffer.alloc(LINE_MAX_BYTES + 1, "a"));
    await waitFor("the exit", () => running.exits.length > 0);

    expect(running.exits).toEqual([0]);
    expect(running.process.logged).toMatch(/\nProtocol error: .*exceeded maximum size.*\n$/);
  });
});

test("what was asked before the end of stdin is answered", async () => {
  await using running = await start();
  const messages = [
    INITIALIZE,
    { jsonrpc: "2.0", method: "notifications/initialized" },
    { jsonrpc: "2.0", id: 2, method: "tools/list" },
  ];

  running.process.stdin.end(messages.map((message) => `${JSON.stringify(message)}\n`).join(""));
  await waitFor("the exit", () => running.exits.length > 0);

  expect(running.process.written).toContain('"id":1');
  expect(running.process.written).toContain(TOOL_NAME);
  assertOnlyJsonRpc(running.process.written);
});

describe("a line that is no message", () => {
  test.each([
    ["not JSON", "hello"],
    ["no JSON-RPC", '{"hello":"you"}'],
    ["a batch of nothing", "[]"],
    ["an empty line", ""],
    ["an answer nobody asked for", '{"jsonrpc":"2.0","id":77,"result":{}}'],
  ])("because it is %s is logged as one line, and the session goes on", async (_what, line) => {
    await using running = await start();
    const client = await running.connect();

    running.process.stdin.write(`${line}\n`);
    await waitFor("the log", () => running.process.logged.length > STARTED.length);

    expect(running.process.logged).toMatch(/^[^\n]+\nProtocol error: [^\n]+\n$/);
    expect((await client.listTools()).tools).toHaveLength(1);
    expect(running.exits).toEqual([]);
  });
});

function callAndListen(client: Client, messages: (string | undefined)[]): Promise<unknown> {
  return client.callTool(A_CAT, undefined, {
    onprogress: ({ message }) => {
      messages.push(message);
    },
  });
}
