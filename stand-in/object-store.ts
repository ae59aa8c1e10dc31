import { createHash, randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import type { RecordedRequest } from "./recorded-request.ts";

const FOLDER = "/image_inference_output%2Ftalkie%2Fprod%2Fimg%2F";
const LINK_LIFE_SECONDS = 24 * 60 * 60;

/** What the store does with one GET of an image it has. */
export type LinkBehaviour = (exchange: {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly image: Buffer;
}) => void;

/**
 * Keeps images behind signed links, like the object storage that MiniMax's links lead to: one path segment with
 * encoded slashes, valid only to the letter, without a key.
 */
export class ObjectStore {
  origin = "";
  readonly downloads: RecordedRequest[] = [];
  readonly #objects = new Map<string, Buffer>();

  /**
   * @param script - what it does with the first requests, one entry a request
   * @param otherwise - what it does when the script is over
   */
  constructor(
    private readonly script: readonly LinkBehaviour[],
    private readonly otherwise: LinkBehaviour,
  ) {}

  /** Whether a path is one of this store's. */
  owns(path: string | undefined): boolean {
    return path?.startsWith(FOLDER) ?? false;
  }

  /** Stores an image and returns its link. */
  add(image: Buffer): string {
    const name = randomUUID();
    const expires = Math.floor(Date.now() / 1000) + LINK_LIFE_SECONDS;
    const day = new Date().toISOString().slice(0, 10);
    const signature = encodeURIComponent(createHash("sha1").update(name).digest("base64"));
    const url = `${FOLDER}${day}%2F${name}_aigc.jpeg?Expires=${expires}&OSSAccessKeyId=LTAIstandin&Signature=${signature}`;
    this.#objects.set(url, image);
    return `${this.origin}${url}`;
  }

  /** Answers a GET. */
  serve(request: IncomingMessage, response: ServerResponse): void {
    const { method, url = "", headers } = request;
    const behaviour = this.script[this.downloads.length] ?? this.otherwise;
    this.downloads.push({ method, url, headers, body: undefined });
    const image = this.#objects.get(url);
    if (headers.authorization !== undefined) sendXml(response, 400, "InvalidArgument");
    else if (image === undefined) sendXml(response, 403, "SignatureDoesNotMatch");
    else behaviour({ request, response, image });
  }
}

function sendXml(response: ServerResponse, status: number, code: string): void {
  response
    .writeHead(status, { "Content-Type": "application/xml" })
    .end(`<?xml version="1.0"?><Error><Code>${code}</Code></Error>`);
}

/** Delivers the image. */
export function linkServes(): LinkBehaviour {
  return ({ response, image }) => {
    response.writeHead(200, { "Content-Type": "image/jpeg", "Content-Length": image.length }).end(image);
  };
}

/** Answers with a status and nothing else. */
export function linkStatus(code: number): LinkBehaviour {
  return ({ response }) => {
    response.writeHead(code).end();
  };
}

/** Sends half of the image, and then either closes the connection or falls silent. */
export function linkBreaksOff(then: "close" | "silence"): LinkBehaviour {
  return ({ request, response, image }) => {
    response.writeHead(200, { "Content-Type": "image/jpeg", "Content-Length": image.length });
    response.write(image.subarray(0, image.length / 2), () => {
      if (then === "close") request.socket.destroy();
    });
  };
}

/** Sends the first bytes of the image and ends as if they were all: without a length nobody can tell. */
export function linkEndsEarly(bytes: number): LinkBehaviour {
  return ({ response, image }) => {
    response.writeHead(200, { "Content-Type": "image/jpeg" });
    response.write(image.subarray(0, bytes));
    response.end();
  };
}

/** Sends bytes without end, as fast as they are taken, until the connection is closed. */
export function linkWithoutEnd(): LinkBehaviour {
  return ({ response }) => {
    response.writeHead(200, { "Content-Type": "image/jpeg" });
    Readable.from(endlessly())
      .on("error", () => undefined)
      .pipe(response);
  };
}

/** Redirects. */
export function linkRedirects(location: string): LinkBehaviour {
  return ({ response }) => {
    response.writeHead(302, { Location: location }).end();
  };
}

function* endlessly(): Generator<Buffer> {
  const chunk = Buffer.alloc(1024 * 1024);
  for (;;) yield chunk;
}
