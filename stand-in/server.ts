import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { sendRefusal } from "./answers.ts";
import { type Behaviour, type Exchange, succeed } from "./behaviours.ts";
import { ObjectStore } from "./object-store.ts";
import { drawPicture } from "./picture.ts";
import type { RecordedRequest } from "./recorded-request.ts";

const WINDOW_MS = 60_000;

/** How the stand-in behaves. */
export interface StandInOptions {
  /** The only key it accepts. */
  readonly apiKey?: string;
  /** What it does with the first generation requests, one entry a request; after them it succeeds. */
  readonly script?: readonly Behaviour[];
  /** How long it draws, in milliseconds. */
  readonly generationMs?: number;
  /** Requests it takes in any minute before it answers 1002. */
  readonly requestsPerMinute?: number;
  readonly draw?: Exchange["draw"];
}

/** A running stand-in for the MiniMax API. */
export interface StandIn extends AsyncDisposable {
  /** Origin, for MINIMAX_API_HOST. */
  readonly url: string;
  /** Every request to the image endpoint, in order. */
  readonly requests: readonly RecordedRequest[];
  /** Every request for a link, in order. */
  readonly downloads: readonly RecordedRequest[];
  /** Every picture that was delivered or linked, in order. */
  readonly pictures: readonly Buffer[];
}

/** The key that the stand-in accepts unless told otherwise. */
export const STAND_IN_KEY = "sk-api-stand-in-0123456789abcdef";

/** Starts the stand-in on a free port of this machine. */
export async function startStandIn({
  apiKey = STAND_IN_KEY,
  script = [],
  generationMs = 0,
  requestsPerMinute = Infinity,
  draw = drawPicture,
}: StandInOptions = {}): Promise<StandIn> {
  const requests: RecordedRequest[] = [];
  const pictures: Buffer[] = [];
  const arrivals: number[] = [];
  const store = new ObjectStore();

  async function generate(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = parseJson(await text(request));
    const behaviour = script[requests.length] ?? succeed();
    requests.push({ method: request.method, url: request.url, headers: request.headers, body });
    const { authorization } = request.headers;
    if (authorization === undefined) {
      sendRefusal(response, 1004);
      return;
    }
    if (authorization !== `Bearer ${apiKey}`) {
      sendRefusal(response, 2049);
      return;
    }
    const now = Date.now();
    if (arrivals.filter((arrival) => arrival > now - WINDOW_MS).length >= requestsPerMinute) {
      sendRefusal(response, 1002);
      return;
    }
    arrivals.push(now);
    await behaviour({ request, response, body, generationMs, draw, store, pictures });
  }

  const server = createServer((request, response) => {
    const path = request.url?.split("?")[0];
    if (request.method === "POST" && path === "/v1/image_generation") {
      generate(request, response).catch(() => response.destroy());
    } else if (request.method === "GET" && store.owns(path)) {
      store.serve(request, response);
    } else {
      response.writeHead(404, { "Content-Type": "text/plain" }).end("404 page not found");
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The stand-in has no port.");
  const url = `http://127.0.0.1:${String(address.port)}`;
  store.origin = url;

  return {
    url,
    requests,
    downloads: store.downloads,
    pictures,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
