import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { ServerError } from "./errors.ts";
import type { CallResult, ImageOutcome } from "./generate.ts";
import { type ToolInput, toolInputSchema, type ToolOutput } from "./schemas.ts";
import { bounded, plural } from "./text.ts";

const WARNED_KEYS_MAX = 10;
const UNEXPECTED = "Something unexpected went wrong inside this server; its log (stderr) has the details.";

/** Renders what a call came to. When no image at all could be saved the result is an error that still carries every fact. */
export function toResult(result: CallResult): CallToolResult {
  const output = toOutput(result);
  const text = describe(output);
  if (output.saved_count === 0) return { content: [{ type: "text", text }], isError: true };
  return { content: [{ type: "text", text }], structuredContent: { ...output } };
}

/** Renders a failure. The text of anything but a `ServerError` stays inside: it was not written for the person and may hold anything. */
export function toErrorResult(error: unknown): CallToolResult {
  return {
    content: [{ type: "text", text: error instanceof ServerError ? describeError(error) : UNEXPECTED }],
    isError: true,
  };
}

function describeError({ message, facts }: ServerError): string {
  return [
    message,
    facts.statusCode === undefined ? "" : `Status code: ${String(facts.statusCode)}`,
    facts.recovery === undefined ? "" : `Recovery: ${facts.recovery}`,
    facts.traceId === undefined ? "" : `Trace id: ${facts.traceId}`,
  ]
    .filter((line) => line !== "")
    .join("\n");
}

function toOutput({ input, generation, outcomes }: CallResult): ToolOutput {
  const images = outcomes.flatMap((outcome) => ("saved" in outcome ? [outcome.saved] : []));
  const failures = outcomes.flatMap((outcome) =>
    "failure" in outcome ? [{ index: outcome.index, error: outcome.failure }] : [],
  );
  const links = generation.images.flatMap((image) => ("link" in image ? [image.link] : []));
  const warnings = warningsOf(input, outcomes, generation.metadata.failed_count);
  return {
    ...(generation.id === undefined ? {} : { id: generation.id }),
    image_count: generation.images.length,
    saved_count: images.length,
    file_paths: images.map(({ path }) => path),
    ...(failures.length === 0 ? {} : { failures }),
    metadata: { ...generation.metadata },
    images,
    ...(links.length === 0 ? {} : { image_urls: links }),
    ...(input.seed === undefined ? {} : { seed: input.seed }),
    ...(warnings.length === 0 ? {} : { warnings }),
  };
}

function warningsOf(input: ToolInput, outcomes: readonly ImageOutcome[], withheld: string): string[] {
  const known = new Set(Object.keys(toolInputSchema.shape));
  const unknown = Object.keys(input).filter((key) => !known.has(key));
  const named = unknown.slice(0, WARNED_KEYS_MAX).map((key) => bounded(key, 40));
  return [
    unknown.length === 0
      ? ""
      : `Ignored parameters this tool does not have: ${named.join(", ")}${unknown.length > named.length ? ", …" : ""}.`,
    outcomes.length >= input.n
      ? ""
      : `MiniMax returned ${plural(outcomes.length, "image")} of the ${String(input.n)} asked for; it says that ${withheld} failed or were withheld by its safety filter.`,
  ].filter((warning) => warning !== "");
}

/** Says every fact of the output in lines, so that a client that shows only text knows as much as one that shows only the structure. */
function describe(output: ToolOutput): string {
  return [
    `Saved ${String(output.saved_count)} of ${plural(output.image_count, "image")}.`,
    ...output.images.map(
      ({ path, width, height, bytes, mime_type }) =>
        `- ${path} (${String(width)}x${String(height)} pixels, ${String(bytes)} bytes, ${mime_type})`,
    ),
    ...(output.failures ?? []).map(({ index, error }) => `Image ${String(index)} was not saved: ${error}`),
    ...(output.image_urls ?? []).map((url, position) => `Link ${String(position + 1)} (expires in 24 h): ${url}`),
    ...(output.warnings ?? []).map((warning) => `Warning: ${warning}`),
    output.seed === undefined ? "" : `Seed: ${String(output.seed)}`,
    `MiniMax counts: ${output.metadata.success_count} succeeded, ${output.metadata.failed_count} failed.`,
    output.id === undefined ? "" : `Request id: ${output.id}`,
  ]
    .filter((line) => line !== "")
    .join("\n");
}
