import type { Writable } from "node:stream";
import { setImmediate as immediate, setTimeout as sleep } from "node:timers/promises";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { bufferLines } from "./cli/buffer-lines.ts";
import { check, type CheckReport } from "./cli/check.ts";
import { parseCommandLine } from "./cli/command-line.ts";
import { helpText, versionText } from "./cli/help.ts";
import { redactProxy, useProxies } from "./cli/proxy.ts";
import { onShutdown, type ProcessLike } from "./cli/shutdown.ts";
import { MiniMaxClient } from "./client.ts";
import { type Config, type Directories, parseConfig } from "./config.ts";
import { LINE_MAX_BYTES, RATE_LIMIT_WINDOW_MS } from "./constants.ts";
import { ConfigurationError } from "./errors.ts";
import { createServer } from "./server.ts";
import { formatSeconds, messageOf } from "./text.ts";
import { RateLimiter } from "./timing/rate-limiter.ts";
import type { Timing } from "./timing/retry.ts";
import { chooseOutputRoot, type OutputRoot } from "./utils/output-directory.ts";

const WINDOWS_DIRECTORIES = ["SystemRoot", "ProgramFiles", "ProgramFiles(x86)"];
const CLEAN_UP_MS = 400;
const CHECK_LIMIT_MS = 10_000;

/** The process that the server lives in, and the time it lives by. */
export interface Host extends Directories {
  readonly process: ProcessLike;
  /** The command line after the script's name. */
  readonly args: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly timing: Timing;
  /** Ends the process. */
  readonly exit: (code: 0 | 1 | 2) => void;
}

/**
 * Does what the command line asks for. Serving means MCP over the host's stdin and stdout until either is gone or a
 * signal comes, and then the end of the process with 0. A host that cannot be served is told why on stderr and ended
 * with 1, unknown arguments with 2.
 */
export async function run(host: Host): Promise<void> {
  const { stdout, stderr } = host.process;
  const command = parseCommandLine(host.args);
  try {
    if (command.kind === "serve") {
      await serve(host);
    } else if (command.kind === "check") {
      const report = await runCheck(host);
      endWith(host, stdout, report.text, report.ok ? 0 : 1);
    } else if (command.kind === "refuse") {
      endWith(host, stderr, command.message, 2);
    } else {
      endWith(host, stdout, command.kind === "help" ? helpText() : versionText(), 0);
    }
  } catch (error) {
    const isOurs = error instanceof ConfigurationError;
    endWith(host, stderr, isOurs ? error.message : `The server cannot start: ${messageOf(error)}.`, 1);
  }
}

/** Ends the process when the text is out: a pipe may take it later than the call. */
function endWith(host: Host, stream: Writable, text: string, code: 0 | 1 | 2): void {
  stream.write(`${text}\n`, () => {
    host.exit(code);
  });
}

async function prepare(host: Host): Promise<{ config: Config; outputRoot: OutputRoot; client: MiniMaxClient }> {
  const config = parseConfig(host.environment, host);
  const outputRoot = await chooseOutputRoot({
    ...host,
    configured: config.outputDirectory,
    systemDirectories: WINDOWS_DIRECTORIES.flatMap((name) => host.environment[name] ?? []),
  });
  if (config.proxies !== undefined) await useProxies(config.proxies);
  const rateLimiter = new RateLimiter(host.timing.clock, config.requestsPerMinute, RATE_LIMIT_WINDOW_MS);
  const proxy = config.proxies === undefined ? undefined : redactProxy(config.proxies);
  return {
    config,
    outputRoot,
    client: new MiniMaxClient(config.apiKey, config.apiHost, host.timing, rateLimiter, proxy),
  };
}

async function runCheck(host: Host): Promise<CheckReport> {
  const { config, outputRoot, client } = await prepare(host);
  const timeUp = new AbortController();
  const reason = new Error(`no answer within ${formatSeconds(CHECK_LIMIT_MS)}`);
  host.timing.clock.sleep(CHECK_LIMIT_MS, new AbortController().signal).then(
    () => {
      timeUp.abort(reason);
    },
    () => undefined,
  );
  return check(config, outputRoot, client, timeUp.signal);
}

async function serve(host: Host): Promise<void> {
  const { config, outputRoot, client } = await prepare(host);
  const log = (line: string): void => {
    host.process.stderr.write(`${line.replaceAll(config.apiKey, "[API key]")}\n`);
  };
  const { mcp, settled } = createServer({ ...host, ...config, client, outputRoot, log });

  const end = async (): Promise<void> => {
    await immediate();
    await mcp.close();
    await Promise.race([settled(), sleep(CLEAN_UP_MS)]);
  };
  const endWithCode = (code: 0 | 1): void => {
    end().then(
      () => {
        host.exit(code);
      },
      () => {
        host.exit(1);
      },
    );
  };
  const endOnce = onShutdown(host.process, () => {
    endWithCode(0);
  });
  host.process.on("uncaughtException", (error) => {
    log(`The server ends because of a defect: ${messageOf(error)}`);
    endWithCode(1);
  });
  mcp.server.onerror = (error) => {
    log(`Protocol error: ${messageOf(error)}`);
  };
  mcp.server.onclose = endOnce;
  const { stdin, stdout } = host.process;
  const lines = stdin.pipe(bufferLines(LINE_MAX_BYTES));
  await mcp.connect(new StdioServerTransport(lines, stdout, { maxBufferSize: LINE_MAX_BYTES }));
  log("MiniMax Image MCP server running on stdio");
}
