import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { warningsOfInput } from "./arguments.ts";
import { INLINE_MAX_BYTES } from "./constants.ts";
import { UserFacingError } from "./errors.ts";
import type { CallResult } from "./generate.ts";
import type { SavedImage, ToolInput, ToolOutput } from "./schemas.ts";
import { plural } from "./text.ts";
import type { InlineImage } from "./utils/inline-images.ts";

const UNEXPECTED = "Something unexpected went wrong inside this server; its log (stderr) has the details.";

/** What the result of one call says beside the facts of its images. */
export interface ResultExtras {
  readonly input: ToolInput;
  /** The first of the saved images, when they were asked for. */
  readonly inline: readonly InlineImage[];
  /** What is to be said of earlier calls. */
  readonly notices: readonly string[];
}

/**
 * Renders what a call came to. When no image at all could be saved the result is an error that still carries every
 * fact.
 */
export function toResult(facts: ToolOutput, { input, inline, notices }: ResultExtras): CallToolResult {
  const leftOut = input.return_images ? facts.images.slice(inline.length) : [];
  const warnings = [...notices, ...warningsOfInput(input), ...(facts.warnings ?? []), notShownInline(leftOut)];
  const output = withWarnings(facts, warnings);
  const text = describe(output);
  if (output.saved_count === 0) return { content: [{ type: "text", text }], isError: true };
  const inlineImages = inline.map((image) => ({ type: "image" as const, ...image }));
  return { content: [{ type: "text", text }, ...inlineImages], structuredContent: { ...output } };
}

/**
 * Renders a failure. The text of anything but a `UserFacingError` stays inside: it was not written for the person and
 * may hold anything.
 *
 * @param notices - what is to be said of earlier calls
 */
export function toErrorResult(error: unknown, notices: readonly string[] = []): CallToolResult {
  const text = error instanceof UserFacingError ? describeError(error) : UNEXPECTED;
  return { content: [{ type: "text", text: [text, ...notices.map(describeWarning)].join("\n") }], isError: true };
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

/** The facts of one call, without any image's bytes. */
export function toOutput({ input, generation, outcomes, saved, fallbackNotice }: CallResult): ToolOutput {
  const failures = outcomes.flatMap((outcome) =>
    "failure" in outcome ? [{ index: outcome.index, error: outcome.failure }] : [],
  );
  const links = generation.images.flatMap((image) => ("link" in image ? [image.link] : []));
  const counted =
    generation.withheld === undefined
      ? ""
      : `; it counts ${generation.withheld} as failed or withheld by its safety filter`;
  const fewer =
    outcomes.length >= input.n
      ? ""
      : `MiniMax returned ${outcomes.length} of the ${plural(input.n, "image")} asked for${counted}.`;
  const truncated = outcomes.flatMap((outcome) =>
    "saved" in outcome && outcome.isTruncated
      ? [`Image ${outcome.index + 1} is truncated and may show only a part: ${outcome.saved.path}`]
      : [],
  );
  const output = {
    ...(generation.id === undefined ? {} : { id: generation.id }),
    image_count: generation.images.length,
    saved_count: saved.length,
    file_paths: saved.map(({ path }) => path),
    ...(failures.length === 0 ? {} : { failures }),
    metadata: { ...generation.metadata },
    images: [...saved],
    ...(links.length === 0 ? {} : { image_urls: links }),
    ...(input.seed === undefined ? {} : { seed: input.seed }),
  };
  return withWarnings(output, [...generation.warnings, fewer, ...truncated, fallbackNotice ?? ""]);
}

function withWarnings(output: ToolOutput, lines: readonly string[]): ToolOutput {
  const warnings = lines.filter((line) => line !== "");
  return warnings.length === 0 ? output : { ...output, warnings };
}

function notShownInline(leftOut: readonly SavedImage[]): string {
  if (leftOut.length === 0) return "";
  return `${plural(leftOut.length, "saved image")} not shown inline (${INLINE_MAX_BYTES / 1000} kB limit, or the file could not be read back): ${leftOut.map(({ path }) => path).join(", ")}`;
}

/**
 * Says every fact of the output in lines, so that a client that shows only text knows as much as one that shows only
 * the structure.
 */
function describe(output: ToolOutput): string {
  return [
    output.saved_count === 0
      ? `MiniMax generated and billed ${plural(output.image_count, "image")}, but none could be saved. Calling again will be billed again.`
      : "",
    `Saved ${output.saved_count} of ${plural(output.image_count, "image")}.`,
    ...output.images.map(
      ({ path, width, height, bytes, mime_type }) =>
        `- ${path} (${width}x${height} pixels, ${bytes} bytes, ${mime_type})`,
    ),
    ...(output.failures ?? []).map(({ index, error }) => `Image ${index + 1} was not saved: ${error}`),
    ...(output.image_urls ?? []).map((url, position) => `Link ${position + 1} (expires in 24 h): ${url}`),
    ...(output.warnings ?? []).map(describeWarning),
    output.seed === undefined ? "" : `Seed: ${output.seed}`,
    `MiniMax counts: ${output.metadata.success_count} succeeded, ${output.metadata.failed_count} failed.`,
    output.id === undefined ? "" : `Request id: ${output.id}`,
  ]
    .filter((line) => line !== "")
    .join("\n");
}

function describeWarning(warning: string): string {
  return `Warning: ${warning}`;
}
