import { resolve } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import {
  type CallToolResult,
  CallToolResultSchema,
  type ClientCapabilities,
  JSONRPCMessageSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { MiniMaxClient } from "../../src/client.ts";
import { createServer } from "../../src/server.ts";
import { RateLimiter } from "../../src/timing/rate-limiter.ts";
import { DEFAULT_POLICY, type Timing } from "../../src/timing/retry.ts";
import { Workspace } from "../../src/utils/workspace.ts";
import { STAND_IN_KEY } from "../../stand-in/server.ts";
import { QUICK_SERVER } from "./build-quick-server.ts";
import { fastClock } from "./fast-clock.ts";
import { type Exit, StdioTransport } from "./stdio-transport.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const ENTRY = resolve("dist", "index.js");
const TOOL = "minimax_image_generate";

/** How long a server may take to end. Far longer than it should, for busy machines: only a hanging one exceeds it. */
export const EXIT_LIMIT_MS = 10_000;

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

/** The stand-in, as far as a server needs to know it. */
interface Api {
  readonly url: string;
}

/**
 * Spawns the built server and connects a client. When the test is over the process is ended, and every line it wrote to
 * stdout has to be a JSON-RPC message.
 *
 * @param command - Node by default
 * @param entry - its arguments; the built server by default
 */
export async function spawnServer({
  api,
  env = {},
  command = process.execPath,
  entry = [ENTRY],
  capabilities = {},
}: {
  api: Api;
  /** What the client announces. */
  capabilities?: ClientCapabilities;
  command?: string;
  env?: Readonly<Record<string, string>>;
  entry?: readonly string[];
}): Promise<SpawnedServer> {
  const directory = await temporaryDirectory();
  const transport = new StdioTransport(command, entry, {
    env: { MINIMAX_API_KEY: STAND_IN_KEY, MINIMAX_API_HOST: api.url, MINIMAX_OUTPUT_DIR: directory.path, ...env },
    cwd: directory.path,
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

/** Spawns the server on a clock that runs faster than the real one by `speed`; otherwise as `spawnServer`. */
export async function spawnQuickServer({
  speed = 100,
  env = {},
  api,
}: {
  api: Api;
  speed?: number;
  env?: Readonly<Record<string, string>>;
}): Promise<SpawnedServer> {
  return spawnServer({ api, env: { TEST_SPEED: String(speed), ...env }, entry: [resolve(QUICK_SERVER)] });
}

/**
 * Runs the server in this process, with time and chance in the test's hands: a minute passes in 60 ms unless told
 * otherwise, jitter is at its middle, and the budget is ample.
 */
export async function startServer({
  api,
  speed = 1000,
  random = () => 0.5,
  onSleep = () => undefined,
  callBudgetMs = 36_000_000,
  log = () => undefined,
}: {
  api: Api;
  speed?: number;
  random?: () => number;
  /** Told of every wait the server begins, in milliseconds. */
  onSleep?: (ms: number) => void;
  callBudgetMs?: number;
  log?: (line: string) => void;
}): Promise<TestServer> {
  const directory = await temporaryDirectory();
  const clock = fastClock(speed);
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
    client: new MiniMaxClient(STAND_IN_KEY, api.url, timing, new RateLimiter(clock, 0, 60_000)),
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

/** Fails unless every line is a JSON-RPC message. */
export function assertOnlyJsonRpc(stdout: string): void {
  for (const line of stdout.split("\n").filter((text) => text !== "")) JSONRPCMessageSchema.parse(JSON.parse(line));
}

function caller(client: Client): TestServer["generate"] {
  return async (args, { signal, onProgress = () => undefined, silent = false } = {}) =>
    CallToolResultSchema.parse(
      await client.callTool({ name: TOOL, arguments: { ...args } }, CallToolResultSchema, {
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
