import { IMAGE_MAX_BYTES, IMAGES_MAX } from "../constants.ts";
import { DeadlineExceededError } from "../errors.ts";
import { unlessAborted } from "../timing/abort.ts";
import { toInterruptedError } from "./fetch-failures.ts";
import { readReplyBody, type ReplyBody, UnreadableBodyError } from "./reply-body.ts";

const JSON_MAX_BYTES = 1024 * 1024;
const REPLY_LIMITS = {
  imageBytes: IMAGE_MAX_BYTES,
  jsonBytes: JSON_MAX_BYTES,
  bodyBytes: Math.ceil((IMAGES_MAX * IMAGE_MAX_BYTES * 4) / 3) + JSON_MAX_BYTES,
};
const NO_BODY: ReplyBody = { json: undefined, decode: () => ({ problem: "there is no body" }) };

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

/** An answer that says no by its HTTP status counts even when its body does not come. */
export async function readBody(
  response: Response,
  signal: AbortSignal,
): Promise<{ body: ReplyBody; unreadable: string | undefined }> {
  try {
    return { body: await readReplyBody(bodyOf(response, signal), REPLY_LIMITS), unreadable: undefined };
  } catch (error) {
    if (error instanceof UnreadableBodyError) {
      return { body: NO_BODY, unreadable: `its answer could not be read: ${error.message}` };
    }
    const isCancelled = signal.aborted && !(signal.reason instanceof DeadlineExceededError);
    if (response.ok || isCancelled) throw toInterruptedError(error, signal);
    return { body: NO_BODY, unreadable: undefined };
  }
}
