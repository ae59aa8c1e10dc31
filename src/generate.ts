import type { Call } from "./calls/call.ts";
import { ASPECT_RATIO_PIXELS, BYTES_PER_PIXEL } from "./constants.ts";
import type { GenerationResult } from "./minimax/reply.ts";
import { toRequest } from "./minimax/request.ts";
import { type ImageOutcome, saveAll, type Saving } from "./save.ts";
import type { ToolInput, ToolOutput } from "./schemas.ts";
import { plural } from "./text/text.ts";
import { numberedNames, promptNames } from "./utils/file-names.ts";
import type { Workspace } from "./utils/workspace.ts";

/** The parts of the server that a call needs. */
export interface Parts extends Omit<Saving, "call"> {
  readonly workspace: Workspace;
}

/**
 * The whole job: references, directory, request, files. Every refusal comes before the request is sent.
 *
 * @throws UserFacingError with a sentence for the person; the signal's reason when the call is cancelled
 */
export async function generateAndSave(input: ToolInput, parts: Parts, call: Call): Promise<ToolOutput> {
  const { client, workspace } = parts;
  call.report(() => "checking the request");
  const request = await toRequest(input, (wanted) => workspace.readImage(wanted, call.signal));
  await workspace.prove(input.output_dir, bytesOf(input), call.signal);
  const generation = await client.generateImages(request, call);
  const outcomes = await saveAll(generation.images, destinationOf(input, generation, parts), { ...parts, call });
  return toOutput(input, { generation, outcomes, notice: workspace.noticeFor(input.output_dir) });
}

async function destinationOf(
  { output_dir, filename, prompt }: ToolInput,
  { images: { length } }: GenerationResult,
  { workspace, timing }: Parts,
) {
  const isNumbered = filename !== undefined;
  const baseNames = isNumbered ? numberedNames(filename, length) : promptNames(prompt, timing.clock.unixMs());
  return { directory: await workspace.resolve(output_dir), baseNames, isNumbered };
}

/** About how much the images of a call will take on the disk. */
function bytesOf({ n, aspect_ratio = "1:1", width, height }: ToolInput): number {
  const pixels = ASPECT_RATIO_PIXELS[aspect_ratio];
  return Math.ceil(n * (width ?? pixels.width) * (height ?? pixels.height) * BYTES_PER_PIXEL);
}

/** The facts of one call, without any image's bytes. */
function toOutput(
  input: ToolInput,
  { generation, outcomes, notice }: { generation: GenerationResult; outcomes: ImageOutcome[]; notice: string },
): ToolOutput {
  const saved = outcomes.flatMap((outcome) => ("saved" in outcome ? [outcome.saved] : []));
  const failures = outcomes.flatMap((outcome) =>
    "failure" in outcome ? [{ index: outcome.index, error: outcome.failure }] : [],
  );
  const links = generation.images.flatMap((image) => ("link" in image ? [image.link] : []));
  const warnings = [
    ...generation.warnings,
    fewerThanAskedFor(input.n, outcomes.length, generation.withheld),
    ...outcomes.map(truncationOf),
    notice,
  ].filter((warning) => warning !== "");
  return {
    id: generation.id,
    image_count: generation.images.length,
    saved_count: saved.length,
    file_paths: saved.map(({ path }) => path),
    ...(failures.length === 0 ? {} : { failures }),
    metadata: { ...generation.metadata },
    images: saved,
    ...(links.length === 0 ? {} : { image_urls: links }),
    seed: input.seed,
    ...(warnings.length === 0 ? {} : { warnings }),
  };
}

function fewerThanAskedFor(asked: number, returned: number, withheld: string | undefined): string {
  if (returned >= asked) return "";
  const counted = withheld === undefined ? "" : `; it counts ${withheld} as failed or withheld by its safety filter`;
  return `MiniMax returned ${returned} of the ${plural(asked, "image")} asked for${counted}.`;
}

function truncationOf(outcome: ImageOutcome): string {
  return "saved" in outcome && outcome.isTruncated
    ? `Image ${outcome.index + 1} is truncated and may show only a part: ${outcome.saved.path}`
    : "";
}
