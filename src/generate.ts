import type { Call } from "./call.ts";
import type { MiniMaxClient } from "./client.ts";
import { BudgetSpentError, ImageError } from "./errors.ts";
import { resolveReference } from "./references.ts";
import type { GeneratedImage, Generation } from "./reply.ts";
import { retry, type Timing } from "./retry.ts";
import type { GenerationRequest, SavedImage, ToolInput } from "./schemas.ts";
import { plural } from "./text.ts";
import { fileStem, slugOf } from "./utils/file-names.ts";
import { type OutputRoot, resolveOutputDirectory } from "./utils/output-directory.ts";
import { saveImage } from "./utils/save-image.ts";

/** What a call needs from the process it runs in. */
export interface Surroundings {
  readonly client: MiniMaxClient;
  readonly timing: Timing;
  readonly outputRoot: OutputRoot;
  readonly homeDirectory: string;
}

/** One image's fate; `index` counts from 1. */
export type ImageOutcome =
  { readonly index: number; readonly saved: SavedImage } | { readonly index: number; readonly failure: string };

/** What one call came to. */
export interface CallResult {
  readonly input: ToolInput;
  readonly generation: Generation;
  /** One entry an image, in MiniMax's order. */
  readonly outcomes: readonly ImageOutcome[];
}

/**
 * The whole job: directory, request, files. Everything that can be refused is refused before the request is sent.
 *
 * @throws ServerError with a sentence for the person; the signal's reason when the call is cancelled
 */
export async function generateAndSave(input: ToolInput, surroundings: Surroundings, call: Call): Promise<CallResult> {
  call.onActivity(() => "checking the request");
  const request = toRequest(input);
  const directory = await resolveOutputDirectory(input.output_dir, surroundings.outputRoot, surroundings.homeDirectory);
  call.signal.throwIfAborted();
  const generation = await surroundings.client.generateImages(request, call);
  const outcomes = await saveAll(generation.images, input, directory, surroundings, call);
  return { input, generation, outcomes };
}

function toRequest(input: ToolInput): GenerationRequest {
  return {
    model: "image-01",
    prompt: input.prompt,
    aspect_ratio: input.aspect_ratio,
    response_format: input.response_format,
    n: input.n,
    prompt_optimizer: input.prompt_optimizer,
    ...(input.seed === undefined ? {} : { seed: input.seed }),
    ...(input.subject_reference === undefined
      ? {}
      : {
          subject_reference: input.subject_reference.map(({ type, image_file }, position) => ({
            type,
            image_file: resolveReference(image_file, position),
          })),
        }),
  };
}

async function saveAll(
  images: readonly GeneratedImage[],
  input: ToolInput,
  directory: string,
  { client, timing }: Surroundings,
  call: Call,
): Promise<ImageOutcome[]> {
  const verb = images.some((image) => "link" in image) ? "downloading" : "saving";
  let done = 0;
  call.onActivity(() => `${verb} ${plural(images.length, "image")}, ${String(done)} done`);
  const slug = slugOf(input.prompt);
  const unixMs = timing.clock.unixMs();
  const outcomes = await Promise.all(
    images.map(async (image, position): Promise<ImageOutcome> => {
      const index = position + 1;
      const save = (): Promise<SavedImage> =>
        saveImage(
          client.readImage(image, call.signal),
          { directory, nextStem: () => fileStem(slug, unixMs, index) },
          call.cancelled,
        );
      try {
        const saved = await retry(save, timing, {
          signal: call.signal,
          deadlineMs: call.deadlineMs,
          onWait: () => undefined,
        });
        done += 1;
        return { index, saved };
      } catch (error) {
        return { index, failure: failureOf(error, call.cancelled) };
      }
    }),
  );
  call.cancelled.throwIfAborted();
  return outcomes;
}

/** The sentence for one image that was not saved. A defect or a cancellation ends the whole call instead. */
function failureOf(error: unknown, cancelled: AbortSignal): string {
  cancelled.throwIfAborted();
  if (error instanceof BudgetSpentError) return `${error.message} The image was not downloaded in time.`;
  if (error instanceof ImageError) return error.message;
  throw error;
}
