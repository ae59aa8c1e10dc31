import { homedir, userInfo } from "node:os";
import process from "node:process";
import type { Writable } from "node:stream";
import { setImmediate as immediate, setTimeout as sleep } from "node:timers/promises";
import { bufferLines } from "./cli/buffer-lines.ts";
import { check } from "./cli/check.ts";
import { parseCommandLine } from "./cli/command-line.ts";
import { helpText, versionText } from "./cli/help.ts";
import { LineTransport } from "./cli/line-transport.ts";
import { clearTextNotice, redactProxy, useProxies } from "./cli/proxy.ts";
import { onShutdown } from "./cli/shutdown.ts";
import { MiniMaxClient } from "./client.ts";
import { parseConfig } from "./config.ts";
import { LINE_MAX_BYTES, RATE_LIMIT_WINDOW_MS } from "./constants.ts";
import { ConfigurationError } from "./errors.ts";
import { createServer } from "./server.ts";
import { messageOf, systemCode } from "./text.ts";
import { systemClock } from "./timing/clock.ts";
import { RateLimiter } from "./timing/rate-limiter.ts";
import { DEFAULT_POLICY, type Timing } from "./timing/retry.ts";
import { chooseOutputRoot, windowsSystemDirectories } from "./utils/output-root.ts";
import { firstKnownDirectory } from "./utils/paths.ts";

const CLEAN_UP_MS = 400;
const SETTLE_MS = 100;
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

/** Ends the process when the text is out: a pipe may take it later than the call. */
function print(stream: Writable, text: string, code: 0 | 1 | 2): void {
  stream.write(`${text}\n`, () => void exit(code));
}

/**
 * Ends the process. `process.exit` waits for the threads that work on the file system or look a name up, so a drive or
 * resolver that does not answer would keep the process: then nothing is left to be cleaned up, and it ends by force.
 */
async function exit(code: 0 | 1 | 2): Promise<void> {
  const isThreadAtWork = (): boolean => process.getActiveResourcesInfo().some((name) => THREAD_WORK.test(name));
  if (isThreadAtWork()) await sleep(SETTLE_MS);
  if (isThreadAtWork()) process.kill(process.pid, "SIGKILL");
  process.exit(code);
}

/**
 * Whether an exception is a failed assertion: only Node's HTTP client makes any, of one connection that the other side
 * closed. Other calls, paid ones among them, go on.
 */
function isHttpClientAssertion(error: unknown): boolean {
  return systemCode(error) === "ERR_ASSERTION";
}

/** Validates the environment and builds what the server works with. */
async function prepare() {
  const directories = {
    workingDirectory: firstKnownDirectory([() => process.cwd()]),
    homeDirectory: firstKnownDirectory([homedir, () => userInfo().homedir]),
  };
  const config = parseConfig(process.env, directories);
  const outputRoot = await chooseOutputRoot({
    ...directories,
    configured: config.outputDirectory,
    systemDirectories: windowsSystemDirectories(process.env),
  });
  if (config.proxies !== undefined) await useProxies(config.proxies);
  const notice = clearTextNotice(config);
  if (notice !== undefined) process.stderr.write(`${notice}\n`);
  const proxy = config.proxies === undefined ? undefined : redactProxy(config.proxies);
  const timing: Timing = { clock: systemClock, random: Math.random, policy: DEFAULT_POLICY };
  const rateLimiter = new RateLimiter(timing.clock, config.requestsPerMinute, RATE_LIMIT_WINDOW_MS);
  const client = new MiniMaxClient(config.apiKey, config.apiHost, timing, rateLimiter, proxy);
  return { ...directories, config, outputRoot, client, timing };
}

/** Serves MCP over stdin and stdout until either is gone or a signal comes; then the process ends with 0. */
async function serve({ config, ...rest }: Awaited<ReturnType<typeof prepare>>): Promise<void> {
  const log = (line: string): void => {
    process.stderr.write(`${line.replaceAll(config.apiKey, "[API key]")}\n`);
  };
  const { referenceDirectories, callBudgetMs } = config;
  const { mcp, close } = createServer({ ...rest, referenceDirectories, callBudgetMs, log });

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
  await mcp.connect(new LineTransport(stdin, process.stdout));
  log("MiniMax Image MCP server running on stdio");
}
