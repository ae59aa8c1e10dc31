import type { MiniMaxClient } from "../client.ts";
import type { Config } from "../config/config.ts";
import { redactProxy } from "../config/proxies.ts";
import { API_HOSTS, MAINLAND_HOSTS } from "../constants.ts";
import { UnknownOutcomeError, UserFacingError } from "../errors.ts";
import { formatSeconds, messageOf } from "../text/text.ts";
import { unlessAborted } from "../timing/abort.ts";
import type { Clock } from "../timing/clock.ts";
import type { Timing } from "../timing/retry.ts";
import type { Workspace } from "../utils/workspace.ts";

const TIME_LIMIT_MS = 10_000;
const SHOWN_CHARACTERS = 4;
const KEY_LENGTH_TO_SHOW = 16;

const KEY_PROBLEMS = {
  accepted: undefined,
  refused: "the key is refused",
  unknown: "the key could not be checked",
} as const;

/** What `--check` found. */
interface CheckReport {
  readonly text: string;
  readonly ok: boolean;
}

/** What `--check` looks at. */
interface CheckOptions {
  readonly config: Config;
  readonly workspace: Workspace;
  readonly client: MiniMaxClient;
  readonly timing: Timing;
  /** MiniMax's hosts by region. */
  readonly regions?: Readonly<Record<string, string>>;
}

/**
 * Says what is configured, whether the host can be reached and accepts the key, and whether the directory can be
 * written, all within 10 s; the last line is the verdict. A key that the host of one region refuses is shown to the
 * other region's host, too. Costs nothing, creates nothing.
 */
export async function check({ regions = API_HOSTS, ...options }: CheckOptions): Promise<CheckReport> {
  const { config, workspace, client } = options;
  const { base, defaultDirectory, referenceDirectories, fallbackNotice } = workspace.places;
  const timeUp = timeLimit(options.timing.clock);
  const [host, directory] = await Promise.all([
    askHost(client, timeUp, config.apiHost),
    checkDirectory(workspace, timeUp),
  ]);
  const hint = host.isRefused ? await otherRegion(client, timeUp, config.apiHost, regions) : undefined;
  const proxy = config.proxies === undefined ? undefined : redactProxy(config.proxies);
  const lines = [
    `API key            ${masked(config.apiKey)} ${host.key}`,
    `API host           ${config.apiHost} ${host.reach}`,
    ...(hint === undefined ? [] : [`Region             ${hint}`]),
    `Output directory   ${defaultDirectory} ${directory.words}`,
    `Base directory     ${base}`,
    `Reference images   ${[base, ...referenceDirectories].join(", ")}`,
    `Proxy              ${proxy ?? "none"}`,
    `Limits             ${config.callBudgetMs} ms a call, ${config.requestsPerMinute === 0 ? "unlimited" : String(config.requestsPerMinute)} requests a minute`,
    ...(fallbackNotice === undefined ? [] : [`Note               ${fallbackNotice}`]),
  ];
  const problems = [host.problem, directory.problem].flatMap((problem) => problem ?? []);
  const ok = problems.length === 0;
  return { text: [...lines, "", ok ? "Ready." : `Not ready: ${problems.join("; ")}.`].join("\n"), ok };
}

/** What one host says, in words for the report. */
interface HostReport {
  /** Undefined when the key is accepted. */
  readonly problem: string | undefined;
  readonly isRefused: boolean;
  readonly key: string;
  readonly reach: string;
}

async function askHost(client: MiniMaxClient, signal: AbortSignal, host: string): Promise<HostReport> {
  try {
    const { status, verdict, reason } = await client.checkKey(signal, host);
    const key = verdict === "unknown" ? `could not be judged: ${reason}` : `${verdict} by the host`;
    return {
      problem: KEY_PROBLEMS[verdict],
      isRefused: verdict === "refused",
      key: verdict === "refused" ? `${key}: ${reason}` : key,
      reach: `can be reached (HTTP ${status})`,
    };
  } catch (error) {
    const isReached = error instanceof UnknownOutcomeError;
    const reach = isReached
      ? `can be reached, but ${error.whatHappened}`
      : `cannot be reached: ${error instanceof UserFacingError ? error.message : messageOf(error)}`;
    const problem = isReached ? KEY_PROBLEMS.unknown : "the host cannot be reached";
    return { problem, isRefused: false, key: "was not judged", reach };
  }
}

/** Whether the directory can be written, in words for the report; a drive that does not answer in time cannot. */
async function checkDirectory(
  workspace: Workspace,
  signal: AbortSignal,
): Promise<{ readonly problem: string | undefined; readonly words: string }> {
  const problem = "the output directory cannot be written";
  try {
    const isWritable = await unlessAborted(workspace.canSave(), signal);
    return isWritable ? { problem: undefined, words: "can be written" } : { problem, words: "cannot be written" };
  } catch (error) {
    return { problem, words: `cannot be written: ${messageOf(error)}` };
  }
}

/** Whether another of MiniMax's regions accepts the key; a host of somebody else's is never followed by another. */
async function otherRegion(
  client: MiniMaxClient,
  signal: AbortSignal,
  asked: string,
  regions: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  const isMainland = MAINLAND_HOSTS.has(new URL(asked).host);
  if (!isMainland && !Object.values(regions).includes(asked)) return undefined;
  for (const [name, host] of Object.entries(regions)) {
    if (host === asked || (isMainland && MAINLAND_HOSTS.has(new URL(host).host))) continue;
    const { problem, isRefused } = await askHost(client, signal, host);
    if (problem === undefined) return `the key is accepted by ${host}: set MINIMAX_API_HOST to ${name}`;
    if (isRefused) return `the key is refused by ${host}, too: check MINIMAX_API_KEY`;
  }
  return undefined;
}

function timeLimit(clock: Clock): AbortSignal {
  const timeUp = new AbortController();
  clock.sleep(TIME_LIMIT_MS, new AbortController().signal).then(
    () => {
      timeUp.abort(new Error(`no answer within ${formatSeconds(TIME_LIMIT_MS)}`));
    },
    () => undefined,
  );
  return timeUp.signal;
}

function masked(key: string): string {
  if (key.length < KEY_LENGTH_TO_SHOW) return "set (too short to show partially)";
  return `${key.slice(0, SHOWN_CHARACTERS)}…${key.slice(-SHOWN_CHARACTERS)}`;
}
