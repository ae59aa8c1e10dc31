import { z } from "zod";
import { mistakeInProxy } from "../text/mistakes.ts";

/** The proxies of the environment, as URLs. */
export interface Proxies {
  /** For `https:` addresses; when it is missing, the other one serves them too. */
  readonly https: string | undefined;
  /** For `http:` addresses. */
  readonly http: string | undefined;
  /** Hosts that are reached directly, as in `NO_PROXY`. */
  readonly none: string;
}

/** The URL of a proxy, with `http://` in front when it has no scheme; undefined for a blank text. */
export function proxySetting(name: string): z.ZodType<string | undefined> {
  return z
    .string()
    .trim()
    .default("")
    .transform((text, context) => {
      if (text === "") return undefined;
      const refuse = (problem: string): never => {
        context.addIssue(`${name} ${problem}`);
        return z.NEVER;
      };
      const mistake = mistakeInProxy(text);
      if (mistake !== undefined) return refuse(mistake);
      const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
      if (/^socks/i.test(url)) {
        return refuse("names a SOCKS proxy, which is not supported: give the http:// or https:// URL of a proxy");
      }
      return isProxyUrl(url) && !/^https?:(?!\/\/)/i.test(text)
        ? url
        : refuse(
            "must be the http:// or https:// URL of a proxy without a path, with % in its user and password written as %25",
          );
    });
}

/** A proxy's URL as it may be shown: without the user and the password. */
export function redactProxy({ https, http }: Proxies): string | undefined {
  const proxy = https ?? http;
  if (proxy === undefined) return undefined;
  const url = new URL(proxy);
  url.username = "";
  url.password = "";
  return url.href;
}

/**
 * The proxy client decodes user and password, so they have to be encoded well. A path is a slip in what stands before
 * it: `http:/user:password@host`.
 */
function isProxyUrl(text: string): boolean {
  try {
    const { protocol, username, password, pathname, search, hash } = new URL(text);
    decodeURIComponent(`${username}:${password}`);
    return ["http:", "https:"].includes(protocol) && `${pathname}${search}${hash}` === "/";
  } catch {
    return false;
  }
}
