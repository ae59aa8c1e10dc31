import { truncate } from "../text/text.ts";
import { WaitLimit } from "../timing/abort.ts";
import type { Clock } from "../timing/clock.ts";
import { interruptionOf } from "./fetch-failures.ts";

const BODY_MAX_BYTES = 128 * 1024 * 1024;

/**
 * After this much silence, in milliseconds, it is asked whether what came is enough. An HTTP error is not waited for
 * longer: its status has already decided the outcome, unless its body turns out to carry images.
 */
const SILENCE_MS = 3_000;

const TRACE_ID_MAX_CHARACTERS = 100;
const IMAGE_EVIDENCE = /"image_(?:base64|urls)"\s*:\s*(?:\[\s*)?["{]|"success_count"\s*:\s*(?:"\s*)?[1-9]/;
const IMAGE_LIST = /"(image_base64|image_urls)"\s*:\s*\[(?!\s*\])/;

/** An HTTP response with its body read. */
export interface UpstreamResponse {
  readonly status: number;
  readonly host: string;
  readonly traceId: string | undefined;
  /** The wait that `Retry-After` asked for, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** The body's JSON value; of a body that could not be read, `data` with the images that came whole, or undefined. */
  readonly json: unknown;
  /** Why the body could not be read, as a sentence's end; undefined when it could. */
  readonly unreadable: string | undefined;
  /** Whether a body that could not be read lists images or counts some as generated. */
  readonly showsImages: boolean;
  /** Whether links may lead to this machine, because the API host itself is on it. */
  readonly allowLoopback: boolean;
  /** Makes upstream text fit to quote: bounded, one line, without the key. */
  readonly quote: (text: string) => string;
}

/** The request that a response belongs to. */
interface ResponseContext {
  readonly host: string;
  readonly allowLoopback: boolean;
  /** Removed from every quotation. */
  readonly apiKey: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Reads a response of MiniMax. A body that breaks off is read as far as it came.
 *
 * @throws the signal's reason on a cancellation, but not at the call's deadline
 */
export async function readResponse(response: Response, context: ResponseContext): Promise<UpstreamResponse> {
  const { host, allowLoopback, apiKey, clock } = context;
  const quote = (text: string): string => truncate(text.slice(0, 8192).replaceAll(apiKey, "[API key]"));
  const traceId = response.headers.get("trace-id");
  return {
    status: response.status,
    host,
    traceId: traceId === null ? undefined : truncate(quote(traceId), TRACE_ID_MAX_CHARACTERS),
    retryAfterMs: retryAfterMs(response.headers.get("retry-after") ?? "", clock.unixMs()),
    allowLoopback,
    quote,
    ...(await readBody(response, context)),
  };
}

/** One read of a body: its next piece, or its end. */
type BodyRead = Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array>["read"]>>;

/**
 * The body in pieces. Node's own iteration of it can wait forever when the request is aborted just as its last piece
 * arrives (seen with Node 20).
 *
 * @param wait - awaits one read
 */
export async function* bodyOf(
  response: Response,
  wait: (read: Promise<BodyRead>) => Promise<BodyRead>,
): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  const reader: ReadableStreamDefaultReader<Uint8Array> = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await wait(reader.read());
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

async function readBody(
  response: Response,
  { clock, signal }: ResponseContext,
): Promise<Pick<UpstreamResponse, "json" | "unreadable" | "showsImages">> {
  const chunks: Uint8Array[] = [];
  const sinceMs = clock.monotonicMs();
  using silence = new WaitLimit(clock, SILENCE_MS, signal);
  const isEnough = (): boolean => {
    const text = textOf(chunks);
    return response.ok ? jsonOf(text) !== undefined : !IMAGE_EVIDENCE.test(text);
  };
  let unreadable = "its response could not be read: the body is not JSON, or was cut off";
  try {
    const pieces = bodyOf(response, async (read) => {
      for (;;) {
        const result = await silence.wait(read);
        if (result !== undefined) return result;
        if (isEnough()) return { done: true, value: undefined };
      }
    });
    let bytes = 0;
    for await (const piece of pieces) {
      chunks.push(piece);
      bytes += piece.byteLength;
      if (bytes > BODY_MAX_BYTES) throw new RangeError(`the body exceeds ${BODY_MAX_BYTES} bytes`);
      if (!response.ok && clock.monotonicMs() - sinceMs >= SILENCE_MS && isEnough()) break;
    }
  } catch (error) {
    unreadable =
      error instanceof RangeError ? `its response could not be read: ${error.message}` : interruptionOf(error, signal);
  }
  const text = textOf(chunks.splice(0));
  const json = jsonOf(text);
  const showsImages = IMAGE_EVIDENCE.test(text);
  return json === undefined
    ? { json: wholeImagesIn(text), unreadable, showsImages }
    : { json, unreadable: undefined, showsImages };
}

function textOf(chunks: readonly Uint8Array[]): string {
  const text = Buffer.concat(chunks).toString("utf8");
  return text.startsWith("\uFEFF") ? text.slice(1) : text;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A reply with the images whose texts came whole before a body broke off; undefined when there are none. */
function wholeImagesIn(text: string): unknown {
  const [, key = "", list] = text.split(IMAGE_LIST, 3);
  if (list === undefined) return undefined;
  const end = list.indexOf("]");
  const lastMark = list.lastIndexOf('"');
  const cuts = end === -1 ? [lastMark + 1, list.lastIndexOf('"', lastMark - 1) + 1] : [end];
  const images = cuts.map((cut) => jsonOf(`[${list.slice(0, cut)}]`)).find((value) => value !== undefined);
  return images === undefined ? undefined : { data: { [key]: images } };
}

/**
 * `Retry-After` in milliseconds: delay-seconds or an HTTP date, which is UTC also in the old form that does not say so.
 * Source: RFC 9110, sections 10.2.3 and 5.6.7.
 */
function retryAfterMs(header: string, nowUnixMs: number): number | undefined {
  const date = /\d{4}\s*$/.test(header) ? `${header} GMT` : header;
  const ms = /^\s*\d+\s*$/.test(header) ? Number(header) * 1000 : Date.parse(date) - nowUnixMs;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
