import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { type ImageHeader, readImageHeader } from "../../src/utils/image-header.ts";

const SECRET_PARAMETERS = /([?&](?:OSSAccessKeyId|Signature|Expires)=)[^&"]*/gi;

const bodySchema = z.looseObject({
  id: z.unknown().optional(),
  data: z
    .looseObject({ image_base64: z.array(z.string()).optional(), image_urls: z.array(z.string()).optional() })
    .nullish()
    .catch(undefined),
  metadata: z.looseObject({ success_count: z.unknown().optional(), failed_count: z.unknown().optional() }).optional(),
  base_resp: z.looseObject({ status_code: z.union([z.number(), z.string()]) }).optional(),
});

/** One answer as it came. */
export interface LiveAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly traceId: string | null;
  readonly tookMs: number;
  /** The parts an answer is known to have; empty when it was not JSON. */
  readonly body: Partial<z.infer<typeof bodySchema>>;
}

/** Asks an API directly, without the server under test, and keeps what it answered. */
export class LiveApi {
  #answers = 0;

  /**
   * @param host - origin, without a trailing slash
   * @param directory - where bodies are written: cut, without the key and without the signatures of links
   */
  constructor(
    private readonly host: string,
    private readonly apiKey: string,
    private readonly directory: string,
  ) {}

  /** Posts to the image endpoint, with the key unless another is given. */
  async post(name: string, body: object, apiKey = this.apiKey): Promise<LiveAnswer> {
    return this.#ask(name, "/v1/image_generation", {
      method: "POST",
      headers: { Authorization: `Bearer ${apiKey}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  }

  /** Asks for a path that does not exist. */
  async unknownPath(): Promise<LiveAnswer> {
    return this.#ask("unknown-path", "/v1/no_such_endpoint", { method: "POST" });
  }

  /** Fetches a link without the key, over https unless it leads to this machine. */
  async fetchImage(link: string): Promise<Buffer> {
    const isLocal = new URL(link).hostname === "127.0.0.1";
    const response = await fetch(isLocal ? link : link.replace(/^http:/, "https:"));
    if (!response.ok) throw new Error(`HTTP ${response.status} for a link`);
    return Buffer.from(await response.arrayBuffer());
  }

  async #ask(name: string, path: string, init: RequestInit): Promise<LiveAnswer> {
    const startedMs = performance.now();
    const response = await fetch(`${this.host}${path}`, init);
    const text = await response.text();
    const tookMs = performance.now() - startedMs;
    this.#answers += 1;
    const file = join(this.directory, `${String(this.#answers).padStart(2, "0")}-${name}.txt`);
    await mkdir(this.directory, { recursive: true });
    await writeFile(file, `HTTP ${response.status}\n${redact(text, this.apiKey)}\n`);
    return {
      status: response.status,
      contentType: response.headers.get("content-type") ?? "",
      traceId: response.headers.get("trace-id"),
      tookMs,
      body: parse(text),
    };
  }
}

/** The header of an image that came as base64. */
export function decodedHeader(encoded: string): ImageHeader | undefined {
  return readImageHeader(Buffer.from(encoded, "base64"));
}

function parse(text: string): LiveAnswer["body"] {
  try {
    return bodySchema.safeParse(JSON.parse(text)).data ?? {};
  } catch {
    return {};
  }
}

/** A body that can be committed: images cut to their beginning, no key, no signatures. */
function redact(text: string, apiKey: string): string {
  return text
    .replaceAll(apiKey, "[API key]")
    .replace(SECRET_PARAMETERS, "$1…")
    .replace(/(?<="[A-Za-z0-9+/]{40})[A-Za-z0-9+/]{160,}=*(?=")/g, ({ length }) => `… (${length} more characters)`);
}
