import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { makeId, sendJson, sendRefusal } from "./answers.ts";
import type { ObjectStore } from "./object-store.ts";
import type { PictureDescription } from "./picture.ts";
import { readGenerationRequest } from "./request.ts";

const SEEDS = 4_294_967_296;

/** One request in the stand-in's hands. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: unknown;
  readonly generationMs: number;
  readonly draw: (description: PictureDescription) => Promise<Buffer>;
  readonly store: ObjectStore;
  readonly pictures: Buffer[];
}

/** What the stand-in does with one generation request. */
export type Behaviour = (exchange: Exchange) => Promise<void> | void;

/** Does what was asked, and withholds some of the images when told to, as the safety filter does. */
export function succeed({ withheld = 0 }: { withheld?: number } = {}): Behaviour {
  return async ({ response, body, generationMs, draw, store, pictures }) => {
    const accepted = readGenerationRequest(body);
    if ("refusal" in accepted) {
      sendRefusal(response, 2013, accepted.refusal);
      return;
    }
    const { prompt, seed, n, width, height, responseFormat } = accepted;
    const drawn = await Promise.all(
      Array.from({ length: Math.max(0, n - withheld) }, (_, index) =>
        draw({ prompt, seed: seed ?? Math.floor(Math.random() * SEEDS), index, width, height }),
      ),
    );
    await sleep(generationMs);
    pictures.push(...drawn);
    const images =
      responseFormat === "url"
        ? { image_urls: drawn.map((picture) => store.add(picture)) }
        : { image_base64: drawn.map((picture) => picture.toString("base64")) };
    sendJson(response, {
      id: makeId(),
      data: drawn.length === 0 ? {} : images,
      metadata: { failed_count: String(n - drawn.length), success_count: String(drawn.length) },
      base_resp: { status_code: 0, status_msg: "success" },
    });
  };
}

/** Refuses with a code, HTTP 200 and nothing but `base_resp`. */
export function refuse(statusCode: number, statusMessage?: string): Behaviour {
  return ({ response }) => {
    sendRefusal(response, statusCode, statusMessage);
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
