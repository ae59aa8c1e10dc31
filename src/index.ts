#!/usr/bin/env node
import { homedir } from "node:os";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { MiniMaxClient } from "./client.ts";
import { systemClock } from "./clock.ts";
import { parseConfig } from "./config.ts";
import { DEFAULT_CALL_BUDGET_MS, REFERENCE_MAX_BYTES, REFERENCES_MAX } from "./constants.ts";
import { ConfigurationError } from "./errors.ts";
import { onEnd } from "./lifecycle.ts";
import { DEFAULT_POLICY, type Timing } from "./retry.ts";
import { createServer } from "./server.ts";
import { messageOf } from "./text.ts";
import { chooseOutputRoot } from "./utils/output-directory.ts";

const CLEAN_UP_MS = 400;
const LINE_MAX_BYTES = 2 * REFERENCES_MAX * REFERENCE_MAX_BYTES;

function log(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function main(): Promise<void> {
  const directories = { workingDirectory: process.cwd(), homeDirectory: homedir() };
  const config = parseConfig(process.env, directories);
  const outputRoot = await chooseOutputRoot({
    ...directories,
    configured: config.outputDirectory,
    systemDirectory: process.env["SystemRoot"],
  });
  const timing: Timing = { clock: systemClock, random: Math.random, policy: DEFAULT_POLICY };
  const client = new MiniMaxClient(config.apiKey, config.apiHost, timing);
  const { mcp, settled } = createServer({
    client,
    timing,
    outputRoot,
    homeDirectory: directories.homeDirectory,
    callBudgetMs: DEFAULT_CALL_BUDGET_MS,
    log,
  });

  const end = async (): Promise<void> => {
    await mcp.close();
    await Promise.race([settled(), sleep(CLEAN_UP_MS)]);
  };
  onEnd(process, () => {
    end().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
  mcp.server.onerror = (error) => {
    log(`Protocol error: ${messageOf(error)}`);
  };
  await mcp.connect(new StdioServerTransport(process.stdin, process.stdout, { maxBufferSize: LINE_MAX_BYTES }));
  log("MiniMax Image MCP server running on stdio");
}

main().catch((error: unknown) => {
  log(error instanceof ConfigurationError ? error.message : `The server cannot start: ${messageOf(error)}.`);
  process.exit(1);
});
