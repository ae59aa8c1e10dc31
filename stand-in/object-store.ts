import { createHash, randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { RecordedRequest } from "./recorded-request.ts";

const FOLDER = "/image_inference_output%2Ftalkie%2Fprod%2Fimg%2F";
const LINK_LIFE_SECONDS = 24 * 60 * 60;

/** Keeps pictures behind signed links, like the object storage that MiniMax's links lead to: one path segment with encoded slashes, valid only to the letter, without a key. */
export class ObjectStore {
  origin = "";
  readonly downloads: RecordedRequest[] = [];
  readonly #objects = new Map<string, Buffer>();

  /** Whether a path is one of this store's. */
  owns(path: string | undefined): boolean {
    return path?.startsWith(FOLDER) ?? false;
  }

  /** Stores a picture and returns its link. */
  add(picture: Buffer): string {
    const name = randomUUID();
    const expires = Math.floor(Date.now() / 1000) + LINK_LIFE_SECONDS;
    const day = new Date().toISOString().slice(0, 10);
    const signature = encodeURIComponent(createHash("sha1").update(name).digest("base64"));
    const url = `${FOLDER}${day}%2F${name}_aigc.jpeg?Expires=${String(expires)}&OSSAccessKeyId=LTAIstandin&Signature=${signature}`;
    this.#objects.set(url, picture);
    return `${this.origin}${url}`;
  }

  /** Answers a GET. */
  serve(request: IncomingMessage, response: ServerResponse): void {
    const { method, url = "", headers } = request;
    this.downloads.push({ method, url, headers, body: undefined });
    const picture = this.#objects.get(url);
    if (headers.authorization !== undefined) sendXml(response, 400, "InvalidArgument");
    else if (picture === undefined) sendXml(response, 403, "SignatureDoesNotMatch");
    else response.writeHead(200, { "Content-Type": "image/jpeg", "Content-Length": picture.length }).end(picture);
  }
}

function sendXml(response: ServerResponse, status: number, code: string): void {
  response
    .writeHead(status, { "Content-Type": "application/xml" })
    .end(`<?xml version="1.0"?><Error><Code>${code}</Code></Error>`);
}
