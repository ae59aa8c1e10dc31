import type { Call } from "./timing/call.ts";
import type { MiniMaxClient } from "./client.ts";
import { INLINE_MAX_BYTES } from "./constants.ts";
import { BudgetSpentError, ServerError } from "./errors.ts";
import type { GeneratedImage, Generation } from "./minimax/reply.ts";
import { retry, type Timing } from "./timing/retry.ts";
import { toRequest } from "./minimax/request.ts";
import type { SavedImage, ToolInput } from "./schemas.ts";
import { messageOf, plural } from "./text.ts";
import { givenStems, promptStems } from "./utils/file-names.ts";
import { type InlineImage, readInlineImages } from "./utils/inline-images.ts";
import { assertWritable, type OutputRoot, resolveOutputDirectory } from "./utils/output-directory.ts";
import { saveImage } from "./utils/save-image.ts";

/** What a call needs from the process it runs in. */
export interface Surroundings {
  readonly client: MiniMaxClient;
  readonly timing: Timing;
  readonly outputRoot: OutputRoot;
  readonly homeDirectory: string;
  /** Beside the base, where local reference images may be read; absolute. */
  readonly referenceDirectories: readonly string[];
  /** Takes one line for the log. */
  readonly log: (line: string) => void;
}

/** One image's fate; `index` counts from 1. */
type ImageOutcome =
  { readonly index: number; readonly saved: SavedImage } | { readonly index: number; readonly failure: string };

/** What one call came to. */
export interface CallResult {
  readonly input: ToolInput;
  readonly generation: Generation;
  /** One entry an image, in MiniMax's order. */
  readonly outcomes: readonly ImageOutcome[];
  /** The saved ones among the outcomes. */
  readonly saved: readonly SavedImage[];
  /** The first of the saved ones, when they were asked for. */
  readonly inline: readonly InlineImage[];
  /** What the person should know of the place where files went. */
  readonly notice: string | undefined;
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
    const request = await toRequest(input, {
      base: surroundings.outputRoot.base,
      directories: surroundings.referenceDirectories,
      homeDirectory: surroundings.homeDirectory,
    });
    await assertWritable(await directoryFor(input, surroundings, call), call.cancelled);
    call.signal.throwIfAborted();
    const generation = await surroundings.client.generateImages(request, place, call);
    const outcomes = await saveAll(generation.images, input, surroundings, call);
    const saved = outcomes.flatMap((outcome) => ("saved" in outcome ? [outcome.saved] : []));
    const inline = input.return_images ? await readInlineImages(saved, INLINE_MAX_BYTES) : [];
    const notice = input.output_dir === undefined ? surroundings.outputRoot.notice : undefined;
    return { input, generation, outcomes, saved, inline, notice };
  } finally {
    place.leave();
  }
}

function directoryFor(
  { output_dir }: ToolInput,
  { outputRoot, homeDirectory }: Surroundings,
  { cancelled }: Call,
): Promise<string> {
  return resolveOutputDirectory(output_dir, outputRoot, homeDirectory, cancelled);
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
  const stemsOf =
    input.filename === undefined
      ? promptStems(input.prompt, surroundings.timing.clock.unixMs())
      : givenStems(input.filename, images.length);
  const directory = directoryFor(input, surroundings, call);
  const saveOne = async (image: GeneratedImage, index: number): Promise<SavedImage> => {
    const destination = { directory: await directory, nextStem: stemsOf(index) };
    const attempt = (): Promise<SavedImage> =>
      saveImage(surroundings.client.readImage(image, call.signal), destination, call.cancelled);
    const saved = await retry(attempt, surroundings.timing, { ...call, onWait: () => undefined });
    done += 1;
    return saved;
  };
  const settled = await Promise.allSettled(
    images.map((image, position) =>
      outcomeOf(position + 1, saveOne(image, position + 1), call.cancelled, surroundings.log),
    ),
  );
  call.cancelled.throwIfAborted();
  return settled.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
}

/** What became of one image. Only a cancellation ends the whole call: not even a defect may lose the others. */
async function outcomeOf(
  index: number,
  saving: Promise<SavedImage>,
  cancelled: AbortSignal,
  log: (line: string) => void,
): Promise<ImageOutcome> {
  try {
    return { index, saved: await saving };
  } catch (error) {
    cancelled.throwIfAborted();
    if (error instanceof BudgetSpentError) return { index, failure: `${error.message} It was not downloaded in time.` };
    if (error instanceof ServerError) return { index, failure: error.message };
    log(`Unexpected error: ${messageOf(error)}`);
    return { index, failure: "Something unexpected went wrong while it was saved." };
  }
}
