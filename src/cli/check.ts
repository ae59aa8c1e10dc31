import type { MiniMaxClient } from "../client.ts";
import type { Config } from "../config.ts";
import { ServerError } from "../errors.ts";
import { shownProxy } from "./proxy.ts";
import { messageOf } from "../text.ts";
import { canBeWritten, type OutputRoot } from "../utils/output-directory.ts";

const SHOWN_CHARACTERS = 4;
const KEY_LENGTH_TO_SHOW = 16;

/** What `--check` found. */
export interface CheckReport {
  readonly text: string;
  readonly isGood: boolean;
}

/** Says what is configured and whether the host can be reached and the directory be written. Costs nothing, creates nothing. */
export async function check(
  config: Config,
  outputRoot: OutputRoot,
  client: MiniMaxClient,
  signal: AbortSignal,
): Promise<CheckReport> {
  const reached = await client.reachHost(signal).then(
    (status) => ({ isGood: true, words: `can be reached (HTTP ${String(status)})` }),
    (error: unknown) => ({
      isGood: false,
      words: `cannot be reached: ${error instanceof ServerError ? error.message : messageOf(error)}`,
    }),
  );
  const isWritable = await canBeWritten(outputRoot.defaultDirectory);
  const proxy = config.proxies === undefined ? undefined : shownProxy(config.proxies);
  const lines = [
    `API key            ${masked(config.apiKey)}`,
    `API host           ${config.apiHost} ${reached.words}`,
    `Output directory   ${outputRoot.defaultDirectory} ${isWritable ? "can be written" : "cannot be written"}`,
    `Base directory     ${outputRoot.base}`,
    `Reference images   ${[outputRoot.base, ...config.referenceDirectories].join(", ")}`,
    `Proxy              ${proxy ?? "none"}`,
    `Limits             ${String(config.callBudgetMs)} ms a call, ${config.requestsPerMinute === 0 ? "any number of" : String(config.requestsPerMinute)} requests a minute`,
    ...(outputRoot.notice === undefined ? [] : [`Note               ${outputRoot.notice}`]),
  ];
  return { text: lines.join("\n"), isGood: reached.isGood && isWritable };
}

function masked(key: string): string {
  if (key.length < KEY_LENGTH_TO_SHOW) return "present, too short to show a part of it";
  return `${key.slice(0, SHOWN_CHARACTERS)}…${key.slice(-SHOWN_CHARACTERS)}`;
}
