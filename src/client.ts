import type { Call } from "./call.ts";
import { ConnectFailures } from "./connect-failures.ts";
import {
  DOWNLOAD_MAX_REDIRECTS,
  DOWNLOAD_STALL_MS,
  IMAGE_GENERATION_PATH,
  IMAGE_MAX_BYTES,
  IMAGES_MAX,
  TRANSIENT_HTTP_STATUSES,
} from "./constants.ts";
import { BudgetSpentError, ConnectionError, ImageError, UnknownOutcomeError } from "./errors.ts";
import { isLoopback } from "./loopback.ts";
import { readReplyBody, type ReplyBody, UnreadableBodyError } from "./reply-body.ts";
import { type Answer, type GeneratedImage, type Generation, interpretReply } from "./reply.ts";
import { retry, type RetryWait, type Timing } from "./retry.ts";
import type { GenerationRequest } from "./schemas.ts";
import { bounded, messageOf, plural, seconds, systemCode } from "./text.ts";
import { Watchdog } from "./watchdog.ts";

const JSON_MAX_BYTES = 1024 * 1024;
const REPLY_LIMITS = {
  imageBytes: IMAGE_MAX_BYTES,
  jsonBytes: JSON_MAX_BYTES,
  bodyBytes: Math.ceil((IMAGES_MAX * IMAGE_MAX_BYTES * 4) / 3) + JSON_MAX_BYTES,
};
const TRACE_ID_MAX_CHARACTERS = 100;
const NO_BODY: ReplyBody = { json: undefined, decode: () => ({ problem: "there is no body" }) };

/** The wire to MiniMax: the only place that calls `fetch`. */
export class MiniMaxClient {
  /**
   * @param apiKey - sent to `apiHost` and nowhere else
   * @param apiHost - origin without a trailing slash
   * @param timing - clock, chance and policy of every wait
   */
  constructor(
    private readonly apiKey: string,
    private readonly apiHost: string,
    private readonly timing: Timing,
  ) {}

  /**
   * Asks MiniMax for pictures, and asks again only when the answer says that nothing was made.
   *
   * @throws MiniMaxApiError, HttpError, ConnectionError, EmptyResponseError, GaveUpError: nothing was made;
   * UnknownOutcomeError: images may have been made and billed; BudgetSpentError: the time ran out in a wait; the signal's reason when the call is cancelled
   */
  async generateImages(request: GenerationRequest, call: Call): Promise<Generation> {
    const attempt = async (): Promise<Generation> => {
      const sinceMs = this.timing.clock.monotonicMs();
      call.onActivity((nowMs) => `generating ${plural(request.n, "image")}, ${seconds(nowMs - sinceMs)}`);
      const response = await this.#post(request, call.signal);
      return interpretReply(await this.#readAnswer(response, call.signal), request.n);
    };
    return retry(attempt, this.timing, {
      signal: call.signal,
      deadlineMs: call.deadlineMs,
      onWait: (wait) => {
        call.onActivity(describeWait(wait));
      },
    });
  }

  /**
   * The bytes of one picture: those that came with the answer, or a download of its link under the size limit, without the key.
   *
   * @throws ImageError when there is no picture or it cannot be fetched (with `repeatAfterMs` when trying again may help); the signal's reason on abort
   */
  async *readImage(image: GeneratedImage, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    if ("problem" in image) throw new ImageError(`MiniMax's image cannot be used: ${image.problem}.`);
    if ("chunks" in image) yield* image.chunks;
    else yield* this.#download(secureLink(image.link), signal);
  }

  async #post(request: GenerationRequest, signal: AbortSignal): Promise<Response> {
    const connectFailures = new ConnectFailures();
    try {
      return await fetch(`${this.apiHost}${IMAGE_GENERATION_PATH}`, {
        method: "POST",
        headers: { Authorization: `Bearer ${this.apiKey}`, "Content-Type": "application/json" },
        body: JSON.stringify(request),
        redirect: "manual",
        signal,
      });
    } catch (error) {
      if (!signal.aborted && connectFailures.includes(causeOf(error)))
        throw new ConnectionError(hostOf(this.apiHost), reasonOf(error), { cause: error });
      throw brokenOff(error, signal);
    } finally {
      connectFailures.stop();
    }
  }

  async #readAnswer(response: Response, signal: AbortSignal): Promise<Answer> {
    const { body, unreadable } = await readBody(response, signal);
    const traceId = response.headers.get("trace-id");
    const quote = (text: string): string => bounded(text.replaceAll(this.apiKey, "[API key]"));
    return {
      status: response.status,
      host: hostOf(this.apiHost),
      traceId: traceId === null ? undefined : bounded(quote(traceId), TRACE_ID_MAX_CHARACTERS),
      retryAfterMs: retryAfterMs(response.headers.get("retry-after"), this.timing.clock.unixMs()),
      json: body.json,
      unreadable,
      decode: body.decode,
      quote,
    };
  }

  async *#download(link: URL, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const watchdog = new Watchdog(this.timing.clock, DOWNLOAD_STALL_MS);
    const either = AbortSignal.any([signal, watchdog.signal]);
    try {
      const response = await get(link, either);
      let bytes = 0;
      const body: AsyncIterable<Uint8Array> | Iterable<Uint8Array> = response.body ?? [];
      for await (const chunk of body) {
        watchdog.reset();
        bytes += chunk.byteLength;
        if (bytes > IMAGE_MAX_BYTES)
          throw new ImageError(`The image behind the link is larger than ${String(IMAGE_MAX_BYTES)} bytes.`);
        yield chunk;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ImageError) throw error;
      const reason = watchdog.signal.aborted ? `nothing came for ${seconds(DOWNLOAD_STALL_MS)}` : reasonOf(error);
      throw new ImageError(
        `The image could not be downloaded from ${link.host} (${reason}).`,
        { repeatAfterMs: 0 },
        { cause: error },
      );
    } finally {
      watchdog.stop();
    }
  }
}

async function get(link: URL, signal: AbortSignal, redirects = 0): Promise<Response> {
  const response = await fetch(link, { redirect: "manual", signal });
  if (response.ok) return response;
  await response.body?.cancel();
  const location = response.headers.get("location");
  if (response.status < 300 || response.status >= 400 || location === null) {
    const repeatAfterMs = response.status >= 500 || TRANSIENT_HTTP_STATUSES.has(response.status) ? 0 : undefined;
    throw new ImageError(`The image could not be downloaded: ${link.host} answered HTTP ${String(response.status)}.`, {
      repeatAfterMs,
    });
  }
  if (redirects === DOWNLOAD_MAX_REDIRECTS)
    throw new ImageError(`The image could not be downloaded: more than ${String(DOWNLOAD_MAX_REDIRECTS)} redirects.`);
  if (!URL.canParse(location, link.href))
    throw new ImageError("The image could not be downloaded: it redirects to something that is no URL.");
  const target = new URL(location, link);
  if (!isSecure(target) || (link.protocol === "https:" && target.protocol !== "https:"))
    throw new ImageError("The image could not be downloaded: it redirects away from https.");
  return get(target, signal, redirects + 1);
}

/** An `http:` link is upgraded; path and query stay as they are, because they are signed. */
function secureLink(link: string): URL {
  const url = new URL(link);
  if (url.protocol === "http:" && !isLoopback(url.hostname)) url.protocol = "https:";
  if (!isSecure(url)) throw new ImageError("MiniMax's link is neither https nor http.");
  return url;
}

function isSecure(url: URL): boolean {
  return url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname));
}

async function readBody(
  response: Response,
  signal: AbortSignal,
): Promise<{ body: ReplyBody; unreadable: string | undefined }> {
  try {
    return { body: await readReplyBody(response.body ?? [], REPLY_LIMITS), unreadable: undefined };
  } catch (error) {
    if (error instanceof UnreadableBodyError)
      return { body: NO_BODY, unreadable: `its answer could not be read: ${error.message}` };
    if (response.ok || signal.aborted) throw brokenOff(error, signal);
    return { body: NO_BODY, unreadable: undefined };
  }
}

/** What to throw when a request that was sent ends without an answer. */
function brokenOff(error: unknown, signal: AbortSignal): unknown {
  if (!signal.aborted)
    return new UnknownOutcomeError(
      `the connection broke before the whole answer came (${reasonOf(error)})`,
      {},
      { cause: error },
    );
  const reason: unknown = signal.reason;
  return reason instanceof BudgetSpentError
    ? new UnknownOutcomeError(`no whole answer came within the call's ${seconds(reason.budgetMs)}`)
    : reason;
}

/** `fetch` hides the reason of a failure in `cause`. */
function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error;
}

function reasonOf(error: unknown): string {
  const cause = causeOf(error);
  return systemCode(cause) ?? messageOf(cause);
}

function hostOf(url: string): string {
  return new URL(url).host;
}

/** `Retry-After` in milliseconds: delay-seconds or an HTTP date. Source: RFC 9110, section 10.2.3. */
function retryAfterMs(header: string | null, nowUnixMs: number): number | undefined {
  if (header === null) return undefined;
  const ms = /^\s*\d+\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowUnixMs;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

function describeWait({ error, nextTry, tries, untilMs }: RetryWait): (nowMs: number) => string {
  return (nowMs) => `${error.message} Try ${String(nextTry)} of ${String(tries)} in ${seconds(untilMs - nowMs)}.`;
}
