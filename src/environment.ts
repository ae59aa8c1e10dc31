import { delimiter } from "node:path";
import { z } from "zod";
import { isProxyUrl } from "./cli/proxy.ts";
import {
  API_HOSTS,
  CALL_BUDGET_RANGE_MS,
  DEFAULT_CALL_BUDGET_MS,
  DEFAULT_REQUESTS_PER_MINUTE,
  REQUESTS_PER_MINUTE_RANGE,
} from "./constants.ts";
import { isLoopback } from "./minimax/loopback.ts";
import { mistakeInKey, mistakeInPath, mistakeInProxy } from "./utils/mistakes.ts";
import { badDirectoryName } from "./utils/windows-names.ts";

const HOW_TO_SET_KEY =
  "MINIMAX_API_KEY is required: put it into the env block of this server in your MCP client's configuration (create a key at https://platform.minimax.io)";

const apiHost = z
  .string()
  .trim()
  .default("")
  .transform((text, context) => {
    const origin = apiOrigin(text);
    if (origin !== undefined) return origin;
    context.addIssue({
      code: "custom",
      message: "MINIMAX_API_HOST must be global, cn, or an https:// origin without a path (http:// only on loopback)",
    });
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

const refuseMistake = (name: string, mistake: string | undefined, context: z.RefinementCtx): void => {
  if (mistake !== undefined) context.addIssue({ code: "custom", message: `${name} ${mistake}`, continue: false });
};

const proxyUrl = (name: string) =>
  z
    .string()
    .trim()
    .superRefine((text, context) => {
      refuseMistake(name, mistakeInProxy(text), context);
    })
    .default("")
    .transform((text) => (text === "" ? undefined : /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`))
    .refine((text) => text === undefined || !/^socks/i.test(text), {
      error: `${name} names a SOCKS proxy, which is not supported: give the http:// or https:// URL of a proxy`,
      abort: true,
    })
    .refine((text) => text === undefined || isProxyUrl(text), {
      error: `${name} must be the http:// or https:// URL of a proxy, with % in its user and password written as %25`,
    });

/** The environment variables this server reads, each judged by itself; texts become values, paths stay words. */
export const environmentSchema = z.object({
  MINIMAX_API_KEY: z
    .string({ error: HOW_TO_SET_KEY })
    .trim()
    .min(1, { error: HOW_TO_SET_KEY })
    .regex(/^[\x21-\x7e]*$/, {
      error:
        "MINIMAX_API_KEY contains characters that are not allowed in an HTTP header: copy it again, without spaces, line breaks or typographic quotation marks",
    })
    .superRefine((key, context) => {
      refuseMistake("MINIMAX_API_KEY", mistakeInKey(key), context);
    })
    .meta({ fallback: "required", description: "Your key. It is sent to MiniMax and nowhere else." }),
  MINIMAX_OUTPUT_DIR: z
    .string()
    .refine((text) => !text.includes("\0"), { error: "MINIMAX_OUTPUT_DIR contains a NUL character", abort: true })
    .superRefine((text, context) => {
      refuseMistake("MINIMAX_OUTPUT_DIR", mistakeInPath(text.trim()), context);
    })
    .refine((text) => badDirectoryName(text.trim()) === undefined, {
      error:
        'MINIMAX_OUTPUT_DIR contains a name that Windows cannot use for a directory: a device such as CON, one of < > : " | ? *, or a dot or space at the end',
    })
    .default("")
    .meta({
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
    description: `Most requests sent in any minute (MiniMax's limit is ${DEFAULT_REQUESTS_PER_MINUTE}); 0 turns pacing off.`,
  }),
  MINIMAX_REFERENCE_DIRS: z
    .string()
    .superRefine((text, context) => {
      const mistakes = [text, ...text.split(delimiter)].map((directory) => mistakeInPath(directory.trim()));
      refuseMistake(
        "MINIMAX_REFERENCE_DIRS",
        mistakes.find((mistake) => mistake !== undefined),
        context,
      );
    })
    .default("")
    .meta({
      fallback: "none",
      description: "Further directories from which local reference images may be read, separated as in PATH.",
    }),
  HTTPS_PROXY: proxyUrl("HTTPS_PROXY").meta({
    fallback: "none",
    description: "Proxy for https addresses: requests and downloads.",
  }),
  HTTP_PROXY: proxyUrl("HTTP_PROXY").meta({
    fallback: "none",
    description: "Proxy for http addresses, and for https ones when HTTPS_PROXY is not set.",
  }),
  NO_PROXY: z.string().default("").meta({ fallback: "none", description: "Hosts that are reached without a proxy." }),
});

/** One environment variable the server reads. */
export interface Variable {
  readonly name: string;
  /** What happens without it; `required` for the key. */
  readonly fallback: string;
  readonly description: string;
}

/**
 * Every variable the server reads, derived from the schema: the source of `--help`, README, registry entry and bundle.
 */
export const VARIABLES: readonly Variable[] = Object.entries(environmentSchema.shape).map(([name, field]) => {
  const { fallback, description = "" } = field.meta() ?? {};
  return { name, fallback: String(fallback), description };
});

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
