/** The one tool this server registers. */
export const TOOL_NAME = "minimax_image_generate";

/** Path of the image endpoint, the same on every MiniMax host. */
export const IMAGE_GENERATION_PATH = "/v1/image_generation";

/** MiniMax's public hosts by region. A key works only with the host of the region it was made in. */
export const API_HOSTS = {
  global: "https://api.minimax.io",
  cn: "https://api.minimax.cn",
} as const;

/** Host names of mainland China: the one MiniMax moved to in September 2026, and the one it moved from. */
export const MAINLAND_HOSTS: ReadonlySet<string> = new Set(["api.minimax.cn", "api.minimaxi.com"]);

/** Aspect ratios MiniMax accepts, with the pixels it generates for each. */
export const ASPECT_RATIO_PIXELS = {
  "1:1": { width: 1024, height: 1024 },
  "16:9": { width: 1280, height: 720 },
  "4:3": { width: 1152, height: 864 },
  "3:2": { width: 1248, height: 832 },
  "2:3": { width: 832, height: 1248 },
  "3:4": { width: 864, height: 1152 },
  "9:16": { width: 720, height: 1280 },
  "21:9": { width: 1344, height: 576 },
} as const;

/** Aspect ratios in the order they are offered to the model. */
export const ASPECT_RATIOS = [
  "1:1",
  "16:9",
  "4:3",
  "3:2",
  "2:3",
  "3:4",
  "9:16",
  "21:9",
] as const satisfies readonly (keyof typeof ASPECT_RATIO_PIXELS)[];

/** Longest prompt MiniMax documents, in Unicode code points. */
export const PROMPT_MAX_CHARACTERS = 1500;

/** Most images one request can ask for. */
export const IMAGES_MAX = 9;

/** Largest seed accepted: an unsigned 32-bit integer. */
export const SEED_MAX = 4_294_967_295;

/** Most subject references in one request. */
export const REFERENCES_MAX = 5;

/** MiniMax refuses reference images of this many bytes or more. */
export const REFERENCE_MAX_BYTES = 10_000_000;

/** Sides of an image of exact size, in pixels. */
export const SIDE_PIXELS = { minimum: 512, maximum: 2048, multipleOf: 8 } as const;

/** Styles of `image-01-live`. */
export const STYLE_TYPES = ["漫画", "元气", "中世纪", "水彩"] as const;

/** The weight of a style that MiniMax assumes when none is given. */
export const DEFAULT_STYLE_WEIGHT = 0.8;

/** MiniMax's documented limit on requests a minute, for free and paid accounts. */
export const REQUESTS_PER_MINUTE_LIMIT = 10;

/**
 * The window over which requests are counted, in milliseconds: a second more than MiniMax's minute, because requests
 * travel at different speeds.
 */
export const RATE_LIMIT_WINDOW_MS = 61_000;

/** Bytes of a JPEG for each pixel, a little more than was measured: what a disk has to have free. */
export const BYTES_PER_PIXEL = 0.35;

/** How long an answer usually takes, in milliseconds: 14 to 26 s were seen for one image, 18 s for nine. */
export const GENERATION_USUAL_MS = 20_000;

/**
 * The meaning of a status code for the request:
 * `refused`: nothing was generated, and a retry would get the same answer;
 * `transient`: nothing was generated, and a retry may work;
 * `unknown`: images may have been generated and billed, so it is never retried.
 */
type Outcome = "refused" | "transient" | "unknown";

/** The facts of one `base_resp.status_code`. */
export interface ApiCode {
  readonly meaning: string;
  readonly outcome: Outcome;
  /** Least wait before a retry, in milliseconds; jitter comes on top. */
  readonly minimumWaitMs?: number;
  /** Advice for the person or the model. */
  readonly recovery: string;
}

/** The hint for every fault that passes by itself. */
export const TRY_LATER = "This looks like a temporary fault at MiniMax: call again in a minute.";
const PLAN_QUOTA = "Wait until the plan's quota is renewed, or use a pay-as-you-go key.";
const CHECK_KEY =
  "Check MINIMAX_API_KEY. A wrong key and a key of the other region look the same: a key from platform.minimax.io works only with MINIMAX_API_HOST=global, a key from platform.minimax.cn (mainland China, formerly platform.minimaxi.com) only with MINIMAX_API_HOST=cn.";

/**
 * Every status code the server knows: the single source for retry decisions, hints and the README's table. Source:
 * MiniMax error code page and live answers.
 */
export const API_CODES: Readonly<Record<number, ApiCode>> = {
  1000: { meaning: "unknown error", outcome: "transient", recovery: TRY_LATER },
  1001: {
    meaning: "request timed out at MiniMax",
    outcome: "unknown",
    recovery:
      "Images may have been generated and billed. Calling again is your choice; fewer images (n) make a timeout less likely.",
  },
  1002: {
    meaning: "rate limit",
    outcome: "transient",
    minimumWaitMs: 60_000,
    recovery: "Wait a minute before the next call, and ask for several images with n instead of several calls.",
  },
  1004: { meaning: "not authorised", outcome: "refused", recovery: CHECK_KEY },
  1008: {
    meaning: "insufficient balance",
    outcome: "refused",
    recovery: "Top up the MiniMax account, then call again.",
  },
  1024: { meaning: "internal error", outcome: "transient", recovery: TRY_LATER },
  1026: {
    meaning: "sensitive prompt",
    outcome: "refused",
    recovery: "Reword the prompt: MiniMax's safety filter refused it.",
  },
  1027: {
    meaning: "sensitive result",
    outcome: "refused",
    recovery: "Reword the prompt: MiniMax's safety filter refused the result.",
  },
  1028: { meaning: "quota of the plan used up", outcome: "refused", recovery: PLAN_QUOTA },
  1030: { meaning: "quota of the plan used up", outcome: "refused", recovery: PLAN_QUOTA },
  1033: { meaning: "downstream error", outcome: "transient", recovery: TRY_LATER },
  1039: { meaning: "token limit", outcome: "transient", recovery: "Wait a minute, or shorten the prompt." },
  1041: {
    meaning: "connection limit",
    outcome: "transient",
    recovery: "Wait until other requests with this key have ended, then call again.",
  },
  1042: {
    meaning: "too many invisible characters in the prompt",
    outcome: "refused",
    recovery: "Remove invisible or control characters from the prompt.",
  },
  2013: {
    meaning: "invalid parameters",
    outcome: "refused",
    recovery: "Correct the parameter that MiniMax names, then call again.",
  },
  2038: {
    meaning: "real-name verification needed",
    outcome: "refused",
    recovery: "Complete the real-name verification of the MiniMax account (mainland China).",
  },
  2045: {
    meaning: "rate growth limit",
    outcome: "transient",
    minimumWaitMs: 30_000,
    recovery: "Requests grew too fast: wait half a minute, then send them more slowly.",
  },
  2049: { meaning: "invalid API key", outcome: "refused", recovery: CHECK_KEY },
  2056: {
    meaning: "usage limit of the plan",
    outcome: "refused",
    recovery: "Wait until the plan's 5-hour window has passed, or use a pay-as-you-go key.",
  },
  2061: {
    meaning: "the plan does not include the model",
    outcome: "refused",
    recovery: "image-01 needs the Plus plan or above, or a pay-as-you-go key.",
  },
  2064: { meaning: "MiniMax's servers are overloaded", outcome: "transient", recovery: TRY_LATER },
};

/** HTTP statuses that say that nothing was generated and that a retry may work. */
export const TRANSIENT_HTTP_STATUSES: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 529]);

/** The hint where something answers that is no MiniMax API host. */
export const CHECK_HOST = "Check MINIMAX_API_HOST: it must be a MiniMax API host.";

const CHECK_PARAMETERS = "MiniMax did not accept the parameters: correct what it names, or simplify the call.";

/** Advice for an HTTP error without a MiniMax code. */
export const HTTP_STATUS_RECOVERIES: Readonly<Record<number, string | undefined>> = {
  400: CHECK_PARAMETERS,
  401: API_CODES[1004]?.recovery,
  402: API_CODES[1008]?.recovery,
  403: API_CODES[1004]?.recovery,
  404: CHECK_HOST,
  413: "Give fewer or smaller subject references.",
  422: CHECK_PARAMETERS,
};
