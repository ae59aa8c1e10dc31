import { createServer } from "node:http";
import { connect, type Socket } from "node:net";
import { listening } from "./listening.ts";

/** One CONNECT as it arrived. */
interface Tunnel {
  /** Host and port that the client asked for. */
  readonly target: string;
  /** The `Proxy-Authorization` header. */
  readonly authorization: string | undefined;
}

/** A running proxy. */
export interface ConnectProxy extends AsyncDisposable {
  /** Without credentials. */
  readonly url: string;
  /** Host and port. */
  readonly host: string;
  /** Every CONNECT, in order. */
  readonly tunnels: readonly Tunnel[];
}

/**
 * Starts a real CONNECT proxy on this machine.
 *
 * @param options - `refuseWith` is an HTTP status with which every CONNECT is refused; `hangUp` says of each one
 *   whether it is closed without a word; `divert` leads tunnels elsewhere than to their target, by host and port
 */
export async function startConnectProxy({
  refuseWith,
  hangUp = () => false,
  divert = {},
}: {
  refuseWith?: number;
  hangUp?: () => boolean;
  divert?: Readonly<Record<string, string>>;
} = {}): Promise<ConnectProxy> {
  const tunnels: Tunnel[] = [];
  const upstreams = new Set<Socket>();
  const server = createServer((_, response) => {
    response.writeHead(405).end();
  });
  server.on("connect", ({ url = "", headers }, client) => {
    tunnels.push({ target: url, authorization: headers["proxy-authorization"] });
    if (hangUp()) {
      client.destroy();
      return;
    }
    if (refuseWith !== undefined) {
      client.end(`HTTP/1.1 ${refuseWith} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
      return;
    }
    const { hostname, port } = new URL(`http://${divert[url] ?? url}`);
    const upstream = connect(Number(port), hostname, () => {
      client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      upstream.pipe(client).pipe(upstream);
    });
    upstreams.add(upstream);
    upstream.on("error", () => client.destroy());
    upstream.on("close", () => client.destroy());
    client.on("close", () => upstream.destroy());
  });
  const { host, [Symbol.asyncDispose]: close } = await listening(server);
  return {
    url: `http://${host}`,
    host,
    tunnels,
    async [Symbol.asyncDispose]() {
      for (const upstream of upstreams) upstream.destroy();
      await close();
    },
  };
}
