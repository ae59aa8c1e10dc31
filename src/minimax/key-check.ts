import { HttpError, UnknownOutcomeError, UserFacingError } from "../errors.ts";
import { messageOf } from "../text/text.ts";
import { interpretReply } from "./reply.ts";
import type { UpstreamResponse } from "./response.ts";

const KEY_REFUSED: ReadonlySet<unknown> = new Set([1004, 2049]);
const MODEL_REFUSED = 2013;
const HTTP_KEY_REFUSED: ReadonlySet<number> = new Set([401, 403]);

/** A host's judgement of a key. */
export interface KeyCheck {
  readonly status: number;
  readonly verdict: "accepted" | "refused" | "unknown";
  /** The host's words behind the verdict, fit to show. */
  readonly reason: string;
}

/** Reads the response to a request for a model that does not exist. Never throws. */
export function keyCheckOf(response: UpstreamResponse): KeyCheck {
  const { status } = response;
  try {
    interpretReply(response, 1);
    return { status, verdict: "unknown", reason: "it answered a request for a model that does not exist with images" };
  } catch (error) {
    const { code } = error instanceof UserFacingError ? error.details : {};
    const isHttpRefusal = error instanceof HttpError && HTTP_KEY_REFUSED.has(error.status);
    const isPage = isHttpRefusal && status === 403 && response.unreadable !== undefined;
    const isRefused = KEY_REFUSED.has(code) || (isHttpRefusal && !isPage);
    const said = error instanceof UnknownOutcomeError ? error.whatHappened : messageOf(error);
    const reason = isPage ? `${said} That is not MiniMax's form: a firewall or proxy may have answered.` : said;
    return { status, verdict: isRefused ? "refused" : code === MODEL_REFUSED ? "accepted" : "unknown", reason };
  }
}
