import type { MiniMaxClient } from "./client.ts";
import {
  ASPECT_RATIO_PIXELS,
  BYTES_PER_PIXEL,
  FILE_SYSTEM_GRACE_MS,
  REFERENCE_MAX_BYTES,
  SAVING_GRACE_MS,
  SAVING_USUAL_MS,
} from "./constants.ts";
import {
  DeadlineExceededError,
  ImageError,
  OutputDirectoryError,
  SubjectReferenceError,
  TruncatedImageError,
  UserFacingError,
} from "./errors.ts";
import type { GenerationResult } from "./minimax/reply.ts";
import type { GeneratedImage, UsableImage } from "./minimax/reply-images.ts";
import { toRequest } from "./minimax/request.ts";
import type { GenerationRequest, SavedImage, ToolInput } from "./schemas.ts";
import { formatSeconds, messageOf, plural, truncate } from "./text.ts";
import { unlessStuck } from "./timing/abort.ts";
import type { Call } from "./timing/call.ts";
import { retry, type Timing } from "./timing/retry.ts";
import type { SharedWork } from "./timing/shared-work.ts";
import { type NameSequence, numberedNames, promptNames } from "./utils/file-names.ts";
import { assertFits, type FreeSpace, freeSpaceOf } from "./utils/free-space.ts";
import { assertWritable, resolveOutputDirectory } from "./utils/output-directory.ts";
import type { OutputRoot } from "./utils/output-root.ts";
import type { LocalImage } from "./utils/reference-file.ts";
import { type Destination, publishImage, writeImage, type WrittenImage } from "./utils/save-image.ts";

const CHECK_DRIVE =
  "No request was made. Check the disk or network drive, or choose another output_dir inside the base directory.";

/** What a call needs from the process it runs in. */
export interface Dependencies {
  readonly client: MiniMaxClient;
  readonly timing: Timing;
  readonly outputRoot: OutputRoot;
  /** Absolute; undefined when the user has none. */
  readonly homeDirectory: string | undefined;
  /** Proofs that a directory can be written, by the directory's name. */
  readonly directoryProofs: SharedWork<FreeSpace>;
  /**
   * Reads a local image that may be read, of fewer bytes than the limit; `name` is how the parameter is called in
   * messages.
   */
  readonly readLocalImage: (path: string, name: string, limitBytes: number, signal: AbortSignal) => Promise<LocalImage>;
  /** Takes one line for the log. */
  readonly log: (line: string) => void;
}

/** An image on disk. */
interface Saved {
  readonly saved: SavedImage;
  /** Whether its bytes end before the image does. */
  readonly isTruncated: boolean;
}

/** One image's fate; `index` is its position in MiniMax's answer, from 0. */
type ImageOutcome = { readonly index: number } & (Saved | { readonly failure: string });

/** What one call came to. */
export interface CallResult {
  readonly input: ToolInput;
  readonly generation: GenerationResult;
  /** One entry an image, in MiniMax's order. */
  readonly outcomes: readonly ImageOutcome[];
  /** The saved ones among the outcomes. */
  readonly saved: readonly SavedImage[];
  /** Why files went to the fallback directory, when they did. */
  readonly fallbackNotice: string | undefined;
}

/**
 * The whole job: directory, request, files. Everything that can be refused is refused before the request is sent.
 *
 * @throws UserFacingError with a sentence for the person; the signal's reason when the call is cancelled
 */
export async function generateAndSave(input: ToolInput, dependencies: Dependencies, call: Call): Promise<CallResult> {
  call.onActivity(() => "checking the request");
  const request = await prepare(input, dependencies, call);
  const generation = await dependencies.client.generateImages(request, call);
  const outcomes = await saveAll(generation.images, input, dependencies, call);
  const saved = outcomes.flatMap((outcome) => ("saved" in outcome ? [outcome.saved] : []));
  const fallbackNotice = input.output_dir === undefined ? dependencies.outputRoot.fallbackNotice : undefined;
  return { input, generation, outcomes, saved, fallbackNotice };
}

/** Reads the references and proves the directory: whatever can be refused is refused here, before anything is paid. */
async function prepare(input: ToolInput, dependencies: Dependencies, call: Call): Promise<GenerationRequest> {
  const { directoryProofs, outputRoot, readLocalImage } = dependencies;
  const request = await toRequest(input, (path, name) =>
    blamingSilence(
      readLocalImage(path, name, REFERENCE_MAX_BYTES, call.signal),
      (silence) => new SubjectReferenceError(`${name}: ${truncate(path)} ${silence}`),
    ),
  );
  const directory = input.output_dir ?? outputRoot.defaultDirectory;
  const space = await blamingSilence(
    directoryProofs.run(directory, call.signal, () => proveDirectory(input, dependencies)),
    (silence) =>
      new OutputDirectoryError(`The output directory ${truncate(directory)} ${silence}`, { recovery: CHECK_DRIVE }),
  );
  assertFits(space, bytesOf(input));
  return request;
}

async function proveDirectory(input: ToolInput, dependencies: Dependencies): Promise<FreeSpace> {
  const directory = await directoryFor(input, dependencies);
  await assertWritable(directory, dependencies.outputRoot.base);
  return freeSpaceOf(directory);
}

/** When work on the file system uses up the call's time, the file system is at fault and not the limit. */
async function blamingSilence<T>(work: Promise<T>, toError: (silence: string) => Error): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof DeadlineExceededError)) throw error;
    throw toError(`did not answer within the call's ${formatSeconds(error.budgetMs)}.`);
  }
}

/** About how much the images of a call will take on the disk. */
function bytesOf({ n, aspect_ratio = "1:1", width, height }: ToolInput): number {
  const pixels = ASPECT_RATIO_PIXELS[aspect_ratio];
  return Math.ceil(n * (width ?? pixels.width) * (height ?? pixels.height) * BYTES_PER_PIXEL);
}

function directoryFor({ output_dir }: ToolInput, { outputRoot, homeDirectory }: Dependencies): Promise<string> {
  return resolveOutputDirectory(output_dir, outputRoot, homeDirectory);
}

/**
 * Saves all at once, and is over when every image is saved or cleaned up, or when the file system does not answer in
 * time. The directory is resolved again: since it was proved, generating has taken a while, and it may be gone or lead
 * elsewhere.
 */
async function saveAll(
  images: readonly GeneratedImage[],
  input: ToolInput,
  dependencies: Dependencies,
  call: Call,
): Promise<ImageOutcome[]> {
  const verb = images.some((image) => "link" in image) ? "downloading" : "saving";
  let done = 0;
  call.onActivity(() => `${verb} ${plural(images.length, "image")}, ${done} done`, {
    from: 0.9,
    to: 1,
    sinceMs: dependencies.timing.clock.monotonicMs(),
    usualMs: SAVING_USUAL_MS,
  });
  const namesOf = nameSequence(input, images.length, dependencies);
  const directory = directoryFor(input, dependencies);
  const save = async (image: GeneratedImage, nextBaseName: Destination["nextBaseName"]): Promise<Saved> => {
    const destination = { directory: await directory, nextBaseName };
    if ("problem" in image) throw new ImageError(`MiniMax's image cannot be used: ${image.problem}.`);
    const saved = await saveOne(image, destination, dependencies, call);
    done += 1;
    return saved;
  };
  const outcomes = images.map((image, position) => {
    const saving = unlessStuck(save(image, namesOf(position + 1)), call.signal, SAVING_GRACE_MS);
    return outcomeOf(image.index, saving, call.cancelSignal, dependencies.log);
  });
  const settled = await unlessStuck(Promise.allSettled(outcomes), call.cancelSignal, FILE_SYSTEM_GRACE_MS);
  call.cancelSignal.throwIfAborted();
  return settled.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
}

/** Saves one image. */
async function saveOne(
  image: UsableImage,
  destination: Destination,
  { client, timing }: Dependencies,
  call: Call,
): Promise<Saved> {
  const write = (): Promise<WrittenImage> =>
    writeImage(client.readImage(image, call.signal), destination.directory, call.cancelSignal);
  await using written = await ("link" in image ? download(write, timing, call) : write());
  const saved = await publishImage(written, destination, call.cancelSignal);
  return { saved, isTruncated: written.isTruncated };
}

/**
 * Retries a download, which costs nothing, until it is whole. Of those that were truncated the longest is kept: it
 * takes the place of a whole one that never comes.
 */
async function download(write: () => Promise<WrittenImage>, timing: Timing, call: Call): Promise<WrittenImage> {
  let truncated: WrittenImage | undefined;
  const attempt = async (): Promise<WrittenImage> => {
    const written = await write();
    if (!written.isTruncated) return written;
    const isLongest = truncated === undefined || written.bytes > truncated.bytes;
    await (isLongest ? truncated : written)?.[Symbol.asyncDispose]();
    if (isLongest) truncated = written;
    throw new TruncatedImageError();
  };
  try {
    const whole = await retry(attempt, timing, { ...call, onWait: () => undefined });
    await truncated?.[Symbol.asyncDispose]();
    return whole;
  } catch (error) {
    if (truncated === undefined) throw error;
    return truncated;
  }
}

function nameSequence({ filename, prompt }: ToolInput, count: number, { timing }: Dependencies): NameSequence {
  return filename === undefined ? promptNames(prompt, timing.clock.unixMs()) : numberedNames(filename, count);
}

/** What became of one image. Only a cancellation ends the whole call: not even a defect may lose the others. */
async function outcomeOf(
  index: number,
  saving: Promise<Saved>,
  cancelSignal: AbortSignal,
  log: (line: string) => void,
): Promise<ImageOutcome> {
  try {
    return { index, ...(await saving) };
  } catch (error) {
    cancelSignal.throwIfAborted();
    if (error instanceof DeadlineExceededError) {
      return { index, failure: `${error.message} The image was not downloaded, or the disk did not answer, in time.` };
    }
    if (error instanceof UserFacingError) return { index, failure: error.message };
    log(`Unexpected error: ${messageOf(error)}`);
    return { index, failure: "Something unexpected went wrong while it was being saved." };
  }
}
