import { setImmediate as immediate, setTimeout as sleep } from "node:timers/promises";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { MiniMaxClient } from "./client.ts";
import { type Directories, parseConfig } from "./config.ts";
import { LINE_MAX_BYTES, PACING_WINDOW_MS } from "./constants.ts";
import { ConfigurationError } from "./errors.ts";
import { onEnd, type ProcessLike } from "./lifecycle.ts";
import { completeLines } from "./line-reader.ts";
import { Pacer } from "./pacing.ts";
import type { Timing } from "./retry.ts";
import { createServer } from "./server.ts";
import { messageOf } from "./text.ts";
import { chooseOutputRoot } from "./utils/output-directory.ts";

const WINDOWS_DIRECTORIES = ["SystemRoot", "ProgramFiles", "ProgramFiles(x86)"];
const CLEAN_UP_MS = 400;

/** The process that the server lives in, and the time it lives by. */
export interface Host extends Directories {
  readonly process: ProcessLike;
  readonly environment: NodeJS.ProcessEnv;
  readonly timing: Timing;
  /** Ends the process. */
  readonly exit: (code: 0 | 1) => void;
}

/** Serves MCP over the host's stdin and stdout until either is gone or a signal comes, then ends the process with 0. A host that cannot be served is told why on stderr and ended with 1. */
export async function run(host: Host): Promise<void> {
  const log = (line: string): void => {
    host.process.stderr.write(`${line}\n`);
  };
  try {
    await serve(host, log);
  } catch (error) {
    log(error instanceof ConfigurationError ? error.message : `The server cannot start: ${messageOf(error)}.`);
    host.exit(1);
  }
}

async function serve(host: Host, logRaw: (line: string) => void): Promise<void> {
  const config = parseConfig(host.environment, host);
  const log = (line: string): void => {
    logRaw(line.replaceAll(config.apiKey, "[API key]"));
  };
  const outputRoot = await chooseOutputRoot({
    ...host,
    configured: config.outputDirectory,
    systemDirectories: WINDOWS_DIRECTORIES.flatMap((name) => host.environment[name] ?? []),
  });
  const pacer = new Pacer(host.timing.clock, config.requestsPerMinute, PACING_WINDOW_MS);
  const client = new MiniMaxClient(config.apiKey, config.apiHost, host.timing, pacer);
  const { mcp, settled } = createServer({ ...host, client, outputRoot, callBudgetMs: config.callBudgetMs, log });

  const end = async (): Promise<void> => {
    await immediate();
    await mcp.close();
    await Promise.race([settled(), sleep(CLEAN_UP_MS)]);
  };
  const endOnce = onEnd(host.process, () => {
    end().then(
      () => {
        host.exit(0);
      },
      () => {
        host.exit(1);
      },
    );
  });
  mcp.server.onerror = (error) => {
    log(`Protocol error: ${messageOf(error)}`);
  };
  mcp.server.onclose = endOnce;
  const { stdin, stdout } = host.process;
  const lines = stdin.pipe(completeLines(LINE_MAX_BYTES));
  await mcp.connect(new StdioServerTransport(lines, stdout, { maxBufferSize: LINE_MAX_BYTES }));
  log("MiniMax Image MCP server running on stdio");
}
