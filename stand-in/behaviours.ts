import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { makeId, sendErrorEnvelope, sendJson, sendRefusal, sendTooLarge } from "./answers.ts";
import type { ImageDescription } from "./image.ts";
import type { ObjectStore } from "./object-store.ts";
import { readGenerationRequest } from "./request.ts";

const SEEDS = 4_294_967_296;

/** One request in the stand-in's hands. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: unknown;
  readonly generationMs: number;
  readonly createImage: (description: ImageDescription) => Promise<Buffer>;
  readonly store: ObjectStore;
  readonly deliveredImages: Buffer[];
}

/** What the stand-in does with one generation request. */
export type Behaviour = (exchange: Exchange) => Promise<void> | void;

/** Does what was asked, and withholds some of the images when told to, as the safety filter does. */
export function succeed({ withheld = 0 }: { withheld?: number } = {}): Behaviour {
  return async ({ response, body, generationMs, createImage, store, deliveredImages }) => {
    const accepted = readGenerationRequest(body);
    if ("refusal" in accepted) {
      sendRefusal(response, 2013, accepted.refusal);
      return;
    }
    const { prompt, seed, n, width, height, responseFormat } = accepted;
    const generated = await Promise.all(
      Array.from({ length: Math.max(0, n - withheld) }, (_, index) =>
        createImage({ prompt, seed: seed ?? Math.floor(Math.random() * SEEDS), index, width, height }),
      ),
    );
    await sleep(generationMs);
    deliveredImages.push(...generated);
    const images =
      responseFormat === "url"
        ? { image_urls: generated.map((image) => store.add(image)) }
        : { image_base64: generated.map((image) => image.toString("base64")) };
    sendJson(response, successBody(generated.length === 0 ? {} : images, generated.length, n - generated.length));
  };
}

/** Refuses with a code, HTTP 200 and nothing but `base_resp`. */
export function refuse(statusCode: number, statusMessage?: string): Behaviour {
  return ({ response }) => {
    sendRefusal(response, statusCode, statusMessage);
  };
}

/** Refuses with the envelope of the compatible endpoints, whose code, if any, stands in the message. */
export function refuseInEnvelope(code: number, type: string, message: string): Behaviour {
  return ({ response }) => {
    sendErrorEnvelope(response, code, type, message);
  };
}

/** Is overloaded, as seen on the chat endpoints. */
export function overload(): Behaviour {
  return refuseInEnvelope(529, "overloaded_error", "The server cluster is currently under high load (2064)");
}

/** Refuses the body as too large, as the gateway does. */
export function refuseAsTooLarge(): Behaviour {
  return ({ response }) => {
    sendTooLarge(response);
  };
}

/** Makes and delivers images, and says all the same that something went wrong. */
export function deliverWithError(
  images: readonly Buffer[],
  { status: code = 200, statusCode = 0 }: { status?: number; statusCode?: number },
): Behaviour {
  return ({ response, deliveredImages }) => {
    deliveredImages.push(...images);
    const body = {
      data: { image_base64: images.map((image) => image.toString("base64")) },
      metadata: { success_count: String(images.length), failed_count: "0" },
      base_resp: { status_code: statusCode, status_msg: "odd" },
    };
    sendJson(response, body, { status: code });
  };
}

/** Counts images as made and delivers none. */
export function countWithoutImages(made: number, { status: code = 200 }: { status?: number } = {}): Behaviour {
  return ({ response }) => {
    sendJson(response, successBody({}, made), { status: code });
  };
}

/** Begins an answer with this status and never sends its body. */
export function withholdBody(code: number): Behaviour {
  return ({ response }) => {
    response.writeHead(code, { "Content-Type": "application/json", "Content-Length": 1000 }).flushHeaders();
  };
}

/** Answers with exactly this. */
export function answer(
  body: string | Buffer,
  { status = 200, headers = {} }: { status?: number; headers?: Readonly<Record<string, string>> } = {},
): Behaviour {
  return ({ response }) => {
    response.writeHead(status, { "Content-Type": "application/json; charset=utf-8", ...headers }).end(body);
  };
}

/** Answers with an HTTP status, as a gateway does. */
export function status(
  code: number,
  { body = "", headers = {} }: { body?: string; headers?: Readonly<Record<string, string>> } = {},
): Behaviour {
  return answer(body, { status: code, headers: { "Content-Type": "text/html", ...headers } });
}

/** Delivers these as base64, whatever was asked for; a string is delivered as it is. */
export function deliver(images: readonly (Buffer | string)[]): Behaviour {
  return ({ response, deliveredImages }) => {
    deliveredImages.push(...images.filter((image) => typeof image !== "string"));
    sendJson(response, successBody({ image_base64: images.map((image) => image.toString("base64")) }, images.length));
  };
}

/** Delivers these links, whatever was asked for. */
export function deliverLinks(links: readonly string[]): Behaviour {
  return ({ response }) => {
    sendJson(response, successBody({ image_urls: links }, links.length));
  };
}

/** Takes the request and never answers. */
export function fallSilent(): Behaviour {
  return () => undefined;
}

/** Takes the request and closes the connection without an answer. */
export function hangUp(): Behaviour {
  return ({ request }) => {
    request.socket.destroy();
  };
}

/**
 * Sends the first part of an answer, and then either closes the connection or falls silent.
 *
 * @param length - the announced length in bytes; in chunks, the last chunk's mark is missing
 */
export function breakOff({
  after,
  then,
  length = after.length + 1000,
}: {
  after: string;
  then: "close" | "silence";
  length?: number | "in chunks";
}): Behaviour {
  return ({ request, response }) => {
    const announced = length === "in chunks" ? {} : { "Content-Length": length };
    response.writeHead(200, { "Content-Type": "application/json", ...announced });
    response.write(after, () => {
      if (then === "close") request.socket.destroy();
    });
  };
}

/** Refuses and repeats the whole Authorization header in its message, as careless servers do. */
export function echoKey(statusCode: number): Behaviour {
  return ({ request, response }) => {
    sendRefusal(response, statusCode, `bad header: ${request.headers.authorization ?? ""}`);
  };
}

function successBody(data: unknown, made: number, withheld = 0): unknown {
  return {
    id: makeId(),
    data,
    metadata: { failed_count: String(withheld), success_count: String(made) },
    base_resp: { status_code: 0, status_msg: "success" },
  };
}
