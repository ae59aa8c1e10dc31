import { homedir, userInfo } from "node:os";
import type { Writable } from "node:stream";
import { setImmediate as immediate, setTimeout as sleep } from "node:timers/promises";
import { bufferLines } from "./cli/buffer-lines.ts";
import { check } from "./cli/check.ts";
import { helpText, parseCommandLine, versionText } from "./cli/command-line.ts";
import { LineTransport } from "./cli/line-transport.ts";
import { onShutdown } from "./cli/shutdown.ts";
import { MiniMaxClient } from "./client.ts";
import { parseConfig } from "./config/config.ts";
import { firstKnownDirectory } from "./config/directories.ts";
import { redactProxy } from "./config/proxies.ts";
import { RATE_LIMIT_WINDOW_MS } from "./constants.ts";
import { ConfigurationError } from "./errors.ts";
import { RevisionTransport } from "./protocol/revision-transport.ts";
import { Tasks } from "./protocol/tasks.ts";
import { createServer } from "./server.ts";
import { messageOf, systemCode } from "./text/text.ts";
import { systemClock } from "./timing/clock.ts";
import { RateLimiter } from "./timing/rate-limiter.ts";
import { DEFAULT_POLICY, type Timing } from "./timing/retry.ts";
import { chooseBaseDirectory, windowsSystemDirectories } from "./utils/base-directory.ts";
import { Workspace } from "./utils/workspace.ts";

const CLEAN_UP_MS = 400;
const SETTLE_MS = 100;

/** Longest line of JSON-RPC: room for the largest references in base64 and all the rest. */
const LINE_MAX_BYTES = 72_000_000;

const THREAD_WORK = /^(?:FSReq|FileHandleCloseReq|GetAddrInfoReq)/;

const command = parseCommandLine(process.argv.slice(2));
try {
  if (command.kind === "serve") {
    await serve(await prepare());
  } else if (command.kind === "check") {
    const { text, ok } = await check(await prepare());
    print(process.stdout, text, ok ? 0 : 1);
  } else if (command.kind === "refuse") {
    print(process.stderr, command.message, 2);
  } else {
    print(process.stdout, command.kind === "help" ? helpText() : versionText(), 0);
  }
} catch (error) {
  const isOurs = error instanceof ConfigurationError;
  print(process.stderr, isOurs ? error.message : `The server cannot start: ${messageOf(error)}.`, 1);
}

/** Exits once the text is flushed; a pipe may flush after `write` returns. */
function print(stream: Writable, text: string, code: 0 | 1 | 2): void {
  stream.write(`${text}\n`, () => void exit(code));
}

/**
 * Ends the process. `process.exit` waits for threads that work on the file system or look a name up, so a hung drive or
 * DNS lookup would block the exit; nothing is left to clean up by then, so the process kills itself.
 */
async function exit(code: 0 | 1 | 2): Promise<void> {
  const isThreadAtWork = (): boolean => process.getActiveResourcesInfo().some((name) => THREAD_WORK.test(name));
  if (isThreadAtWork()) await sleep(SETTLE_MS);
  if (isThreadAtWork()) process.kill(process.pid, "SIGKILL");
  process.exit(code);
}

/**
 * Whether an exception is a failed assertion: only Node's HTTP client makes any, about one connection that the other
 * side closed. Other calls, paid ones among them, go on.
 */
function isHttpClientAssertion(error: unknown): boolean {
  return systemCode(error) === "ERR_ASSERTION";
}

/** Validates the environment and builds the parts of the server. */
async function prepare() {
  const directories = {
    workingDirectory: firstKnownDirectory([() => process.cwd()]),
    homeDirectory: firstKnownDirectory([homedir, () => userInfo().homedir]),
  };
  const config = parseConfig(process.env, directories);
  const systemDirectories = windowsSystemDirectories(process.env);
  const workspace = new Workspace({
    ...(await chooseBaseDirectory(config.outputDirectory, { ...directories, systemDirectories })),
    referenceDirectories: config.referenceDirectories,
    homeDirectory: directories.homeDirectory,
  });
  if (config.proxies !== undefined) (await import("./cli/proxy-client.ts")).installProxies(config.proxies);
  const proxy = config.proxies === undefined ? undefined : redactProxy(config.proxies);
  const timing: Timing = { clock: systemClock, random: Math.random, policy: DEFAULT_POLICY };
  const rateLimiter = new RateLimiter(timing.clock, config.requestsPerMinute, RATE_LIMIT_WINDOW_MS);
  const client = new MiniMaxClient(config.apiKey, config.apiHost, timing, rateLimiter, proxy);
  return { config, workspace, client, timing };
}

/** Serves MCP over stdin and stdout until either is gone or a signal comes; then the process ends with 0. */
async function serve({ config, ...parts }: Awaited<ReturnType<typeof prepare>>): Promise<void> {
  const log = (line: string): void => {
    process.stderr.write(`${line.replaceAll(config.apiKey, "[API key]")}\n`);
  };
  const tasks = new Tasks(parts.timing.clock);
  const { deliveryOf } = tasks;
  const { mcp, introduce, close } = createServer({ ...parts, callBudgetMs: config.callBudgetMs, log, deliveryOf });

  const shutDown = async (code: 0 | 1): Promise<void> => {
    try {
      await immediate();
      await Promise.race([close(), sleep(CLEAN_UP_MS)]);
      await exit(code);
    } catch {
      await exit(1);
    }
  };
  const triggerShutdown = onShutdown(process, () => void shutDown(0));
  process.on("uncaughtException", (error) => {
    const isSurvivable = isHttpClientAssertion(error);
    log(`${isSurvivable ? "Fault in the HTTP client" : "Fatal error"}: ${messageOf(error)}`);
    if (!isSurvivable) void shutDown(1);
  });
  mcp.server.onclose = triggerShutdown;
  mcp.server.onerror = (error) => {
    log(`Protocol error: ${messageOf(error)}`);
  };

  process.stdout.setMaxListeners(0);
  const stdin = process.stdin.pipe(
    bufferLines(LINE_MAX_BYTES, () => {
      log(`Protocol error: a message of more than ${LINE_MAX_BYTES / 1_000_000} MB was dropped`);
    }),
  );
  await mcp.connect(new RevisionTransport(new LineTransport(stdin, process.stdout), introduce, tasks));
  log("MiniMax Image MCP server running on stdio");
}
