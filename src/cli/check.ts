import type { MiniMaxClient } from "../client.ts";
import type { Config } from "../config.ts";
import { UserFacingError } from "../errors.ts";
import { formatSeconds, messageOf } from "../text.ts";
import type { Timing } from "../timing/retry.ts";
import { canBeWritten } from "../utils/output-directory.ts";
import type { OutputRoot } from "../utils/output-root.ts";
import { redactProxy } from "./proxy.ts";

const TIME_LIMIT_MS = 10_000;
const NEVER = new AbortController().signal;
const SHOWN_CHARACTERS = 4;
const KEY_LENGTH_TO_SHOW = 16;

/** What `--check` found. */
export interface CheckReport {
  readonly text: string;
  readonly ok: boolean;
}

/** What `--check` looks at. */
export interface CheckOptions {
  readonly config: Config;
  readonly outputRoot: OutputRoot;
  readonly client: MiniMaxClient;
  readonly timing: Timing;
}

/**
 * Says what is configured, whether the host can be reached within 10 s, and whether the directory can be written. Costs
 * nothing, creates nothing.
 */
export async function check({ config, outputRoot, client, timing }: CheckOptions): Promise<CheckReport> {
  const timeUp = new AbortController();
  timing.clock.sleep(TIME_LIMIT_MS, NEVER).then(
    () => {
      timeUp.abort(new Error(`no answer within ${formatSeconds(TIME_LIMIT_MS)}`));
    },
    () => undefined,
  );
  const reached = await client.reachHost(timeUp.signal).then(
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
    ...(outputRoot.fallbackNotice === undefined ? [] : [`Note               ${outputRoot.fallbackNotice}`]),
  ];
  return { text: lines.join("\n"), ok: reached.ok && isWritable };
}

function masked(key: string): string {
  if (key.length < KEY_LENGTH_TO_SHOW) return "set (too short to show partially)";
  return `${key.slice(0, SHOWN_CHARACTERS)}…${key.slice(-SHOWN_CHARACTERS)}`;
}
