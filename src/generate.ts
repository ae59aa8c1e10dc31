import type { Call } from "./call.ts";
import type { MiniMaxClient } from "./client.ts";
import { BudgetSpentError, ServerError } from "./errors.ts";
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
  const place = surroundings.client.joinQueue();
  try {
    call.onActivity(() => "checking the request");
    const request = toRequest(input);
    await directoryFor(input, surroundings);
    call.signal.throwIfAborted();
    const generation = await surroundings.client.generateImages(request, place, call);
    const outcomes = await saveAll(generation.images, input, surroundings, call);
    return { input, generation, outcomes };
  } finally {
    place.leave();
  }
}

function directoryFor({ output_dir }: ToolInput, { outputRoot, homeDirectory }: Surroundings): Promise<string> {
  return resolveOutputDirectory(output_dir, outputRoot, homeDirectory);
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

/** Saves all at once, and is over only when every image is saved or cleaned up. The directory is resolved anew: since it was proved, MiniMax has drawn for a while, and it may be gone or lead elsewhere. */
async function saveAll(
  images: readonly GeneratedImage[],
  input: ToolInput,
  surroundings: Surroundings,
  call: Call,
): Promise<ImageOutcome[]> {
  const verb = images.some((image) => "link" in image) ? "downloading" : "saving";
  let done = 0;
  call.onActivity(() => `${verb} ${plural(images.length, "image")}, ${String(done)} done`);
  const slug = slugOf(input.prompt);
  const unixMs = surroundings.timing.clock.unixMs();
  const directory = directoryFor(input, surroundings);
  const saveOne = async (image: GeneratedImage, index: number): Promise<SavedImage> => {
    const destination = { directory: await directory, nextStem: () => fileStem(slug, unixMs, index) };
    const attempt = (): Promise<SavedImage> =>
      saveImage(surroundings.client.readImage(image, call.signal), destination, call.cancelled);
    const saved = await retry(attempt, surroundings.timing, { ...call, onWait: () => undefined });
    done += 1;
    return saved;
  };
  const settled = await Promise.allSettled(
    images.map((image, position) => outcomeOf(position + 1, saveOne(image, position + 1), call.cancelled)),
  );
  call.cancelled.throwIfAborted();
  return settled.map((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  });
}

/** What became of one image. A defect or a cancellation ends the whole call instead. */
async function outcomeOf(index: number, saving: Promise<SavedImage>, cancelled: AbortSignal): Promise<ImageOutcome> {
  try {
    return { index, saved: await saving };
  } catch (error) {
    cancelled.throwIfAborted();
    if (error instanceof BudgetSpentError) return { index, failure: `${error.message} It was not downloaded in time.` };
    if (error instanceof ServerError) return { index, failure: error.message };
    throw error;
  }
}
