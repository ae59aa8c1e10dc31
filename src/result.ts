import type { CallToolResult, ImageContent } from "@modelcontextprotocol/sdk/types.js";
import { warningsOfInput } from "./arguments.ts";
import type { JoinedOutcome } from "./calls/call-registry.ts";
import { UserFacingError } from "./errors.ts";
import type { ToolInput, ToolOutput } from "./schemas.ts";
import { plural } from "./text/text.ts";
import type { Workspace } from "./utils/workspace.ts";

/** In base64, with everything else, these bytes stay below the 1 MB that Claude Desktop takes. */
const INLINE_MAX_BYTES = 700_000;

/** The images for the result are waited for no longer, in milliseconds: they are saved, and the client waits. */
const READ_BACK_MS = 5_000;

const UNEXPECTED = "Something unexpected went wrong inside this server; its log (stderr) has the details.";

/**
 * Renders the outcome of a call: text and structure from one value. When no image at all could be saved the result is
 * an error that still carries every fact.
 */
export async function toResult(
  { outcome, notices }: JoinedOutcome,
  input: ToolInput,
  workspace: Workspace,
): Promise<CallToolResult> {
  if ("error" in outcome) return toErrorResult(outcome.error, notices);
  const facts = outcome.output;
  const inline = input.return_images ? await readBack(facts.images, workspace) : [];
  const leftOut = input.return_images ? facts.images.slice(inline.length) : [];
  const warnings = [...notices, ...warningsOfInput(input), ...(facts.warnings ?? []), ...notShownInline(leftOut)];
  const output = warnings.length === 0 ? facts : { ...facts, warnings };
  const text = describe(output);
  if (output.saved_count === 0) return { content: [{ type: "text", text }], isError: true };
  return { content: [{ type: "text", text }, ...inline], structuredContent: { ...output } };
}

/**
 * Renders a failure. The text of anything but a `UserFacingError` stays inside: it was not written for the person and
 * may hold anything.
 *
 * @param notices - sentences about earlier calls
 */
export function toErrorResult(error: unknown, notices: readonly string[] = []): CallToolResult {
  const text = error instanceof UserFacingError ? describeError(error) : UNEXPECTED;
  return { content: [{ type: "text", text: [text, ...notices.map(describeWarning)].join("\n") }], isError: true };
}

/**
 * Saved images as MCP carries them, in order, as long as all of them together are small enough. The first that does not
 * fit, or that cannot be read any more, ends it.
 */
async function readBack(images: ToolOutput["images"], workspace: Workspace): Promise<ImageContent[]> {
  const signal = AbortSignal.timeout(READ_BACK_MS);
  const inline: ImageContent[] = [];
  let leftBytes = INLINE_MAX_BYTES;
  for (const { path } of images) {
    try {
      const { bytes, header } = await workspace.readImage({ path, name: "image", limitBytes: leftBytes + 1 }, signal);
      inline.push({ type: "image", data: Buffer.from(bytes).toString("base64"), mimeType: header.mimeType });
      leftBytes -= bytes.length;
    } catch {
      return inline;
    }
  }
  return inline;
}

function describeError({ message, recovery, details: { code, traceId } }: UserFacingError): string {
  return [
    message,
    code === undefined ? "" : `Status code: ${code}`,
    recovery === undefined ? "" : `Recovery: ${recovery}`,
    traceId === undefined ? "" : `Trace id: ${traceId}`,
  ]
    .filter((line) => line !== "")
    .join("\n");
}

function notShownInline(leftOut: ToolOutput["images"]): string[] {
  if (leftOut.length === 0) return [];
  return [
    `${plural(leftOut.length, "saved image")} not shown inline (${INLINE_MAX_BYTES / 1000} kB limit, or the file could not be read back): ${leftOut.map(({ path }) => path).join(", ")}`,
  ];
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
