import { API_CODES, API_HOSTS, IMAGES_MAX, MAINLAND_HOSTS, TRANSIENT_HTTP_STATUSES } from "../constants.ts";
import { EmptyResponseError, HttpError, MiniMaxApiError, UnknownOutcomeError } from "../errors.ts";
import { type UpstreamReply, upstreamReplySchema } from "../schemas.ts";
import { quoted } from "../text.ts";
import { type DeliveredImages, type GeneratedImage, type ImageReading, imagesOf } from "./reply-images.ts";

const KEY_CODES: ReadonlySet<number> = new Set([1004, 2049]);

/** What one paid request generated. */
export interface GenerationResult {
  /** Upstream's request id, or its trace id; absent when the answer had neither. */
  readonly id: string | undefined;
  /** One to nine, in MiniMax's order. */
  readonly images: readonly GeneratedImage[];
  readonly metadata: { readonly failed_count: string; readonly success_count: string };
  /** How many images MiniMax itself says it failed to deliver or withheld; absent when it does not say. */
  readonly withheld: string | undefined;
  /** What is odd about the answer, a sentence each. */
  readonly warnings: readonly string[];
}

/** An HTTP answer with its body read. */
export interface UpstreamResponse extends ImageReading {
  readonly status: number;
  readonly host: string;
  readonly traceId: string | undefined;
  /** What `Retry-After` asked for, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** The parsed JSON, or undefined when the body was not readable JSON. */
  readonly json: unknown;
  /** Why `json` is missing. */
  readonly unreadable: string | undefined;
  /** Whether a body that could not be read lists images or counts some as made. */
  readonly showsImages: boolean;
  /** Makes upstream text fit to quote: bounded, one line, without the key. */
  readonly quote: (text: string) => string;
}

/** The parts of an answer that decide what it means. */
interface Verdict {
  readonly response: UpstreamResponse;
  readonly reply: UpstreamReply;
  /** MiniMax's code; 0 means success. */
  readonly code: number | undefined;
  /** Whether status or code say that nothing was made. */
  readonly isError: boolean;
  /** MiniMax's own sentence, fit to quote; empty when there is none. */
  readonly sentence: string;
  readonly delivered: DeliveredImages;
}

/**
 * Reads an answer. Images in it have been paid for, so they come first, whatever its status and code say; then HTTP
 * status, `base_resp`, data.
 *
 * @param requested - how many images were asked for, for the counts when upstream gives none
 * @throws MiniMaxApiError, HttpError, UnknownOutcomeError or EmptyResponseError; never anything else, whatever the body
 *   holds
 */
export function interpretReply(response: UpstreamResponse, requested: number): GenerationResult {
  const parsed = upstreamReplySchema.safeParse(response.json);
  const reply = parsed.success ? parsed.data : upstreamReplySchema.parse({});
  const sentence = sentenceOf(reply, response);
  const code = codeOf(reply);
  const isError = response.status < 200 || response.status >= 300 || (code !== undefined && code !== 0);
  const verdict = { response, reply, code, isError, sentence, delivered: imagesOf(reply, response) };
  const { images } = verdict.delivered;
  const isUsable = images.some((image) => !("problem" in image));
  if (isUsable || (images.length > 0 && !isError)) return toResult(verdict, requested);
  if (showsImages(verdict)) {
    throw unknownOutcome(verdict, response.unreadable ?? "its response reports images but holds none that can be used");
  }
  if (code !== undefined && code !== 0) throw refusal(verdict, code);
  if (isError) throw httpFailure(verdict);
  if (code === undefined && reply.metadata === undefined) {
    throw unknownOutcome(verdict, response.unreadable ?? "its response is not what MiniMax documents");
  }
  throw new EmptyResponseError(reply.metadata?.failed_count, idOf(verdict), sentence);
}

function toResult(verdict: Verdict, requested: number): GenerationResult {
  const { reply, delivered } = verdict;
  const { images } = delivered;
  return {
    id: idOf(verdict),
    images,
    metadata: {
      failed_count: reply.metadata?.failed_count ?? String(Math.max(0, requested - images.length)),
      success_count: digits(reply.metadata?.success_count) ?? String(images.length),
    },
    withheld: reply.metadata?.failed_count,
    warnings: warningsOf(verdict),
  };
}

function warningsOf({ response, code, isError, sentence, delivered }: Verdict): string[] {
  const { images, entryCount } = delivered;
  const codeWords = code === undefined || code === 0 ? "" : `, status code ${code}`;
  const leftOut = entryCount - images.length;
  const isRest = images.every(({ index }, position) => index === position);
  const which = isRest ? `: numbers ${images.length + 1} to ${entryCount}` : "";
  return [
    ...(isError
      ? [`MiniMax delivered images with an error: HTTP ${response.status}${codeWords}${quoted(sentence)}.`]
      : []),
    ...(leftOut > 0
      ? [
          `MiniMax's answer lists ${entryCount} images; at most ${IMAGES_MAX} are taken from one answer, and ${leftOut} were left out${which}.`,
        ]
      : []),
  ];
}

/**
 * Whether an answer without a usable image speaks of images all the same: in its counts, in a text or an object where
 * an image belongs, or, where it claims success, in an entry of any kind.
 */
function showsImages({ response, reply, isError, delivered }: Verdict): boolean {
  if (response.json === undefined) return isError && response.showsImages;
  if (delivered.images.length > 0 || delivered.holdsObjects) return true;
  const counts = [reply.metadata?.success_count, reply.data.success_count].filter((count) => count !== undefined);
  return counts.length === 0 ? !isError && delivered.entryCount > 0 : counts.some((count) => Number(count) !== 0);
}

function refusal(verdict: Verdict, code: number): Error {
  const { response, sentence } = verdict;
  if (API_CODES[code]?.outcome === "unknown") return unknownOutcome(verdict, "MiniMax reported a timeout");
  if (mayHaveGenerated(response.status)) return unknownOutcome(verdict, answered(response));
  return new MiniMaxApiError(code, sentence, {
    traceId: response.traceId,
    retryAfterMs: response.retryAfterMs,
    transient: TRANSIENT_HTTP_STATUSES.has(response.status),
    hint: KEY_CODES.has(code) ? regionHint(response.host) : "",
  });
}

function httpFailure(verdict: Verdict): Error {
  const { response, sentence } = verdict;
  if (mayHaveGenerated(response.status)) return unknownOutcome(verdict, answered(response));
  return new HttpError(response.status, { ...response, sentence });
}

function unknownOutcome({ response, code, sentence }: Verdict, whatHappened: string): UnknownOutcomeError {
  const known = code === undefined ? undefined : API_CODES[code];
  return new UnknownOutcomeError(`${whatHappened}${quoted(sentence)}`, {
    code: code === 0 ? undefined : code,
    traceId: response.traceId,
    recovery: known?.outcome === "unknown" ? known.recovery : undefined,
  });
}

function answered({ host, status }: UpstreamResponse): string {
  return `${host} responded with HTTP ${status}`;
}

/** A key of the other region is refused like a wrong key: the most frequent mistake there is. */
function regionHint(host: string): string {
  const [name, url] = MAINLAND_HOSTS.has(host) ? ["global", API_HOSTS.global] : ["cn", API_HOSTS.cn];
  return ` This server asks ${host}; the other region's host is ${new URL(url).host} (MINIMAX_API_HOST=${name}).`;
}

function mayHaveGenerated(status: number): boolean {
  return status >= 500 && !TRANSIENT_HTTP_STATUSES.has(status);
}

/** What MiniMax says in words; its bare "success" says nothing. */
function sentenceOf(reply: UpstreamReply, { quote }: UpstreamResponse): string {
  const words = [reply.base_resp?.status_msg, reply.error?.message, reply.message].map((text) => quote(text ?? ""));
  return words.find((text) => text !== "" && !/^success$/i.test(text)) ?? "";
}

/** The other envelope of the same host writes its code into the message: "login fail: … (1004)". */
function codeOf({ base_resp, error }: UpstreamReply): number | undefined {
  const code = base_resp?.status_code;
  if (code !== undefined && code !== 0) return code;
  const inMessage = /\((\d{4})\)\s*$/.exec(error?.message ?? "")?.[1];
  return inMessage === undefined ? code : Number(inMessage);
}

function idOf({ reply, response }: Verdict): string | undefined {
  return [reply.id, response.traceId].map((text) => response.quote(text ?? "")).find((text) => text !== "");
}

function digits(count: string | undefined): string | undefined {
  return /^\d+$/.test(count ?? "") ? count : undefined;
}
