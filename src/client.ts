import {
  CALL_BUDGET_RANGE_MS,
  DOWNLOAD_MAX_REDIRECTS,
  DOWNLOAD_STALL_MS,
  GENERATION_USUAL_MS,
  IMAGE_GENERATION_PATH,
  IMAGE_MAX_BYTES,
  TRANSIENT_HTTP_STATUSES,
} from "./constants.ts";
import { afterSending, HttpError, ImageError, UserFacingError } from "./errors.ts";
import { certificateCodeOf, reasonOf, toInterruptedError, toUnsentError, withProxy } from "./minimax/fetch-failures.ts";
import { type KeyCheck, keyCheckOf } from "./minimax/key-check.ts";
import { redirectTarget, secureLink } from "./minimax/links.ts";
import { isLoopback } from "./minimax/loopback.ts";
import { type GenerationResult, interpretReply, type UpstreamResponse } from "./minimax/reply.ts";
import type { UsableImage } from "./minimax/reply-images.ts";
import { bodyOf, readBody } from "./minimax/response-body.ts";
import { SendWatch } from "./minimax/send-watch.ts";
import type { GenerationRequest } from "./schemas.ts";
import { formatSeconds, plural, truncate } from "./text.ts";
import type { Call } from "./timing/call.ts";
import type { RateLimiter, Ticket } from "./timing/rate-limiter.ts";
import { retry, type RetryWait, type Timing } from "./timing/retry.ts";
import { StallTimer } from "./timing/stall-timer.ts";

const PROXY_AUTHENTICATION_REQUIRED = 407;
const TRACE_ID_MAX_CHARACTERS = 100;

/** The wire to MiniMax: the only place that calls `fetch`. */
export class MiniMaxClient {
  readonly #isHostLocal: boolean;

  /**
   * @param apiKey - sent to `apiHost` and nowhere else
   * @param apiHost - origin without a trailing slash
   * @param timing - clock, chance and policy of every wait
   * @param rateLimiter - shared by all calls of the process
   * @param proxy - what connections may go through, without its password; for messages only
   */
  constructor(
    private readonly apiKey: string,
    private readonly apiHost: string,
    private readonly timing: Timing,
    private readonly rateLimiter: RateLimiter,
    private readonly proxy?: string,
  ) {
    this.#isHostLocal = isLoopback(new URL(apiHost).hostname);
  }

  /**
   * Asks MiniMax for images, and asks again only when it is certain that nothing was generated. Each attempt takes its
   * slot under the rate limit here, when the request is ready to be sent.
   *
   * @throws MiniMaxApiError, HttpError, ConnectionError, CertificateError, ConnectTimeoutError, EmptyResponseError,
   *   QueueTimeoutError, RetriesExhaustedError: nothing was generated; UnknownOutcomeError: images may have been
   *   generated and billed; DeadlineExceededError: the time ran out in a wait; the signal's reason when the call is
   *   cancelled. Those that say that nothing was sent become a plain UserFacingError when an earlier attempt was
   */
  async generateImages(request: GenerationRequest, call: Call): Promise<GenerationResult> {
    const attempt = async (): Promise<GenerationResult> => {
      const onWait = (ticket: Ticket): void => {
        call.onActivity(describeTicket(ticket));
      };
      await this.rateLimiter.acquire({ ...call, onWait });
      const sinceMs = this.timing.clock.monotonicMs();
      call.onActivity((nowMs) => `generating ${plural(request.n, "image")}, ${formatSeconds(nowMs - sinceMs)}`, {
        from: 0,
        to: 1,
        sinceMs,
        usualMs: GENERATION_USUAL_MS,
      });
      const response = await this.#readResponse(await this.#post(request, call), call.signal);
      return this.#pauseOthersOnRefusal(() => interpretReply(response, request.n));
    };
    const onWait = (wait: RetryWait): void => {
      call.onActivity(describeWait(wait));
      call.onRetryWait();
    };
    try {
      return await retry(attempt, this.timing, { signal: call.signal, deadlineMs: call.deadlineMs, onWait });
    } catch (error) {
      throw call.hasSent ? afterSending(error) : error;
    }
  }

  /**
   * The bytes of one image: those that came with the answer, or a download of its link under the size limit, without
   * the key.
   *
   * @throws ImageError when it cannot be fetched (with `retryAfterMs` when a retry may help); the
   *   signal's reason on abort
   */
  async *readImage(image: UsableImage, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    if ("chunks" in image) {
      yield* image.chunks;
      return;
    }
    const link = secureLink(image.link, this.#isHostLocal);
    if (link === undefined) throw new ImageError("MiniMax's link cannot be used.");
    yield* this.#download(link, signal);
  }

  /**
   * Passes a result or refusal on. When the refusal asks for a pause, every other request of this process waits as
   * well, but never longer than a call may take: an absurd Retry-After must not stop the process for good.
   */
  #pauseOthersOnRefusal<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      const pauseMs = error instanceof UserFacingError ? (error.details.retryAfterMs ?? 0) : 0;
      const heldMs = Math.min(pauseMs, CALL_BUDGET_RANGE_MS.maximum);
      if (heldMs > 0) this.rateLimiter.pauseUntil(this.timing.clock.monotonicMs() + heldMs);
      throw error;
    }
  }

  /**
   * Asks a host, for free, whether it accepts the key: MiniMax judges the key before the parameters, so a request for a
   * model that does not exist is refused for the model when the key is good, and for the key when it is not.
   *
   * @param host - origin without a trailing slash; the key is sent there
   * @throws ConnectionError, CertificateError or HttpError (of a proxy) when the connection cannot be established;
   *   UnknownOutcomeError when the answer breaks off; the signal's reason on abort
   */
  async checkKey(signal: AbortSignal, host = this.apiHost): Promise<KeyCheck> {
    const response = await this.#post(
      { model: "no-such-model", prompt: "check" },
      { signal, onSent: () => undefined },
      host,
    );
    return keyCheckOf(await this.#readResponse(response, signal, host));
  }

  async #post(
    request: GenerationRequest | (Pick<GenerationRequest, "prompt"> & { readonly model: string }),
    { signal, onSent }: Pick<Call, "signal" | "onSent">,
    host = this.apiHost,
  ): Promise<Response> {
    const sending = new SendWatch(onSent);
    try {
      return await sending.watch(() =>
        fetch(`${host}${IMAGE_GENERATION_PATH}`, {
          method: "POST",
          headers: {
            Authorization: `Bearer ${this.apiKey}`,
            "Content-Type": "application/json",
          },
          body: JSON.stringify(request),
          redirect: "manual",
          signal,
        }),
      );
    } catch (error) {
      if (sending.status === PROXY_AUTHENTICATION_REQUIRED) throw new HttpError(sending.status, { host: hostOf(host) });
      throw sending.mayHaveSent
        ? toInterruptedError(error, signal)
        : toUnsentError(error, signal, hostOf(host), this.proxy);
    }
  }

  async #readResponse(response: Response, signal: AbortSignal, host = this.apiHost): Promise<UpstreamResponse> {
    const body = await readBody(response, signal, this.timing.clock);
    const traceId = response.headers.get("trace-id");
    const quote = (text: string): string => truncate(text.replaceAll(this.apiKey, "[API key]"));
    return {
      status: response.status,
      host: hostOf(host),
      traceId: traceId === null ? undefined : truncate(quote(traceId), TRACE_ID_MAX_CHARACTERS),
      retryAfterMs: retryAfterMs(response.headers.get("retry-after"), this.timing.clock.unixMs()),
      ...body,
      allowLoopback: this.#isHostLocal,
      quote,
    };
  }

  async *#download(link: URL, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    using stallTimer = new StallTimer(this.timing.clock, DOWNLOAD_STALL_MS, signal);
    try {
      const response = await get(link, stallTimer.signal, this.#isHostLocal);
      let bytes = 0;
      for await (const chunk of bodyOf(response, stallTimer.signal)) {
        stallTimer.pause();
        bytes += chunk.byteLength;
        if (bytes > IMAGE_MAX_BYTES) {
          throw new ImageError(`The image behind the link is larger than ${IMAGE_MAX_BYTES} bytes.`);
        }
        yield chunk;
        stallTimer.touch();
      }
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ImageError) throw error;
      const why = stallTimer.stalled ? `nothing came for ${formatSeconds(DOWNLOAD_STALL_MS)}` : reasonOf(error);
      throw new ImageError(`The image could not be downloaded from ${link.host} (${withProxy(why, this.proxy)}).`, {
        retryAfterMs: certificateCodeOf(error) === undefined ? 0 : undefined,
        cause: error,
      });
    }
  }
}

async function get(link: URL, signal: AbortSignal, allowLoopback: boolean, redirects = 0): Promise<Response> {
  const sending = new SendWatch(() => undefined);
  const response = await sending.watch(() => fetch(link, { redirect: "manual", signal }));
  if (response.ok) return response;
  await response.body?.cancel();
  const location = response.headers.get("location");
  if (response.status < 300 || response.status >= 400 || location === null) {
    const retryAfterMs = response.status >= 500 || TRANSIENT_HTTP_STATUSES.has(response.status) ? 0 : undefined;
    throw new ImageError(`The image could not be downloaded: ${link.host} responded with HTTP ${response.status}.`, {
      retryAfterMs,
    });
  }
  if (redirects === DOWNLOAD_MAX_REDIRECTS) {
    throw new ImageError(`The image could not be downloaded: more than ${DOWNLOAD_MAX_REDIRECTS} redirects.`);
  }
  return get(redirectTarget(link, location, allowLoopback), signal, allowLoopback, redirects + 1);
}

function hostOf(url: string): string {
  return new URL(url).host;
}

/**
 * `Retry-After` in milliseconds: delay-seconds or an HTTP date, which is UTC also in the old form that does not say so.
 * Source: RFC 9110, sections 10.2.3 and 5.6.7.
 */
function retryAfterMs(header: string | null, nowUnixMs: number): number | undefined {
  if (header === null) return undefined;
  const date = /\d{4}\s*$/.test(header) ? `${header} GMT` : header;
  const ms = /^\s*\d+\s*$/.test(header) ? Number(header) * 1000 : Date.parse(date) - nowUnixMs;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

function describeTicket({ callsAhead, startsAtMs }: Ticket): (nowMs: number) => string {
  return (nowMs) =>
    `waiting for a slot under the rate limit, ${plural(callsAhead(), "call")} ahead, about ${formatSeconds(startsAtMs() - nowMs)}`;
}

function describeWait({ error, nextAttempt, attempts, untilMs }: RetryWait): (nowMs: number) => string {
  return (nowMs) => `${error.message} Attempt ${nextAttempt} of ${attempts} in ${formatSeconds(untilMs - nowMs)}.`;
}
