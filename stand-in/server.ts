import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { sendRefusal, sendUnknownModel } from "./answers.ts";
import { type Behaviour, type Exchange, succeed } from "./behaviours.ts";
import { renderImage } from "./image.ts";
import { type LinkBehaviour, linkServes, ObjectStore } from "./object-store.ts";
import type { RecordedRequest } from "./recorded-request.ts";
import { unknownModelOf } from "./request.ts";

/** How the stand-in behaves. */
export interface StandInOptions {
  /** Where it listens; a free port unless told. */
  readonly port?: number;
  /** The only key it accepts. */
  readonly apiKey?: string;
  /**
   * What it does with the first generation requests that have the key and a known model, one entry a request; after
   * them it succeeds.
   */
  readonly script?: readonly Behaviour[];
  /** What it does when the script is over; it succeeds unless told. */
  readonly otherwise?: Behaviour;
  /** What it does with requests for links when their script is over. */
  readonly linkOtherwise?: LinkBehaviour;
  /** What it does with the first requests for links. */
  readonly linkScript?: readonly LinkBehaviour[];
  /** How long it generates, in milliseconds. */
  readonly generationMs?: number;
  /** Requests it takes in any minute before it answers 1002. */
  readonly requestsPerMinute?: number;
  /** How long that minute is, in milliseconds, for servers whose clock runs faster. */
  readonly minuteMs?: number;
  readonly createImage?: Exchange["createImage"];
}

/** A running stand-in for the MiniMax API. */
export interface StandIn extends AsyncDisposable {
  /** Adds to the script: what it does with the requests to come. */
  readonly plan: (...behaviours: readonly Behaviour[]) => void;
  /** Origin, for MINIMAX_API_HOST. */
  readonly url: string;
  /** Every request to the image endpoint, in order. */
  readonly requests: readonly RecordedRequest[];
  /** Every request for a link, in order. */
  readonly downloads: readonly RecordedRequest[];
  /** How many requests are neither answered nor closed. */
  readonly openExchanges: () => number;
  /** Every image that was delivered or linked, in order. */
  readonly deliveredImages: readonly Buffer[];
}

/** The key that the stand-in accepts unless told otherwise. */
export const STAND_IN_KEY = "sk-api-stand-in-0123456789abcdef";

/** Starts the stand-in on this machine. */
export async function startStandIn({
  port = 0,
  apiKey = STAND_IN_KEY,
  script = [],
  otherwise = succeed(),
  linkScript = [],
  linkOtherwise = linkServes(),
  generationMs = 0,
  requestsPerMinute = Infinity,
  minuteMs = 60_000,
  createImage = renderImage,
}: StandInOptions = {}): Promise<StandIn> {
  const requests: RecordedRequest[] = [];
  const deliveredImages: Buffer[] = [];
  const planned = [...script];
  const arrivals: number[] = [];
  const store = new ObjectStore(linkScript, linkOtherwise);

  async function generate(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = parseJson(await text(request));
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
    const unknownModel = unknownModelOf(body);
    if (unknownModel !== undefined) {
      sendUnknownModel(response, unknownModel);
      return;
    }
    const now = Date.now();
    if (arrivals.filter((arrival) => arrival > now - minuteMs).length >= requestsPerMinute) {
      sendRefusal(response, 1002);
      return;
    }
    arrivals.push(now);
    const behaviour = planned.shift() ?? otherwise;
    await behaviour({ request, response, body, generationMs, createImage, store, deliveredImages });
  }

  let openExchanges = 0;
  const server = createServer((request, response) => {
    openExchanges += 1;
    response.on("close", () => (openExchanges -= 1));
    const path = request.url?.split("?")[0];
    if (request.method === "POST" && path === "/v1/image_generation") {
      generate(request, response).catch(() => response.destroy());
    } else if (request.method === "GET" && store.owns(path)) {
      store.serve(request, response);
    } else {
      response.writeHead(404, { "Content-Type": "text/plain" }).end("404 page not found");
    }
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The stand-in has no port.");
  const url = `http://127.0.0.1:${address.port}`;
  store.origin = url;

  return {
    url,
    requests,
    downloads: store.downloads,
    plan: (...behaviours) => planned.push(...behaviours),
    openExchanges: () => openExchanges,
    deliveredImages,
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
