import type { MiniMaxClient } from "../client.ts";
import type { Config } from "../config.ts";
import { UserFacingError } from "../errors.ts";
import { messageOf } from "../text.ts";
import { canBeWritten, type OutputRoot } from "../utils/output-directory.ts";
import { redactProxy } from "./proxy.ts";

const SHOWN_CHARACTERS = 4;
const KEY_LENGTH_TO_SHOW = 16;

/** What `--check` found. */
export interface CheckReport {
  readonly text: string;
  readonly ok: boolean;
}

/**
 * Says what is configured and whether the host can be reached and the directory be written. Costs nothing, creates
 * nothing.
 */
export async function check(
  config: Config,
  outputRoot: OutputRoot,
  client: MiniMaxClient,
  signal: AbortSignal,
): Promise<CheckReport> {
  const reached = await client.reachHost(signal).then(
    (status) => ({ ok: true, words: `can be reached (HTTP ${status})` }),
    (error: unknown) => ({
      ok: false,
      words: `cannot be reached: ${error instanceof UserFacingError ? error.message : messageOf(error)}`,
    }),
  );
  const isWritable = await canBeWritten(outputRoot.defaultDirectory);
  const proxy = config.proxies === undefined ? undefined : redactProxy(config.proxies);
  const lines = [
    `API key            ${masked(config.apiKey)}`,
    `API host           ${config.apiHost} ${reached.words}`,
    `Output directory   ${outputRoot.defaultDirectory} ${isWritable ? "can be written" : "cannot be written"}`,
    `Base directory     ${outputRoot.base}`,
    `Reference images   ${[outputRoot.base, ...config.referenceDirectories].join(", ")}`,
    `Proxy              ${proxy ?? "none"}`,
    `Limits             ${config.callBudgetMs} ms a call, ${config.requestsPerMinute === 0 ? "any number of" : String(config.requestsPerMinute)} requests a minute`,
    ...(outputRoot.notice === undefined ? [] : [`Note               ${outputRoot.notice}`]),
  ];
  return { text: lines.join("\n"), ok: reached.ok && isWritable };
}

function masked(key: string): string {
  if (key.length < KEY_LENGTH_TO_SHOW) return "present, too short to show a part of it";
  return `${key.slice(0, SHOWN_CHARACTERS)}…${key.slice(-SHOWN_CHARACTERS)}`;
}
