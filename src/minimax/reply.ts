import { API_CODES, API_HOSTS, IMAGES_MAX, MAINLAND_HOSTS, TRANSIENT_HTTP_STATUSES } from "../constants.ts";
import { EmptyResponseError, HttpError, MiniMaxApiError, UnknownOutcomeError } from "../errors.ts";
import { type UpstreamReply, upstreamReplySchema } from "../schemas.ts";
import { quoted } from "../text/text.ts";
import { type DeliveredImages, type GeneratedImage, imagesOf } from "./reply-images.ts";
import type { UpstreamResponse } from "./response.ts";

const KEY_CODES: ReadonlySet<number> = new Set([1004, 2049]);

/** The images of one paid request, and its facts. */
export interface GenerationResult {
  /** Upstream's request id, or its trace id; absent when the response had neither. */
  readonly id: string | undefined;
  /** One to nine, in MiniMax's order. */
  readonly images: readonly GeneratedImage[];
  readonly metadata: { readonly failed_count: string; readonly success_count: string };
  /** How many images MiniMax itself says it failed to deliver or withheld; absent when it does not say, or says 0. */
  readonly withheld: string | undefined;
  /** Oddities of the response, a sentence each. */
  readonly warnings: readonly string[];
}

/** A response with the parts of it that decide its meaning. */
interface ReplyFacts {
  readonly response: UpstreamResponse;
  readonly reply: UpstreamReply;
  /** MiniMax's code; 0 means success. */
  readonly code: number | undefined;
  /** Whether its status or code says that nothing was generated. */
  readonly isError: boolean;
  /** MiniMax's own sentence, fit to quote; empty when there is none. */
  readonly sentence: string;
  readonly delivered: DeliveredImages;
}

/**
 * Reads a response. Images in it have been paid for, so they come first, whatever its status and code say; then HTTP
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
  const isError = response.status >= 300 || (code !== undefined && code !== 0);
  const facts = { response, reply, code, isError, sentence, delivered: imagesOf(reply, response.allowLoopback) };
  const { images } = facts.delivered;
  const isUsable = images.some((image) => !("problem" in image));
  if (isUsable || (images.length > 0 && !isError)) return toResult(facts, requested);
  if (showsImages(facts)) {
    throw unknownOutcome(facts, response.unreadable ?? "its response reports images but holds none that can be used");
  }
  if (code !== undefined && code !== 0) throw refusal(facts, code);
  if (isError) throw httpFailure(facts);
  if (code === undefined && reply.metadata === undefined) {
    throw unknownOutcome(facts, response.unreadable ?? "its response is not what MiniMax documents");
  }
  throw new EmptyResponseError(withheldBy(reply), idOf(facts), sentence);
}

function toResult(facts: ReplyFacts, requested: number): GenerationResult {
  const { reply, delivered } = facts;
  const { images } = delivered;
  return {
    id: idOf(facts),
    images,
    metadata: {
      failed_count: reply.metadata?.failed_count ?? String(Math.max(0, requested - images.length)),
      success_count: digits(reply.metadata?.success_count) ?? String(images.length),
    },
    withheld: withheldBy(reply),
    warnings: warningsOf(facts),
  };
}

function withheldBy({ metadata }: UpstreamReply): string | undefined {
  return Number(metadata?.failed_count) > 0 ? metadata?.failed_count : undefined;
}

function warningsOf({ response, code, isError, sentence, delivered }: ReplyFacts): string[] {
  const { images, entryCount } = delivered;
  const codeWords = code === undefined || code === 0 ? "" : `, status code ${code}`;
  const leftOut = entryCount - images.length;
  return [
    ...(isError
      ? [`MiniMax delivered images with an error: HTTP ${response.status}${codeWords}${quoted(sentence)}.`]
      : []),
    ...(response.unreadable === undefined
      ? []
      : [
          `MiniMax's response broke off (${response.unreadable}): images that are missing may have been generated and billed.`,
        ]),
    ...(leftOut > 0
      ? [
          `MiniMax's response lists ${entryCount} images; at most ${IMAGES_MAX} are taken from one response, and ${leftOut} were left out.`,
        ]
      : []),
  ];
}

/**
 * Whether a response with no usable image still claims some were generated: in its counts, in a text or an object
 * where an image belongs, or, where it claims success, in an entry of any kind.
 */
function showsImages({ response, reply, isError, delivered }: ReplyFacts): boolean {
  if (response.unreadable !== undefined) return isError && response.showsImages;
  if (delivered.images.length > 0 || delivered.holdsObjects) return true;
  const counts = [reply.metadata?.success_count, reply.data.success_count].filter((count) => count !== undefined);
  return counts.length === 0 ? !isError && delivered.entryCount > 0 : counts.some((count) => Number(count) !== 0);
}

function refusal(facts: ReplyFacts, code: number): Error {
  const { response, sentence } = facts;
  if (API_CODES[code]?.outcome === "unknown") return unknownOutcome(facts, "MiniMax reported a timeout");
  if (mayHaveGenerated(response.status)) return unknownOutcome(facts, describeStatus(response));
  return new MiniMaxApiError(code, sentence, {
    traceId: response.traceId,
    retryAfterMs: response.retryAfterMs,
    transient: TRANSIENT_HTTP_STATUSES.has(response.status),
    hint: KEY_CODES.has(code) ? regionHint(response.host) : "",
  });
}

function httpFailure(facts: ReplyFacts): Error {
  const { response, sentence } = facts;
  if (mayHaveGenerated(response.status)) return unknownOutcome(facts, describeStatus(response));
  return new HttpError(response.status, { ...response, sentence });
}

function unknownOutcome({ response, code, sentence }: ReplyFacts, whatHappened: string): UnknownOutcomeError {
  const known = API_CODES[code ?? 0];
  return new UnknownOutcomeError(`${whatHappened}${quoted(sentence)}`, {
    code: code === 0 ? undefined : code,
    traceId: response.traceId,
    advice: known?.outcome === "unknown" ? known.recovery : undefined,
  });
}

function describeStatus({ host, status }: UpstreamResponse): string {
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

/** MiniMax's own words; its bare "success" says nothing. */
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

function idOf({ reply, response }: ReplyFacts): string | undefined {
  return [reply.id, response.traceId].map((text) => response.quote(text ?? "")).find((text) => text !== "");
}

function digits(count: string | undefined): string | undefined {
  return /^\d+$/.test(count ?? "") ? count : undefined;
}
