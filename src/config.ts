import { delimiter, isAbsolute, resolve } from "node:path";
import type { Proxies } from "./cli/proxy.ts";
import { environmentSchema } from "./environment.ts";
import { ConfigurationError } from "./errors.ts";
import { expandHome } from "./utils/paths.ts";

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

/** What relative and `~` paths are resolved against. Absolute; undefined where the system knows none. */
export interface Directories {
  readonly workingDirectory: string | undefined;
  readonly homeDirectory: string | undefined;
}

const UNFILLED_SETTING = /^\$\{[^}]*\}$/;

/**
 * Reads the variables this server knows.
 *
 * @throws ConfigurationError that names every bad variable, a line each; it never holds the key
 */
export function parseConfig(environment: NodeJS.ProcessEnv, directories: Directories): Config {
  const given = filledIn(environment);
  const parsed = environmentSchema.safeParse({ ...given, ...lowerCaseProxies(given) });
  const problems = parsed.error?.issues.map(({ message }) => message) ?? [];
  const absolute = (variable: string, names: readonly string[]): readonly string[] =>
    absolutePaths(names, directories, (problem) => problems.push(`${variable} ${problem}`));
  const outputDirectories = absolute("MINIMAX_OUTPUT_DIR", [given["MINIMAX_OUTPUT_DIR"] ?? ""]);
  const referenceDirectories = absolute(
    "MINIMAX_REFERENCE_DIRS",
    (given["MINIMAX_REFERENCE_DIRS"] ?? "").split(delimiter),
  );
  if (!parsed.success || problems.length > 0) {
    throw new ConfigurationError(
      ["The server cannot start:", ...problems.map((problem) => `- ${problem}.`)].join("\n"),
    );
  }
  const variables = parsed.data;
  return {
    apiKey: variables.MINIMAX_API_KEY,
    apiHost: variables.MINIMAX_API_HOST,
    outputDirectory: outputDirectories[0],
    callBudgetMs: variables.MINIMAX_TIMEOUT_MS,
    requestsPerMinute: variables.MINIMAX_RPM,
    referenceDirectories,
    proxies: proxiesOf(variables),
  };
}

/** The directories by their absolute paths; blank names are left out, and so are those that bring a problem. */
function absolutePaths(
  names: readonly string[],
  { workingDirectory, homeDirectory }: Directories,
  onProblem: (problem: string) => void,
): readonly string[] {
  return names
    .map((name) => name.trim())
    .filter((name) => name !== "")
    .flatMap((name) => {
      const expanded = expandHome(name, homeDirectory);
      if (expanded === undefined) {
        onProblem("begins with ~, and this user has no home directory: give an absolute path");
      } else if (isAbsolute(expanded)) {
        return resolve(expanded);
      } else if (workingDirectory === undefined) {
        onProblem("is relative, and the working directory has been deleted: give an absolute path");
      } else {
        return resolve(workingDirectory, expanded);
      }
      return [];
    });
}

/**
 * A client may pass a setting that nobody filled in as its placeholder, `${user_config.api_host}`: that is as good as
 * none.
 */
function filledIn(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(([, value]) => !UNFILLED_SETTING.test(value?.trim() ?? "")),
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

function proxiesOf(environment: {
  HTTPS_PROXY: string | undefined;
  HTTP_PROXY: string | undefined;
  NO_PROXY: string;
}): Proxies | undefined {
  const { HTTPS_PROXY: https, HTTP_PROXY: http, NO_PROXY: none } = environment;
  return https === undefined && http === undefined ? undefined : { https, http, none };
}
