import { API_CODES, API_HOSTS, TRANSIENT_HTTP_STATUSES } from "../constants.ts";
import { EmptyResponseError, HttpError, MiniMaxApiError, UnknownOutcomeError } from "../errors.ts";
import { type UpstreamReply, upstreamReplySchema } from "../schemas.ts";
import { secureLink } from "./links.ts";
import type { DecodedImage } from "./reply-body.ts";

const LINK_MAX_CHARACTERS = 2048;
const KEY_CODES: ReadonlySet<number> = new Set([1004, 2049]);

/** One image as MiniMax delivered it: bytes, a link (https, or http on this machine), or nothing usable. */
export type GeneratedImage =
  { readonly chunks: readonly Uint8Array[] } | { readonly link: string } | { readonly problem: string };

/** What one paid request generated. */
export interface GenerationResult {
  /** Upstream's request id, or its trace id; absent when the answer had neither. */
  readonly id: string | undefined;
  /** At least one, in MiniMax's order. */
  readonly images: readonly GeneratedImage[];
  readonly metadata: { readonly failed_count: string; readonly success_count: string };
}

/** An HTTP answer with its body read. */
export interface UpstreamResponse {
  readonly status: number;
  readonly host: string;
  readonly traceId: string | undefined;
  /** What `Retry-After` asked for, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** The parsed JSON, or undefined when the body was not readable JSON. */
  readonly json: unknown;
  /** Why `json` is missing. */
  readonly unreadable: string | undefined;
  readonly decode: (text: string) => DecodedImage;
  /** Makes upstream text fit to quote: bounded, one line, without the key. */
  readonly quote: (text: string) => string;
}

/**
 * Reads an answer in the order HTTP status, `base_resp`, data.
 *
 * @param requested - how many images were asked for, for the counts when upstream gives none
 * @throws MiniMaxApiError, HttpError, UnknownOutcomeError or EmptyResponseError; never anything else, whatever the body
 *   holds
 */
export function interpretReply(response: UpstreamResponse, requested: number): GenerationResult {
  const parsed = upstreamReplySchema.safeParse(response.json);
  const reply: UpstreamReply = parsed.success ? parsed.data : {};
  const success = response.status >= 200 && response.status < 300;
  const code = reply.base_resp?.status_code ?? (success ? undefined : codeInMessage(reply.error?.message));
  if (code !== undefined && code !== 0) throw refusal(response, reply, code);
  if (!success) throw httpFailure(response);

  const images = imagesOf(response, reply);
  const id = [reply.id, response.traceId].map((text) => response.quote(text ?? "")).find((text) => text !== "");
  if (images.length === 0) {
    if (code === undefined && reply.metadata === undefined) {
      throw new UnknownOutcomeError(response.unreadable ?? "its answer is not what MiniMax documents", {
        traceId: response.traceId,
      });
    }
    throw new EmptyResponseError(reply.metadata?.failed_count, id);
  }
  return {
    id,
    images,
    metadata: {
      failed_count: reply.metadata?.failed_count ?? String(Math.max(0, requested - images.length)),
      success_count: reply.metadata?.success_count ?? String(images.length),
    },
  };
}

function refusal(response: UpstreamResponse, reply: UpstreamReply, code: number): Error {
  const message = response.quote(reply.base_resp?.status_msg ?? reply.error?.message ?? "");
  const details = { code, traceId: response.traceId };
  if (API_CODES[code]?.outcome === "unknown") {
    return new UnknownOutcomeError(`MiniMax reported a timeout ("${message}")`, {
      ...details,
      recovery: API_CODES[code].recovery,
    });
  }
  if (mayHaveBeenMade(response.status)) {
    return new UnknownOutcomeError(`${response.host} responded with HTTP ${response.status}`, details);
  }
  return new MiniMaxApiError(code, message, {
    traceId: response.traceId,
    retryAfterMs: response.retryAfterMs,
    transient: TRANSIENT_HTTP_STATUSES.has(response.status),
    hint: KEY_CODES.has(code) ? regionHint(response.host) : "",
  });
}

/** A key of the other region is refused like a wrong key: the most frequent mistake there is. */
function regionHint(host: string): string {
  const [name, url] = host === new URL(API_HOSTS.cn).host ? ["global", API_HOSTS.global] : ["cn", API_HOSTS.cn];
  return ` This server asks ${host}; the other region's host is ${new URL(url).host} (MINIMAX_API_HOST=${name}).`;
}

function httpFailure(response: UpstreamResponse): Error {
  if (mayHaveBeenMade(response.status)) {
    return new UnknownOutcomeError(`${response.host} responded with HTTP ${response.status}`, {
      traceId: response.traceId,
    });
  }
  return new HttpError(response.status, response);
}

function mayHaveBeenMade(status: number): boolean {
  return status >= 500 && !TRANSIENT_HTTP_STATUSES.has(status);
}

/** The other envelope of the same host writes its code into the message: "login fail: … (1004)". */
function codeInMessage(message: string | undefined): number | undefined {
  const digits = /\((\d{4})\)\s*$/.exec(message ?? "")?.[1];
  return digits === undefined ? undefined : Number(digits);
}

function imagesOf({ decode }: UpstreamResponse, { data }: UpstreamReply): GeneratedImage[] {
  const encoded = data?.image_base64 ?? [];
  if (encoded.length > 0) {
    return encoded.map((text) =>
      typeof text === "string" ? decode(text) : { problem: "MiniMax delivered no text for it" },
    );
  }
  return (data?.image_urls ?? []).map(linkOf);
}

function linkOf(text: unknown): GeneratedImage {
  const link = typeof text === "string" && text.length <= LINK_MAX_CHARACTERS ? secureLink(text) : undefined;
  return link === undefined ? { problem: "MiniMax delivered no usable link for it" } : { link: link.href };
}
