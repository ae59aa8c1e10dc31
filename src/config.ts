import { delimiter, resolve } from "node:path";
import { z } from "zod";
import type { Proxies } from "./cli/proxy.ts";
import {
  API_HOSTS,
  CALL_BUDGET_RANGE_MS,
  DEFAULT_CALL_BUDGET_MS,
  DEFAULT_REQUESTS_PER_MINUTE,
  REQUESTS_PER_MINUTE_MAX,
} from "./constants.ts";
import { ConfigurationError } from "./errors.ts";
import { isLoopback } from "./minimax/loopback.ts";
import { expandHome } from "./utils/output-directory.ts";

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
  /** Beside the base directory, where local reference images may be read; absolute. */
  readonly referenceDirectories: readonly string[];
  /** Undefined when none is set. */
  readonly proxies: Proxies | undefined;
}

/** What relative and `~` paths are resolved against. */
export interface Directories {
  readonly workingDirectory: string;
  readonly homeDirectory: string;
}

const UNFILLED_SETTING = /^\$\{[^}]*\}$/;
const HOW_TO_SET_KEY =
  "MINIMAX_API_KEY is required: put it into the env block of this server in your MCP client's configuration (a key is made at https://platform.minimax.io)";

const apiKey = z
  .string({ error: HOW_TO_SET_KEY })
  .trim()
  .min(1, { error: HOW_TO_SET_KEY })
  .regex(/^[\x21-\x7e]*$/, {
    error:
      "MINIMAX_API_KEY holds characters that cannot stand in an HTTP header: copy it again, without spaces, line breaks or quotation marks from a text editor",
  });

const apiHost = z
  .string()
  .trim()
  .default("")
  .transform((text, context) => {
    const origin = apiOrigin(text);
    if (origin === undefined) {
      context.addIssue({
        code: "custom",
        message:
          "MINIMAX_API_HOST has to be global, cn, or an https:// origin without a path (http:// only on this machine)",
      });
      return z.NEVER;
    }
    return origin;
  });

const wholeNumber = (name: string, fallback: number, minimum: number, maximum: number) => {
  const error = `${name} has to be a whole number from ${minimum} to ${maximum}`;
  return z
    .string()
    .trim()
    .regex(/^\d{0,9}$/, { error })
    .default("")
    .transform((digits) => (digits === "" ? fallback : Number(digits)))
    .pipe(z.number().min(minimum, { error }).max(maximum, { error }));
};

const callBudgetMs = wholeNumber(
  "MINIMAX_TIMEOUT_MS",
  DEFAULT_CALL_BUDGET_MS,
  CALL_BUDGET_RANGE_MS.minimum,
  CALL_BUDGET_RANGE_MS.maximum,
);

const requestsPerMinute = wholeNumber("MINIMAX_RPM", DEFAULT_REQUESTS_PER_MINUTE, 0, REQUESTS_PER_MINUTE_MAX);

/**
 * Reads the variables this server knows.
 *
 * @throws ConfigurationError that names every bad variable, a line each; it never holds the key
 */
export function parseConfig(environment: NodeJS.ProcessEnv, { workingDirectory, homeDirectory }: Directories): Config {
  const schema = environmentSchema({ workingDirectory, homeDirectory });
  const parsed = schema.safeParse({ ...filledIn(environment), ...lowerCaseProxies(environment) });
  if (!parsed.success) {
    throw new ConfigurationError(
      ["The server cannot start:", ...parsed.error.issues.map(({ message }) => `- ${message}.`)].join("\n"),
    );
  }
  return {
    apiKey: parsed.data.MINIMAX_API_KEY,
    apiHost: parsed.data.MINIMAX_API_HOST,
    outputDirectory: parsed.data.MINIMAX_OUTPUT_DIR,
    callBudgetMs: parsed.data.MINIMAX_TIMEOUT_MS,
    requestsPerMinute: parsed.data.MINIMAX_RPM,
    referenceDirectories: parsed.data.MINIMAX_REFERENCE_DIRS,
    proxies: proxiesOf(parsed.data),
  };
}

function environmentSchema({ workingDirectory, homeDirectory }: Directories) {
  const outputDirectory = z
    .string()
    .refine((text) => !text.includes("\0"), { error: "MINIMAX_OUTPUT_DIR holds a NUL character" })
    .optional()
    .transform((text) =>
      text === undefined || text.trim() === ""
        ? undefined
        : resolve(workingDirectory, expandHome(text.trim(), homeDirectory)),
    );
  const referenceDirectories = z
    .string()
    .default("")
    .transform((text) => text.split(delimiter).map((directory) => directory.trim()))
    .transform((names) =>
      names.filter((name) => name !== "").map((name) => resolve(workingDirectory, expandHome(name, homeDirectory))),
    );
  return z.object({
    MINIMAX_API_KEY: apiKey,
    MINIMAX_API_HOST: apiHost,
    MINIMAX_OUTPUT_DIR: outputDirectory,
    MINIMAX_TIMEOUT_MS: callBudgetMs,
    MINIMAX_RPM: requestsPerMinute,
    MINIMAX_REFERENCE_DIRS: referenceDirectories,
    HTTPS_PROXY: proxyUrl("HTTPS_PROXY"),
    HTTP_PROXY: proxyUrl("HTTP_PROXY"),
    NO_PROXY: z.string().default(""),
  });
}

function proxyUrl(name: string) {
  return z
    .string()
    .trim()
    .default("")
    .transform((text) => (text === "" ? undefined : /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`))
    .refine((text) => text === undefined || (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)), {
      error: `${name} has to be the http:// or https:// URL of a proxy`,
    });
}

/**
 * A client may pass a setting that nobody filled in as its placeholder, `${user_config.api_host}`: that is as good as
 * none.
 */
function filledIn(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => !UNFILLED_SETTING.test(value ?? "")));
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

function proxiesOf(environment: {
  HTTPS_PROXY: string | undefined;
  HTTP_PROXY: string | undefined;
  NO_PROXY: string;
}): Proxies | undefined {
  const { HTTPS_PROXY: https, HTTP_PROXY: http, NO_PROXY: none } = environment;
  return https === undefined && http === undefined ? undefined : { https, http, none };
}

function apiOrigin(text: string): string | undefined {
  if (text === "" || text === "global") return API_HOSTS.global;
  if (text === "cn") return API_HOSTS.cn;
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const isBare =
    url.pathname === "/" && url.search === "" && url.hash === "" && url.username === "" && url.password === "";
  const isSecure = url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname));
  return isBare && isSecure ? url.origin : undefined;
}
