/** The proxies of the environment, as URLs. */
export interface Proxies {
  /** For `https:` addresses; when it is missing, the other one serves them too. */
  readonly https: string | undefined;
  /** For `http:` addresses. */
  readonly http: string | undefined;
  /** Hosts that are reached directly, as in `NO_PROXY`. */
  readonly none: string;
}

/**
 * Makes `fetch` send every request of this process through the proxies. Node's own client cannot do so on every
 * supported version; the one that can is loaded only here.
 */
export async function useProxies({ https, http, none }: Proxies): Promise<void> {
  const { installProxies } = await import("./proxy-client.ts");
  installProxies({ https: https ?? "", http: http ?? "", none });
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
 * A warning for the person when requests to an API host on this machine, over plain http, leave it through a proxy:
 * then the key does so in the clear.
 */
export function clearTextNotice({
  apiHost,
  proxies,
}: {
  apiHost: string;
  proxies: Proxies | undefined;
}): string | undefined {
  if (
    proxies?.http === undefined ||
    !apiHost.startsWith("http:") ||
    isReachedDirectly(new URL(apiHost), proxies.none)
  ) {
    return undefined;
  }
  return `Warning: requests to ${apiHost} go through the proxy of HTTP_PROXY (${redactProxy({ ...proxies, https: undefined }) ?? ""}) without encryption, and the API key with them. To reach this host directly, add it to NO_PROXY.`;
}

/** As the proxy client reads `NO_PROXY`: names, their subdomains, optional ports, or `*`. */
function isReachedDirectly({ hostname, port }: URL, none: string): boolean {
  return (
    none.trim() === "*" ||
    none.split(/[,\s]+/).some((entry) => {
      const [, name = "", entryPort] = /^\*?\.?(.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
      const isNamed = name !== "" && (hostname === name || hostname.endsWith(`.${name}`));
      return isNamed && (entryPort === undefined || entryPort === (port === "" ? "80" : port));
    })
  );
}

/** Whether a text is the URL of a proxy; its user and password are decoded, so they have to be encoded well. */
export function isProxyUrl(text: string): boolean {
  try {
    const { protocol, username, password } = new URL(text);
    return /^https?:$/.test(protocol) && decodeURIComponent(`${username}:${password}`) !== "";
  } catch {
    return false;
  }
}
