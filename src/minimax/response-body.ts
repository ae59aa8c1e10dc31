import { ERROR_BODY_WAIT_MS, IMAGE_MAX_BYTES, IMAGES_MAX } from "../constants.ts";
import { DeadlineExceededError } from "../errors.ts";
import { LinkedAbortController, NO_LONGER_NEEDED, unlessAborted } from "../timing/abort.ts";
import type { Clock } from "../timing/clock.ts";
import { toInterruptedError } from "./fetch-failures.ts";
import { type ReplyBody, ReplyReader, UnreadableBodyError } from "./reply-body.ts";

const JSON_MAX_BYTES = 1024 * 1024;
const REPLY_LIMITS = {
  imageBytes: IMAGE_MAX_BYTES,
  jsonBytes: JSON_MAX_BYTES,
  bodyBytes: Math.ceil((IMAGES_MAX * IMAGE_MAX_BYTES * 4) / 3) + JSON_MAX_BYTES,
};

/**
 * The body in pieces. Node's own iteration of it can wait forever when the request is aborted just as its last piece
 * arrives (seen with Node 20).
 */
export async function* bodyOf(response: Response, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  const reader: ReadableStreamDefaultReader<Uint8Array> = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await unlessAborted(reader.read(), signal);
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

/** What became of an answer's body. */
export interface ReadBody extends ReplyBody {
  /** Why `json` is missing, where that is worth saying. */
  readonly unreadable: string | undefined;
  /** Whether what came of it lists images or counts some as made, readable or not. */
  readonly showsImages: boolean;
}

/**
 * Reads an answer's body. An HTTP error counts also without it, so its body is waited for only briefly, unless it
 * begins to show images: those have been paid for.
 *
 * @throws UnknownOutcomeError when the body of a success breaks off or is late; the signal's reason on cancellation
 */
export async function readBody(response: Response, signal: AbortSignal, clock: Clock): Promise<ReadBody> {
  const reader = new ReplyReader(REPLY_LIMITS);
  using bodyTimeout = new LinkedAbortController(signal);
  const ended = new AbortController();
  if (!response.ok) {
    const giveUp = (): void => {
      if (!reader.showsImages) bodyTimeout.abort(NO_LONGER_NEEDED);
    };
    clock.sleep(ERROR_BODY_WAIT_MS, ended.signal).then(giveUp, () => undefined);
  }
  try {
    const body = await reader.read(bodyOf(response, bodyTimeout.signal));
    return { ...body, unreadable: undefined, showsImages: reader.showsImages };
  } catch (error) {
    const missing = { json: undefined, decode: noBody, showsImages: reader.showsImages };
    if (error instanceof UnreadableBodyError) {
      return { ...missing, unreadable: `its response could not be read: ${error.message}` };
    }
    const isCancelled = signal.aborted && !(signal.reason instanceof DeadlineExceededError);
    if (response.ok || isCancelled) throw toInterruptedError(error, signal);
    return { ...missing, unreadable: "its response broke off" };
  } finally {
    ended.abort(NO_LONGER_NEEDED);
  }
}

function noBody(): { readonly problem: string } {
  return { problem: "there is no body" };
}
