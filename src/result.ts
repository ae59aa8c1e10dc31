import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { INLINE_MAX_BYTES } from "./constants.ts";
import { UserFacingError } from "./errors.ts";
import type { CallResult } from "./generate.ts";
import { type ToolInput, toolInputSchema, type ToolOutput } from "./schemas.ts";
import { plural, truncate } from "./text.ts";

const WARNED_KEYS_MAX = 10;
const UNEXPECTED = "Something unexpected went wrong inside this server; its log (stderr) has the details.";

/**
 * Renders what a call came to. When no image at all could be saved the result is an error that still carries every
 * fact.
 */
export function toResult(result: CallResult): CallToolResult {
  const output = toOutput(result);
  const text = describe(output);
  if (output.saved_count === 0) return { content: [{ type: "text", text }], isError: true };
  const inlineImages = result.inline.map((image) => ({ type: "image" as const, ...image }));
  return { content: [{ type: "text", text }, ...inlineImages], structuredContent: { ...output } };
}

/**
 * Renders a failure. The text of anything but a `UserFacingError` stays inside: it was not written for the person and
 * may hold anything.
 */
export function toErrorResult(error: unknown): CallToolResult {
  return {
    content: [{ type: "text", text: error instanceof UserFacingError ? describeError(error) : UNEXPECTED }],
    isError: true,
  };
}

function describeError({ message, details }: UserFacingError): string {
  return [
    message,
    details.code === undefined ? "" : `Status code: ${details.code}`,
    details.recovery === undefined ? "" : `Recovery: ${details.recovery}`,
    details.traceId === undefined ? "" : `Trace id: ${details.traceId}`,
  ]
    .filter((line) => line !== "")
    .join("\n");
}

function toOutput(result: CallResult): ToolOutput {
  const { input, generation, outcomes, saved } = result;
  const failures = outcomes.flatMap((outcome) =>
    "failure" in outcome ? [{ index: outcome.index, error: outcome.failure }] : [],
  );
  const links = generation.images.flatMap((image) => ("link" in image ? [image.link] : []));
  const warnings = warningsOf(result);
  return {
    ...(generation.id === undefined ? {} : { id: generation.id }),
    image_count: generation.images.length,
    saved_count: saved.length,
    file_paths: saved.map(({ path }) => path),
    ...(failures.length === 0 ? {} : { failures }),
    metadata: { ...generation.metadata },
    images: [...saved],
    ...(links.length === 0 ? {} : { image_urls: links }),
    ...(input.seed === undefined ? {} : { seed: input.seed }),
    ...(warnings.length === 0 ? {} : { warnings }),
  };
}

function warningsOf({ input, generation, outcomes, saved, inline, fallbackNotice }: CallResult): string[] {
  const leftOut = input.return_images ? saved.slice(inline.length) : [];
  return [
    ignoredKeys(input),
    outcomes.length >= input.n
      ? ""
      : `MiniMax returned ${outcomes.length} of the ${plural(input.n, "image")} asked for; it says that ${generation.metadata.failed_count} failed or were withheld by its safety filter.`,
    leftOut.length === 0
      ? ""
      : `${plural(leftOut.length, "saved image")} not shown inline (${INLINE_MAX_BYTES / 1000} kB limit, or the file could not be read back): ${leftOut.map(({ path }) => path).join(", ")}`,
    fallbackNotice ?? "",
  ].filter((warning) => warning !== "");
}

function ignoredKeys(input: ToolInput): string {
  const known = new Set(Object.keys(toolInputSchema.shape));
  const unknown = Object.keys(input).filter((key) => !known.has(key));
  if (unknown.length === 0) return "";
  const named = unknown.slice(0, WARNED_KEYS_MAX).map((key) => truncate(key, 40));
  return `Ignored unknown parameters: ${named.join(", ")}${unknown.length > named.length ? ", …" : ""}.`;
}

/**
 * Says every fact of the output in lines, so that a client that shows only text knows as much as one that shows only
 * the structure.
 */
function describe(output: ToolOutput): string {
  return [
    `Saved ${output.saved_count} of ${plural(output.image_count, "image")}.`,
    ...output.images.map(
      ({ path, width, height, bytes, mime_type }) =>
        `- ${path} (${width}x${height} pixels, ${bytes} bytes, ${mime_type})`,
    ),
    ...(output.failures ?? []).map(({ index, error }) => `Image ${index} was not saved: ${error}`),
    ...(output.image_urls ?? []).map((url, position) => `Link ${position + 1} (expires in 24 h): ${url}`),
    ...(output.warnings ?? []).map((warning) => `Warning: ${warning}`),
    output.seed === undefined ? "" : `Seed: ${output.seed}`,
    `MiniMax counts: ${output.metadata.success_count} succeeded, ${output.metadata.failed_count} failed.`,
    output.id === undefined ? "" : `Request id: ${output.id}`,
  ]
    .filter((line) => line !== "")
    .join("\n");
}
