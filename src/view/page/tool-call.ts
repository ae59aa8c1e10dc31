import { entriesOf, type Fields, fieldsOf, positiveNumber, stringsOf } from "./values.ts";

const IMAGES_MAX = 9;
const RATIO = /^(\d{1,2}):(\d{1,2})$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const IMAGE_LINE = /^- (.+) \((\d+)x(\d+) pixels, (\d+) bytes, image\/\w+\)$/gm;
const FAILURE_LINE = /^Image \d+ was not saved: .+$/gm;
const WARNING_LINE = /^Warning: (.+)$/gm;
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
  /** Empty when the result carries the image and nothing about it. */
  readonly path: string;
  /** In pixels; 0 when the result does not say. */
  readonly width: number;
  readonly height: number;
  readonly bytes: number;
  /** The image itself as a `data:` URL, when the result carries it. */
  readonly carried: string | undefined;
}

/** What came of a call. */
export interface ToolResult {
  readonly images: readonly SavedImage[];
  readonly failures: readonly string[];
  readonly warnings: readonly string[];
  /** What is to be read as it is: an error, or all that a result says of which nothing is understood. */
  readonly text: string;
  readonly isError: boolean;
}

/** Reads the parameters of `ui/notifications/tool-input`. What is missing or unusable gets the tool's own default. */
export function readToolInput(params: Fields): ToolInput {
  const { prompt, n, width, height, aspect_ratio } = fieldsOf(params["arguments"]);
  return {
    prompt: typeof prompt === "string" ? prompt.trim() : "",
    count: Math.min(IMAGES_MAX, Math.ceil(positiveNumber(n) ?? 1)),
    aspectRatio: ratioOf(positiveNumber(width), positiveNumber(height)) ?? namedRatio(aspect_ratio) ?? 1,
  };
}

/**
 * Reads a tool result: its structure, or its text, which says the same, where a host keeps the structure to itself.
 * Nothing in it is trusted: an entry that is not an image of this server is left out.
 */
export function readToolResult({ content, structuredContent, isError }: Fields): ToolResult {
  const blocks = [content].flat().map((block) => (typeof block === "string" ? { text: block } : fieldsOf(block)));
  const text = stringsOf(blocks.map((block) => block["text"])).join("\n");
  const unread = { images: [], failures: [], warnings: [], text, isError: isError === true };
  if (unread.isError) return unread;
  const carried = blocks.flatMap((block) => carriedImage(block) ?? []);
  const structure = fieldsOf(structuredContent);
  const output = Array.isArray(structure["images"]) ? structure : factsIn(text);
  const images = entriesOf(output["images"]).flatMap((entry, index) => savedImage(entry, carried[index]) ?? []);
  if (images.length === 0) return { ...unread, images: carried.map(undescribed) };
  return {
    images,
    failures: entriesOf(output["failures"]).flatMap((entry) => failureText(fieldsOf(entry))),
    warnings: stringsOf(output["warnings"]),
    text: "",
    isError: false,
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

/** The facts of the lines in which the server's text has them, in the form of the structure. */
function factsIn(text: string): Fields {
  return {
    images: Array.from(text.matchAll(IMAGE_LINE), ([, path, ...sizes]) => {
      const [width, height, bytes] = sizes.map(Number);
      return { path, width, height, bytes };
    }),
    failures: Array.from(text.matchAll(FAILURE_LINE), ([error]) => ({ error })),
    warnings: Array.from(text.matchAll(WARNING_LINE), ([, warning]) => warning),
  };
}

/** The image of a block of content, in the form of MCP or of the Messages API: hosts hand on both. */
function carriedImage({ data, mimeType, source }: Fields): string | undefined {
  const inner = fieldsOf(source);
  return imageUrl(data ?? inner["data"], mimeType ?? inner["media_type"]);
}

function undescribed(carried: string): SavedImage {
  const bytes = Math.floor((carried.length - carried.indexOf(",")) * 0.75);
  return { path: "", width: 0, height: 0, bytes, carried };
}

function savedImage(entry: unknown, carried: string | undefined): SavedImage | undefined {
  const { path, ...facts } = fieldsOf(entry);
  const [width, height, bytes] = [facts["width"], facts["height"], facts["bytes"]].map(positiveNumber);
  if (typeof path !== "string" || width === undefined || height === undefined || bytes === undefined) return undefined;
  return { path, width, height, bytes, carried };
}

function failureText({ index, error }: Fields): string[] {
  if (typeof error !== "string") return [];
  return [typeof index === "number" ? `Image ${index + 1} was not saved: ${error}` : error];
}

function namedRatio(value: unknown): number | undefined {
  const [, width, height] = (typeof value === "string" ? RATIO.exec(value) : undefined) ?? [];
  return ratioOf(positiveNumber(Number(width)), positiveNumber(Number(height)));
}

function ratioOf(width: number | undefined, height: number | undefined): number | undefined {
  return width === undefined || height === undefined ? undefined : width / height;
}
