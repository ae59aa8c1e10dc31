import { entriesOf, type Fields, fieldsOf, positiveNumber, stringsOf } from "./values.ts";

const IMAGES_MAX = 9;
const RATIO = /^(\d{1,2}):(\d{1,2})$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const IMAGE_TYPE = /^image\/(?:jpeg|png|webp)$/;

/** What is known of a call before its result is there. */
export interface ToolInput {
  /** Empty when the host did not say. */
  readonly prompt: string;
  /** How many images were asked for. */
  readonly count: number;
  /** Width divided by height. */
  readonly aspectRatio: number;
}

/** One saved image, as the result describes it. */
export interface SavedImage {
  readonly path: string;
  /** In pixels. */
  readonly width: number;
  readonly height: number;
  readonly bytes: number;
  /** The image itself as a `data:` URL, when the result carries it. */
  readonly carried: string | undefined;
}

/** A call that saved images. */
export interface ImagesResult {
  readonly kind: "images";
  readonly images: readonly SavedImage[];
  readonly failures: readonly string[];
  readonly warnings: readonly string[];
}

/** What came of a call: images, or the text of an error or of a result of an unknown form. */
export type ToolResult = ImagesResult | { readonly kind: "error" | "text"; readonly text: string };

/** Reads the parameters of `ui/notifications/tool-input`. What is missing or unusable gets the tool's own default. */
export function readToolInput(params: Fields): ToolInput {
  const { prompt, n, width, height, aspect_ratio } = fieldsOf(params["arguments"]);
  return {
    prompt: typeof prompt === "string" ? prompt.trim() : "",
    count: Math.min(IMAGES_MAX, Math.ceil(positiveNumber(n) ?? 1)),
    aspectRatio: ratioOf(positiveNumber(width), positiveNumber(height)) ?? namedRatio(aspect_ratio) ?? 1,
  };
}

/** Reads a tool result. Nothing in it is trusted: an entry that is not an image of this server is left out. */
export function readToolResult(params: Fields): ToolResult {
  const content = entriesOf(params["content"]).map(fieldsOf);
  const text = content.flatMap((block) => (typeof block["text"] === "string" ? [block["text"]] : [])).join("\n");
  if (params["isError"] === true) return { kind: "error", text };
  const carried = content.flatMap((block) => imageUrl(block["data"], block["mimeType"]) ?? []);
  const output = fieldsOf(params["structuredContent"]);
  const images = entriesOf(output["images"]).flatMap((entry, position) => savedImage(entry, carried[position]) ?? []);
  if (images.length === 0) return { kind: "text", text };
  return {
    kind: "images",
    images,
    failures: entriesOf(output["failures"]).flatMap((entry) => failureText(fieldsOf(entry))),
    warnings: stringsOf(output["warnings"]),
  };
}

/**
 * The `data:` URL of an image: the only kind of address that a host's default policy lets a view show.
 *
 * @returns undefined unless the data is base64 and the type one of JPEG, PNG and WebP
 */
export function imageUrl(data: unknown, mimeType: unknown): string | undefined {
  const isImage =
    typeof data === "string" && typeof mimeType === "string" && IMAGE_TYPE.test(mimeType) && BASE64.test(data);
  return isImage ? `data:${mimeType};base64,${data}` : undefined;
}

function savedImage(entry: unknown, carried: string | undefined): SavedImage | undefined {
  const { path, ...facts } = fieldsOf(entry);
  const [width, height, bytes] = [facts["width"], facts["height"], facts["bytes"]].map(positiveNumber);
  if (typeof path !== "string" || width === undefined || height === undefined || bytes === undefined) return undefined;
  return { path, width, height, bytes, carried };
}

function failureText({ index, error }: Fields): string[] {
  if (typeof error !== "string") return [];
  return [typeof index === "number" ? `Image ${String(index + 1)} was not saved: ${error}` : error];
}

function namedRatio(value: unknown): number | undefined {
  const [, width, height] = (typeof value === "string" ? RATIO.exec(value) : undefined) ?? [];
  return ratioOf(positiveNumber(Number(width)), positiveNumber(Number(height)));
}

function ratioOf(width: number | undefined, height: number | undefined): number | undefined {
  return width === undefined || height === undefined ? undefined : width / height;
}
