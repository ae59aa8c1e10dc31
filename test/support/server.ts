import { resolve } from "node:path";
import process from "node:process";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import {
  type CallToolResult,
  CallToolResultSchema,
  type ClientCapabilities,
  JSONRPCMessageSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { MiniMaxClient } from "../../src/client.ts";
import { TOOL_NAME } from "../../src/constants.ts";
import { type ToolOutput, toolOutputSchema } from "../../src/schemas.ts";
import { createServer } from "../../src/server.ts";
import type { Clock } from "../../src/timing/clock.ts";
import { RateLimiter } from "../../src/timing/rate-limiter.ts";
import { DEFAULT_POLICY, type Timing } from "../../src/timing/retry.ts";
import { Workspace } from "../../src/utils/workspace.ts";
import { STAND_IN_KEY } from "../../stand-in/server.ts";
import { fastClock } from "./fast-clock.ts";
import { type Exit, StdioTransport } from "./stdio-transport.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

/** How long a server may take to end. Far longer than it should, for busy machines: only a hanging one exceeds it. */
export const EXIT_LIMIT_MS = 10_000;

/** What a server says on stderr when it has started. */
export const STARTED = "MiniMax Image MCP server running on stdio\n";

/** One progress notification as the client saw it. */
export interface SeenProgress {
  readonly progress: number;
  readonly total: number | undefined;
  readonly message: string | undefined;
}

interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: SeenProgress) => void;
  /** Whether the client asks for no progress. */
  readonly silent?: boolean;
}

/** A server with an MCP client connected to it, and a directory of its own to save in. */
export interface TestServer extends AsyncDisposable {
  readonly client: Client;
  /** The base directory. */
  readonly outputDir: string;
  readonly generate: (args: Readonly<Record<string, unknown>>, options?: CallOptions) => Promise<CallToolResult>;
}

/** A server that runs as a process, over real stdio. */
export interface SpawnedServer extends TestServer {
  readonly transport: StdioTransport;
  readonly exited: Promise<Exit>;
}

/** Which program is started, and how. */
interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** An empty directory by default. */
  readonly cwd?: string;
  /** A module that Node runs first. */
  readonly preload?: string;
  /** How much faster than the real one the server's clock runs; without it the built server is started. */
  readonly speed?: number;
  /** The whole command, in the place of Node and the server. */
  readonly command?: readonly [string, ...string[]];
}

/** How a spawned server is started and talked to. */
export interface SpawnOptions extends ProgramOptions {
  /** What the client announces. */
  readonly capabilities?: ClientCapabilities;
}

/** The stand-in, as far as a server needs to know it. */
interface Api {
  readonly url: string;
}

/**
 * Spawns the built server, or the one on the quick clock when a speed is given, and connects a client. When the test is
 * over the process is ended, and every line it wrote to stdout has to be a JSON-RPC message.
 */
export async function spawnServer({
  api,
  env,
  capabilities = {},
  ...program
}: SpawnOptions & { readonly api: Api }): Promise<SpawnedServer> {
  const directory = await temporaryDirectory();
  const transport = start(directory.path, [], {
    ...program,
    env: { MINIMAX_API_KEY: STAND_IN_KEY, MINIMAX_API_HOST: api.url, MINIMAX_OUTPUT_DIR: directory.path, ...env },
  });
  const client = new Client({ name: "test", version: "1.0.0" }, { capabilities });
  await client.connect(transport);
  return {
    client,
    outputDir: directory.path,
    transport,
    exited: transport.exited,
    generate: caller(client),
    async [Symbol.asyncDispose]() {
      const lastResort = setTimeout(() => transport.process.kill("SIGKILL"), EXIT_LIMIT_MS);
      await client.close();
      await transport.exited;
      clearTimeout(lastResort);
      await directory[Symbol.asyncDispose]();
      assertOnlyJsonRpc(transport.stdout);
    },
  };
}

/** A run of the server's program, from its start to its end. */
export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs the program to its end, without a client. Without arguments it serves, and then every line on stdout has to be a
 * JSON-RPC message.
 *
 * @param options - `input` is all of its stdin, which stays open without it
 */
export async function runServer({
  args = [],
  input,
  ...program
}: ProgramOptions & { readonly args?: readonly string[]; readonly input?: string } = {}): Promise<Run> {
  await using directory = await temporaryDirectory();
  const transport = start(directory.path, args, program);
  if (input !== undefined) transport.process.stdin.end(input);
  const { code } = await transport.exited;
  if (args.length === 0) assertOnlyJsonRpc(transport.stdout);
  return { code, stdout: transport.stdout, stderr: transport.stderr };
}

/**
 * Runs the server in this process, with time and chance in the test's hands: a minute passes in 60 ms unless told
 * otherwise, jitter is at its middle, and the budget is ample.
 */
export async function startServer({
  api,
  speed = 1000,
  clock = fastClock(speed),
  random = () => 0.5,
  onSleep = () => undefined,
  callBudgetMs = 36_000_000,
  requestsPerMinute = 0,
  log = () => undefined,
}: {
  api: Api;
  speed?: number;
  /** In the place of one that runs at `speed`. */
  clock?: Clock;
  random?: () => number;
  /** Told of every wait the server begins, in milliseconds. */
  onSleep?: (ms: number) => void;
  callBudgetMs?: number;
  requestsPerMinute?: number;
  log?: (line: string) => void;
}): Promise<TestServer> {
  const directory = await temporaryDirectory();
  const timing: Timing = {
    clock: {
      ...clock,
      sleep: (ms, signal) => {
        onSleep(ms);
        return clock.sleep(ms, signal);
      },
    },
    random,
    policy: DEFAULT_POLICY,
  };
  const { mcp, close } = createServer({
    client: new MiniMaxClient(STAND_IN_KEY, api.url, timing, new RateLimiter(clock, requestsPerMinute, 61_000)),
    timing,
    workspace: new Workspace({
      base: directory.path,
      defaultDirectory: directory.path,
      homeDirectory: directory.path,
      referenceDirectories: [],
    }),
    callBudgetMs,
    log,
  });
  const client = new Client({ name: "test", version: "1.0.0" });
  const [clientSide, serverSide] = InMemoryTransport.createLinkedPair();
  await Promise.all([mcp.connect(serverSide), client.connect(clientSide)]);
  return {
    client,
    outputDir: directory.path,
    generate: caller(client),
    async [Symbol.asyncDispose]() {
      await client.close();
      await close();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** The text of a result. */
export function textOf(result: CallToolResult): string {
  return result.content.map((part) => (part.type === "text" ? part.text : "")).join("\n");
}

/** The structure of a result. Fails with the result's text when it has none. */
export function outputOf(result: CallToolResult): ToolOutput {
  const { data, error } = toolOutputSchema.safeParse(result.structuredContent);
  if (data === undefined) throw new Error(`The result has no structure (${error.message}):\n${textOf(result)}`);
  return data;
}

function start(directory: string, args: readonly string[], options: ProgramOptions): StdioTransport {
  const { env = {}, cwd = directory, preload, speed, command } = options;
  const entry = speed === undefined ? resolve("dist", "index.js") : (process.env["QUICK_SERVER"] ?? "");
  const node = preload === undefined ? [] : ["--import", `data:text/javascript,${encodeURIComponent(preload)}`];
  const [program, ...rest] = command ?? [process.execPath, ...node, entry];
  return new StdioTransport(program, [...rest, ...args], {
    env: speed === undefined ? env : { TEST_SPEED: String(speed), ...env },
    cwd,
  });
}

/** Fails unless every line is a JSON-RPC message; of ids the SDK's schema takes fewer than JSON-RPC does. */
function assertOnlyJsonRpc(stdout: string): void {
  for (const line of stdout.split("\n").filter((text) => text !== "")) {
    JSONRPCMessageSchema.parse(JSON.parse(line.replace(/,"id":(?:null|-?\d[\d.e+-]*)\}$/i, ',"id":1}')));
  }
}

function caller(client: Client): TestServer["generate"] {
  return async (args, { signal, onProgress = () => undefined, silent = false } = {}) =>
    CallToolResultSchema.parse(
      await client.callTool({ name: TOOL_NAME, arguments: { ...args } }, CallToolResultSchema, {
        ...(signal === undefined ? {} : { signal }),
        ...(silent
          ? {}
          : {
              resetTimeoutOnProgress: true,
              onprogress: ({ progress, total, message }) => {
                onProgress({ progress, total, message });
              },
            }),
      }),
    );
}
