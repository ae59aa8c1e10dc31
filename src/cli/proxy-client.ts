import { type buildConnector, EnvHttpProxyAgent, Pool, setGlobalDispatcher } from "undici";
import type { Proxies } from "../config/proxies.ts";
import { systemCode } from "../text/text.ts";

/**
 * Makes `fetch` send every request of this process through the proxies. Node's own client cannot do so on every
 * supported version; this one is loaded only when a proxy is configured.
 */
export function installProxies({ https = "", http = "", none }: Proxies): void {
  setGlobalDispatcher(new EnvHttpProxyAgent({ httpsProxy: https, httpProxy: http, noProxy: none, factory }));
}

function factory(origin: string | URL, options: object): Pool {
  const connect = "connect" in options ? options.connect : undefined;
  return new Pool(origin, isConnector(connect) ? { ...options, connect: failing(connect) } : options);
}

function isConnector(value: unknown): value is buildConnector.connector {
  return typeof value === "function";
}

/**
 * A proxy that closes the connection in place of an answer is reported by a socket error. undici takes such an error
 * for one of a connection that was there, and connects again without end; under any other name it fails the request.
 */
function failing(connect: buildConnector.connector): buildConnector.connector {
  return (options, callback) => {
    connect(options, (...[error, socket]) => {
      if (error === null) {
        callback(null, socket);
        return;
      }
      const isSocketError = systemCode(error) === "UND_ERR_SOCKET" || systemCode(error) === "UND_ERR_INFO";
      callback(isSocketError ? new Error("the proxy closed the connection", { cause: error }) : error, null);
    });
  };
}
