import { z } from "zod";
import { API_HOSTS, REQUESTS_PER_MINUTE_LIMIT } from "../constants.ts";
import { ConfigurationError } from "../errors.ts";
import { isLoopback } from "../text/loopback.ts";
import { mistakeInKey } from "../text/mistakes.ts";
import { type Directories, directoryListSetting, directorySetting } from "./directories.ts";
import { type Proxies, proxySetting } from "./proxies.ts";

/** The environment, validated. */
export interface Config {
  readonly apiKey: string;
  /** Origin, without a trailing slash. */
  readonly apiHost: string;
  /** Absolute; undefined when the server has to choose. */
  readonly outputDirectory: string | undefined;
  /** Time one call may take in all, in milliseconds. */
  readonly callBudgetMs: number;
  /** Requests this process sends a minute at most; 0 for no limit. */
  readonly requestsPerMinute: number;
  /** Where local reference images may be read, in addition to the base directory; absolute. */
  readonly referenceDirectories: readonly string[];
  /** Undefined when none is set. */
  readonly proxies: Proxies | undefined;
}

/** Just under the four minutes after which Claude Desktop gives up. */
const DEFAULT_CALL_BUDGET_MS = 230_000;

/** Above five minutes Node's HTTP client would give up waiting for an answer by itself. */
const CALL_BUDGET_RANGE_MS = { minimum: 1_000, maximum: 300_000 } as const;

const DEFAULT_REQUESTS_PER_MINUTE = 10;
const REQUESTS_PER_MINUTE_RANGE = { minimum: 0, maximum: 10_000 } as const;

const HOW_TO_SET_KEY =
  "MINIMAX_API_KEY is required: put it into the env block of this server in your MCP client's configuration (create a key at https://platform.minimax.io)";

/** Source: Fetch Standard, "port blocking". */
const BLOCKED_PORTS: ReadonlySet<number> = new Set([
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
  111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
  540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
  6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
]);

const UNFILLED_SETTING = /^\$\{[^}]*\}$/;

const apiKey = z
  .string({ error: HOW_TO_SET_KEY })
  .trim()
  .regex(/^[\x21-\x7e]*$/, {
    error:
      "MINIMAX_API_KEY contains characters that are not allowed in an HTTP header: copy it again, without spaces, line breaks or typographic quotation marks",
  })
  .superRefine((key, context) => {
    const mistake = mistakeInKey(key);
    if (mistake !== undefined) context.addIssue(`MINIMAX_API_KEY ${mistake}`);
  });

const apiHost = z
  .string()
  .trim()
  .default("")
  .transform((text, context) => {
    const origin = apiOrigin(text);
    const isBlocked = origin !== undefined && BLOCKED_PORTS.has(Number(new URL(origin).port || 443));
    if (origin !== undefined && !isBlocked) return origin;
    const problem = isBlocked
      ? "names a port that HTTP clients refuse to use: choose another"
      : "must be global, cn, or an https:// origin without a path (http:// only on loopback)";
    context.addIssue(`MINIMAX_API_HOST ${problem}`);
    return z.NEVER;
  });

const integer = (name: string, fallback: number, { minimum, maximum }: { minimum: number; maximum: number }) => {
  const error = `${name} must be a whole number from ${minimum} to ${maximum}`;
  return z
    .string()
    .trim()
    .regex(/^\d{0,9}$/, { error })
    .default("")
    .transform((digits) => (digits === "" ? fallback : Number(digits)))
    .pipe(z.number().min(minimum, { error }).max(maximum, { error }));
};

/** The environment variables this server reads; texts become values, and paths absolute. */
const environmentSchema = (directories: Directories) =>
  z.object({
    MINIMAX_API_KEY: apiKey.meta({
      fallback: "required",
      description: "Your key. It is sent to MiniMax and nowhere else.",
    }),
    MINIMAX_OUTPUT_DIR: directorySetting("MINIMAX_OUTPUT_DIR", directories).meta({
      fallback: "output in the working directory",
      description:
        "Base directory: files are saved here unless a call names a place inside it, and never outside. ~ is your home directory.",
    }),
    MINIMAX_API_HOST: apiHost.meta({
      fallback: `global (${API_HOSTS.global})`,
      description: `global, cn for mainland China (${API_HOSTS.cn}), or an https origin. A key works only with the host of the region it was created in.`,
    }),
    MINIMAX_TIMEOUT_MS: integer("MINIMAX_TIMEOUT_MS", DEFAULT_CALL_BUDGET_MS, CALL_BUDGET_RANGE_MS).meta({
      fallback: `${DEFAULT_CALL_BUDGET_MS}`,
      description: `Time limit for one call, waits and retries included, in milliseconds: ${CALL_BUDGET_RANGE_MS.minimum} to ${CALL_BUDGET_RANGE_MS.maximum}.`,
    }),
    MINIMAX_RPM: integer("MINIMAX_RPM", DEFAULT_REQUESTS_PER_MINUTE, REQUESTS_PER_MINUTE_RANGE).meta({
      fallback: `${DEFAULT_REQUESTS_PER_MINUTE}`,
      description: `Most requests sent in any minute (MiniMax's limit is ${REQUESTS_PER_MINUTE_LIMIT}); 0 turns pacing off.`,
    }),
    MINIMAX_REFERENCE_DIRS: directoryListSetting("MINIMAX_REFERENCE_DIRS", directories).meta({
      fallback: "none",
      description: "Further directories from which local reference images may be read, separated as in PATH.",
    }),
    HTTPS_PROXY: proxySetting("HTTPS_PROXY").meta({
      fallback: "none",
      description: "Proxy for https addresses: requests and downloads.",
    }),
    HTTP_PROXY: proxySetting("HTTP_PROXY").meta({
      fallback: "none",
      description: "Proxy for http addresses, and for https ones when HTTPS_PROXY is not set.",
    }),
    NO_PROXY: z.string().default("").meta({ fallback: "none", description: "Hosts that are reached without a proxy." }),
  });

/** One environment variable the server reads. */
export interface Variable {
  readonly name: string;
  /** The default in words; `required` for the key. */
  readonly fallback: string;
  readonly description: string;
}

/** Every variable the server reads, by the schema: the source of `--help`, README, registry entry and bundle. */
export function variables(): readonly Variable[] {
  const { shape } = environmentSchema({ workingDirectory: undefined, homeDirectory: undefined });
  return Object.entries(shape).map(([name, field]) => {
    const { fallback, description = "" } = field.meta() ?? {};
    return { name, fallback: String(fallback), description };
  });
}

/**
 * Reads the variables this server knows.
 *
 * @throws ConfigurationError that names every bad variable, a line each; it never holds the key
 */
export function parseConfig(environment: NodeJS.ProcessEnv, directories: Directories): Config {
  const given = filledIn(environment);
  const { success, data, error } = environmentSchema(directories).safeParse({ ...given, ...lowerCaseProxies(given) });
  if (!success) {
    const problems = error.issues.map(({ message }) => `- ${message}.`);
    throw new ConfigurationError(["The server cannot start:", ...problems].join("\n"));
  }
  const { HTTPS_PROXY: https, HTTP_PROXY: http, NO_PROXY: none } = data;
  return {
    apiKey: data.MINIMAX_API_KEY,
    apiHost: data.MINIMAX_API_HOST,
    outputDirectory: data.MINIMAX_OUTPUT_DIR,
    callBudgetMs: data.MINIMAX_TIMEOUT_MS,
    requestsPerMinute: data.MINIMAX_RPM,
    referenceDirectories: data.MINIMAX_REFERENCE_DIRS,
    proxies: https === undefined && http === undefined ? undefined : { https, http, none },
  };
}

/**
 * A client may pass a setting that was not filled in as its placeholder, `${user_config.api_host}`, or as an empty
 * text: both count as not set.
 */
function filledIn(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(([, value = ""]) => {
      const text = value.trim();
      return text !== "" && !UNFILLED_SETTING.test(text);
    }),
  );
}

/** As other programs do, the names in small letters win. */
function lowerCaseProxies(environment: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    ["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"].flatMap((name) => {
      const value = environment[name.toLowerCase()];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** A name below `localhost` may be asked of a name server: the key does not go there without encryption. */
function apiOrigin(text: string): string | undefined {
  if (/^(?:global)?$/i.test(text)) return API_HOSTS.global;
  if (/^cn$/i.test(text)) return API_HOSTS.cn;
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const isBare =
    url.pathname === "/" && url.search === "" && url.hash === "" && url.username === "" && url.password === "";
  const isThisMachine = isLoopback(url.hostname) && !url.hostname.includes(".localhost");
  const isSecure = url.protocol === "https:" || (url.protocol === "http:" && isThisMachine);
  return isBare && isSecure ? url.origin : undefined;
}
