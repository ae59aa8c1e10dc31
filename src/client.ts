import { GENERATION_USUAL_MS, IMAGE_GENERATION_PATH, TRANSIENT_HTTP_STATUSES } from "./constants.ts";
import { afterSending, ImageError, UnknownOutcomeError, UserFacingError } from "./errors.ts";
import { interruptionOf, toDownloadError, toUnsentError } from "./minimax/fetch-failures.ts";
import { type KeyCheck, keyCheckOf } from "./minimax/key-check.ts";
import { redirectTarget, secureLink } from "./minimax/links.ts";
import { type GenerationResult, interpretReply } from "./minimax/reply.ts";
import { type GeneratedImage, IMAGE_MAX_BYTES } from "./minimax/reply-images.ts";
import type { GenerationRequest } from "./minimax/request.ts";
import { bodyOf, readResponse, type UpstreamResponse } from "./minimax/response.ts";
import { SendWatch } from "./minimax/send-watch.ts";
import { isLoopback } from "./text/loopback.ts";
import { formatSeconds, plural } from "./text/text.ts";
import { NO_LONGER_NEEDED, WaitLimit } from "./timing/abort.ts";
import type { Activity } from "./timing/progress.ts";
import type { RateLimiter, Ticket } from "./timing/rate-limiter.ts";
import { retry, type RetryWait, type Timing } from "./timing/retry.ts";

/** A download that delivers nothing for this long is given up and retried, in milliseconds. */
const DOWNLOAD_STALL_MS = 20_000;
const DOWNLOAD_MAX_REDIRECTS = 3;

/** A longer pause that MiniMax asks for would stop the process for good: no call may take longer, in milliseconds. */
const PAUSE_MAX_MS = 300_000;

/** The call that requests are made for. */
export interface RequestContext {
  /** Ends the request, its wait or its queueing. */
  readonly signal: AbortSignal;
  /** End of the budget, in monotonic milliseconds. */
  readonly deadlineMs: number;
  /**
   * Says in a few words what is being done from now on.
   *
   * @param usualMs - how long that usually takes, in milliseconds; absent for a wait
   */
  readonly report: (activity: Activity, usualMs?: number) => void;
  /** Takes note of whether images may be generated and billed from now on. */
  readonly setMayBeBilled: (mayBeBilled: boolean) => void;
}

/** The wire to MiniMax: the only place that calls `fetch`. */
export class MiniMaxClient {
  readonly #isHostLocal: boolean;

  /**
   * @param apiKey - sent to `apiHost` and nowhere else
   * @param apiHost - origin without a trailing slash
   * @param timing - clock, chance and policy of every wait
   * @param rateLimiter - shared by all calls of the process
   * @param proxy - the proxy that connections may go through, without its password; for messages only
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
   * @throws UserFacingError, whose `billing` says whether images may have been generated; the signal's reason when the
   *   call is cancelled
   */
  async generateImages(request: GenerationRequest, call: RequestContext): Promise<GenerationResult> {
    let sent = 0;
    const onSent = (): void => {
      sent += 1;
      call.setMayBeBilled(true);
    };
    const attempt = async (): Promise<GenerationResult> => {
      await this.rateLimiter.acquire({
        signal: call.signal,
        deadlineMs: call.deadlineMs,
        onWait: (ticket) => {
          call.report(describeTicket(ticket));
        },
      });
      const sinceMs = this.timing.clock.monotonicMs();
      call.report(
        (nowMs) => `generating ${plural(request.n, "image")}, ${formatSeconds(nowMs - sinceMs)}`,
        GENERATION_USUAL_MS,
      );
      const response = await this.#post(request, call.signal, onSent);
      return this.#pauseOthersOnRefusal(() => interpretReply(response, request.n));
    };
    const onWait = (wait: RetryWait): void => {
      call.report(describeWait(wait));
      call.setMayBeBilled(false);
    };
    try {
      return await retry(attempt, this.timing, { signal: call.signal, deadlineMs: call.deadlineMs, onWait });
    } catch (error) {
      throw sent > 0 ? afterSending(error) : error;
    }
  }

  /**
   * The bytes of one image: those that came with the response, or a download of its link under the size limit, without
   * the key.
   *
   * @throws ImageError when there are none (with `retryAfterMs` when a retry may help); the signal's reason on abort
   */
  async *readImage(image: GeneratedImage, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    if ("problem" in image) throw new ImageError(`MiniMax's image cannot be used: ${image.problem}.`);
    if ("bytes" in image) {
      yield image.bytes;
      return;
    }
    const link = secureLink(image.link, this.#isHostLocal);
    if (link === undefined) throw new ImageError("MiniMax's link cannot be used.");
    yield* this.#download(link, signal);
  }

  /**
   * Asks a host, for free, whether it accepts the key: MiniMax judges the key before the parameters, so a request for a
   * model that does not exist is refused for the model when the key is good, and for the key when it is not.
   *
   * @param host - origin without a trailing slash; the key is sent there
   * @throws ConnectionError when the connection cannot be established; UnknownOutcomeError when no response comes; the
   *   signal's reason on abort
   */
  async checkKey(signal: AbortSignal, host = this.apiHost): Promise<KeyCheck> {
    return keyCheckOf(await this.#post({ model: "no-such-model", prompt: "check" }, signal, () => undefined, host));
  }

  /**
   * Passes a result or refusal on. When the refusal asks for a pause, every other request of this process waits as
   * well.
   */
  #pauseOthersOnRefusal<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      const pauseMs = error instanceof UserFacingError ? (error.details.retryAfterMs ?? 0) : 0;
      this.rateLimiter.pauseUntil(this.timing.clock.monotonicMs() + Math.min(pauseMs, PAUSE_MAX_MS));
      throw error;
    }
  }

  async #post(
    request: object,
    signal: AbortSignal,
    onSent: () => void,
    host = this.apiHost,
  ): Promise<UpstreamResponse> {
    const sending = new SendWatch(onSent);
    const context = {
      host: new URL(host).host,
      allowLoopback: this.#isHostLocal,
      apiKey: this.apiKey,
      clock: this.timing.clock,
      signal,
    };
    let response: Response;
    try {
      response = await sending.watch(() =>
        fetch(`${host}${IMAGE_GENERATION_PATH}`, {
          method: "POST",
          headers: { Authorization: `Bearer ${this.apiKey}`, "Content-Type": "application/json" },
          body: JSON.stringify(request),
          redirect: "manual",
          signal,
        }),
      );
    } catch (error) {
      if (!sending.mayHaveSent) throw toUnsentError(error, signal, context.host, this.proxy);
      throw new UnknownOutcomeError(interruptionOf(error, signal), { cause: error });
    }
    return readResponse(response, context);
  }

  async *#download(link: URL, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const ended = new AbortController();
    using stall = new WaitLimit(this.timing.clock, DOWNLOAD_STALL_MS, signal);
    const limited = async <T>(step: Promise<T>): Promise<T> => {
      const result = await stall.wait(step);
      if (result === undefined) throw new Error(`nothing came for ${formatSeconds(DOWNLOAD_STALL_MS)}`);
      return result;
    };
    try {
      const response = await limited(get(link, AbortSignal.any([signal, ended.signal]), this.#isHostLocal));
      let bytes = 0;
      for await (const chunk of bodyOf(response, limited)) {
        bytes += chunk.byteLength;
        if (bytes > IMAGE_MAX_BYTES) {
          throw new ImageError(`The image behind the link is larger than ${IMAGE_MAX_BYTES} bytes.`);
        }
        yield chunk;
      }
    } catch (error) {
      signal.throwIfAborted();
      throw error instanceof ImageError ? error : toDownloadError(error, link.host, this.proxy);
    } finally {
      ended.abort(NO_LONGER_NEEDED);
    }
  }
}

async function get(link: URL, signal: AbortSignal, allowLoopback: boolean, redirects = 0): Promise<Response> {
  const sending = new SendWatch(() => undefined);
  const response = await sending.watch(() => fetch(link, { redirect: "manual", signal }));
  if (response.ok) return response;
  await response.body?.cancel();
  const location = response.headers.get("location");
  if (response.status >= 400 || location === null) {
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

function describeTicket({ callsAhead, startsAtMs }: Ticket): Activity {
  return (nowMs) =>
    `waiting for a slot under the rate limit, ${plural(callsAhead(), "call")} ahead, about ${formatSeconds(startsAtMs() - nowMs)}`;
}

function describeWait({ error, nextAttempt, attempts, untilMs }: RetryWait): Activity {
  return (nowMs) => `${error.message} Attempt ${nextAttempt} of ${attempts} in ${formatSeconds(untilMs - nowMs)}.`;
}
