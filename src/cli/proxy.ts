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
  const { EnvHttpProxyAgent, setGlobalDispatcher } = await import("./proxy-client.ts");
  setGlobalDispatcher(new EnvHttpProxyAgent({ httpsProxy: https ?? "", httpProxy: http ?? "", noProxy: none }));
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
