import { createServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import { listening } from "./listening.ts";

/** One request as it arrived. */
interface SeenRequest {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

/** A real HTTP server for one test. */
export interface WebServer extends AsyncDisposable {
  readonly url: string;
  /** Every request, in order. */
  readonly requests: readonly SeenRequest[];
  /** How many requests are not over yet. */
  readonly openExchanges: () => number;
}

/** Starts a server that answers as the listener says, or not at all. */
export async function startWebServer(listener: RequestListener = () => undefined): Promise<WebServer> {
  const requests: SeenRequest[] = [];
  let open = 0;
  const server = createServer((request, response) => {
    const { method, url, headers } = request;
    requests.push({ method, url, headers });
    open += 1;
    response.on("close", () => (open -= 1));
    listener(request, response);
  });
  const { host, [Symbol.asyncDispose]: close } = await listening(server);
  return { url: `http://${host}`, requests, openExchanges: () => open, [Symbol.asyncDispose]: close };
}
