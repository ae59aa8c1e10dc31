import { readImageHeader } from "../../src/utils/image-header.ts";
import { decodedHeader, type LiveAnswer, type LiveApi } from "./api.ts";

const WRONG_KEY = "sk-api-this-key-does-not-exist";
const PROMPT = "A small red boat on a calm lake, morning light";
const KEY_CODES = /^(?:1004|2049)$/;
const PROMPT_MAX_CHARACTERS = 1500;

/** One thing the stand-in takes for granted, and what was seen. */
export interface Finding {
  readonly assumption: string;
  readonly seen: string;
  readonly holds: boolean;
}

/** Images that all probes together ask for. */
export const IMAGES_ASKED_FOR = 7;

type Probe = (api: LiveApi) => Promise<Finding[]>;

/** Every probe, free ones first: a wrong key or host shows before anything is billed. */
export const PROBES: readonly Probe[] = [
  keyIsJudgedFirst,
  refusals,
  unknownPath,
  sameSeed,
  links,
  sizes,
  longestPrompt,
];

async function keyIsJudgedFirst(api: LiveApi): Promise<Finding[]> {
  const unknownModel = { model: "no-such-model", prompt: PROMPT };
  const wrongKey = await api.post("wrong-key", { model: "image-01", prompt: PROMPT }, WRONG_KEY);
  const wrongKeyAndModel = await api.post("wrong-key-and-model", unknownModel, WRONG_KEY);
  const goodKey = await api.post("unknown-model", unknownModel);
  return [
    finding("a wrong key is refused with 1004 or 2049", codeOf(wrongKey), KEY_CODES),
    finding("a refusal comes with HTTP 200", wrongKey.status, 200),
    finding("the key is judged before the parameters", codeOf(wrongKeyAndModel), KEY_CODES),
    finding("a good key with an unknown model is refused with 2013", codeOf(goodKey), "2013"),
    finding("a refusal carries no image", imagesOf(goodKey).length, 0),
  ];
}

async function refusals(api: LiveApi): Promise<Finding[]> {
  const bodies = {
    "a prompt of 1501 characters": { model: "image-01", prompt: "a".repeat(PROMPT_MAX_CHARACTERS + 1) },
    "ten images": { model: "image-01", prompt: PROMPT, n: 10 },
    "a width of 511": { model: "image-01", prompt: PROMPT, width: 511, height: 512 },
  };
  const findings: Finding[] = [];
  for (const [what, body] of Object.entries(bodies)) {
    const answer = await api.post(what.replaceAll(" ", "-"), body);
    findings.push(finding(`${what} is refused with 2013`, codeOf(answer), "2013"));
  }
  return findings;
}

async function unknownPath(api: LiveApi): Promise<Finding[]> {
  const { status, contentType } = await api.unknownPath();
  return [finding("an unknown path is HTTP 404 and no JSON", `${status} ${contentType}`, /^404 (?!.*json)/)];
}

async function sameSeed(api: LiveApi): Promise<Finding[]> {
  const body = { model: "image-01", prompt: PROMPT, aspect_ratio: "1:1", seed: 7, n: 1, response_format: "base64" };
  const first = await api.post("base64", body);
  const second = await api.post("base64-same-seed", body);
  const [image = ""] = imagesOf(first);
  const counts = first.body.metadata;
  const seconds = first.tookMs / 1000;
  return [
    finding("success is HTTP 200 with code 0", `${first.status} ${codeOf(first)}`, "200 0"),
    finding("the id is a string", typeof first.body.id, "string"),
    finding("the answer has a Trace-Id header", first.traceId === null ? "no" : "yes", "yes"),
    finding("counts are strings", typeof counts?.success_count, "string"),
    finding(
      "one image is counted as 1 success, 0 failed",
      `${String(counts?.success_count)} ${String(counts?.failed_count)}`,
      "1 0",
    ),
    finding("base64 comes without a data: prefix", image.slice(0, 12), /^(?!data:)[A-Za-z0-9+/]/),
    finding("1:1 is a JPEG of 1024x1024", describe(decodedHeader(image)), "image/jpeg 1024x1024"),
    finding("the same seed gives the same image", image === imagesOf(second)[0] ? "equal" : "different", "equal"),
    { assumption: "an answer comes within 60 s", seen: `${seconds.toFixed(1)} s`, holds: seconds < 60 },
  ];
}

async function links(api: LiveApi): Promise<Finding[]> {
  const body = { model: "image-01", prompt: PROMPT, aspect_ratio: "16:9", n: 2, seed: 7, response_format: "url" };
  const urls = (await api.post("url", body)).body.data?.image_urls ?? [];
  const header = urls[0] === undefined ? undefined : readImageHeader(await api.fetchImage(urls[0]));
  return [
    finding("url mode delivers as many links as images", urls.length, 2),
    finding(
      "a link is fetched without the key, and 16:9 is a JPEG of 1280x720",
      describe(header),
      "image/jpeg 1280x720",
    ),
  ];
}

async function sizes(api: LiveApi): Promise<Finding[]> {
  const exact = { model: "image-01", prompt: PROMPT, width: 512, height: 768, seed: 7, response_format: "base64" };
  const size = await api.post("exact-size", exact);
  const both = await api.post("size-and-ratio", { ...exact, aspect_ratio: "16:9" });
  return [
    finding("width and height are exact", describeFirst(size), "image/jpeg 512x768"),
    finding("aspect_ratio wins over width and height", describeFirst(both), "image/jpeg 1280x720"),
  ];
}

async function longestPrompt(api: LiveApi): Promise<Finding[]> {
  const prompt = PROMPT.padEnd(PROMPT_MAX_CHARACTERS, " and calm water");
  const body = { model: "image-01", prompt, seed: 7, response_format: "base64" };
  const code = codeOf(await api.post("longest-prompt", body));
  return [finding("a prompt of exactly 1500 characters is accepted", code, "0")];
}

function finding(assumption: string, seen: string | number, expected: string | number | RegExp): Finding {
  const holds = expected instanceof RegExp ? expected.test(String(seen)) : seen === expected;
  return { assumption, seen: String(seen), holds };
}

function codeOf({ body, status }: LiveAnswer): string {
  const code = body.base_resp?.status_code;
  return code === undefined ? `HTTP ${status} without a code` : String(code);
}

function imagesOf({ body }: LiveAnswer): readonly string[] {
  return [...(body.data?.image_base64 ?? []), ...(body.data?.image_urls ?? [])];
}

function describeFirst(answer: LiveAnswer): string {
  return describe(decodedHeader(imagesOf(answer)[0] ?? ""));
}

function describe(header: ReturnType<typeof readImageHeader>): string {
  return header === undefined ? "no image" : `${header.mimeType} ${header.width}x${header.height}`;
}
