import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";

/** A server that listens on a port of its own on this machine until the test is over. */
export interface Listening extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
}

/** Has a server (TCP or HTTP) listen on a free port. At the end its connections are cut. */
export async function listening(server: Server): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket.on("error", () => undefined).on("close", () => sockets.delete(socket)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port.");
  return {
    host: `127.0.0.1:${address.port}`,
    port: address.port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Host and port on this machine where nothing listens. */
export async function closedHost(): Promise<string> {
  await using server = await listening(createServer());
  return server.host;
}
