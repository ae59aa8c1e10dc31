import { description, name, version } from "../../package.json";

/** Every variable the server reads, with what it does: the source of `--help` and of the README's table. */
export const VARIABLES = [
  ["MINIMAX_API_KEY", "required", "Your key. It is sent to MiniMax and nowhere else."],
  [
    "MINIMAX_OUTPUT_DIR",
    "output in the working directory",
    "Base directory: files are saved here unless a call names a place inside it, and never outside. ~ is your home directory.",
  ],
  [
    "MINIMAX_API_HOST",
    "global (https://api.minimax.io)",
    "cn for mainland China (https://api.minimaxi.com), or an https origin. A key works only with the host of the region it was made in.",
  ],
  [
    "MINIMAX_TIMEOUT_MS",
    "230000",
    "Time one call may take in all, waits and retries included, in milliseconds: 1000 to 300000.",
  ],
  ["MINIMAX_RPM", "10", "Requests sent in any minute at most (MiniMax's limit is 10); 0 turns pacing off."],
  [
    "MINIMAX_REFERENCE_DIRS",
    "none",
    "Further directories from which local reference images may be read, separated as in PATH.",
  ],
  [
    "HTTPS_PROXY, HTTP_PROXY, NO_PROXY",
    "none",
    "Proxies for requests and downloads, and the hosts that are reached directly.",
  ],
] as const;

const OPTIONS = [
  ["--check", "say what is configured and whether it works; makes no paid request"],
  ["--help, -h", "show this"],
  ["--version, -v", "show the version"],
] as const;

/** `name version`. */
export function versionText(): string {
  return `${name} ${version}`;
}

/** What `--help` prints. */
export function helpText(): string {
  const list = (rows: readonly (readonly [string, string])[]): string =>
    rows.map(([term, words]) => `  ${term}\n      ${words}`).join("\n");
  return [
    `${versionText()}\n${description}`,
    "Without options it serves MCP over stdin and stdout; your client starts it so.",
    `Options:\n${list(OPTIONS)}`,
    `Environment variables:\n${list(VARIABLES.map(([term, fallback, words]) => [`${term} (${fallback})`, words]))}`,
  ].join("\n\n");
}
