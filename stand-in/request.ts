import { z } from "zod";

const PIXELS: Readonly<Record<string, readonly [number, number]>> = {
  "1:1": [1024, 1024],
  "16:9": [1280, 720],
  "4:3": [1152, 864],
  "3:2": [1248, 832],
  "2:3": [832, 1248],
  "3:4": [864, 1152],
  "9:16": [720, 1280],
  "21:9": [1344, 576],
};

const reference = z.object({
  type: z.literal("character"),
  image_file: z.string().regex(/^(https?:\/\/|data:image\/(jpeg|png|webp);base64,)/),
});
const side = z.int().min(512).max(2048).multipleOf(8);

/** The documented request body, with upstream's own defaults. */
const generationBody = z.object({
  model: z.enum(["image-01", "image-01-live"]),
  prompt: z.string().min(1),
  aspect_ratio: z.string().optional(),
  width: side.optional(),
  height: side.optional(),
  response_format: z.enum(["url", "base64"]).default("url"),
  seed: z.int().optional(),
  n: z.int().min(1).max(9).default(1),
  prompt_optimizer: z.boolean().default(false),
  aigc_watermark: z.boolean().default(false),
  style: z
    .object({
      style_type: z.enum(["漫画", "元气", "中世纪", "水彩"]),
      style_weight: z.number().gt(0).max(1).default(0.8),
    })
    .optional(),
  subject_reference: z.array(reference).optional(),
});

/** A request the API would carry out. */
export interface AcceptedRequest {
  readonly prompt: string;
  readonly seed: number | undefined;
  readonly n: number;
  readonly responseFormat: "url" | "base64";
  /** In pixels. */
  readonly width: number;
  readonly height: number;
}

/** The model that a body names, when there is no such model. */
export function unknownModelOf(body: unknown): string | undefined {
  const model = typeof body === "object" && body !== null && "model" in body ? body.model : undefined;
  return typeof model === "string" && model !== "image-01" && model !== "image-01-live" ? model : undefined;
}

/** Judges a body as the documentation does. Returns the message of a 2013 refusal when it is not acceptable. */
export function readGenerationRequest(body: unknown): AcceptedRequest | { readonly refusal: string } {
  const parsed = generationBody.safeParse(body);
  if (!parsed.success) {
    return { refusal: `invalid params, ${parsed.error.issues[0]?.path.join(".") ?? "body"} is invalid` };
  }
  const { data } = parsed;
  if (Array.from(data.prompt).length > 1500) return { refusal: "invalid params, prompt length must be less than 1500" };
  const size = sizeOf(data);
  if (size === undefined) return { refusal: "invalid params, aspect_ratio or width and height are invalid" };
  return {
    prompt: data.prompt,
    seed: data.seed,
    n: data.n,
    responseFormat: data.response_format,
    width: size[0],
    height: size[1],
  };
}

function sizeOf({
  model,
  aspect_ratio,
  width,
  height,
}: z.infer<typeof generationBody>): readonly [number, number] | undefined {
  const isLive = model === "image-01-live";
  if (aspect_ratio === "21:9" && isLive) return undefined;
  if (aspect_ratio !== undefined) return PIXELS[aspect_ratio];
  if (width === undefined && height === undefined) return PIXELS["1:1"];
  return width === undefined || height === undefined || isLive ? undefined : [width, height];
}
