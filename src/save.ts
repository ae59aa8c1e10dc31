import type { Call } from "./calls/call.ts";
import type { MiniMaxClient } from "./client.ts";
import { DeadlineExceededError, ImageError, UserFacingError } from "./errors.ts";
import type { GeneratedImage } from "./minimax/reply-images.ts";
import type { SavedImage } from "./schemas.ts";
import { messageOf, plural } from "./text/text.ts";
import { withGrace } from "./timing/abort.ts";
import { retry, type Timing } from "./timing/retry.ts";
import type { BaseNames } from "./utils/file-names.ts";
import { publishImage, writeImage, type WrittenImage } from "./utils/save-image.ts";

/** Longer than saving usually takes, in milliseconds; downloads take seconds. */
const SAVING_USUAL_MS = 3_000;

/** When a call's time is up while its images are being saved, saving has this long to finish, in milliseconds. */
const SAVING_GRACE_MS = 5_000;

/** Once a call is cancelled, saving has this long to clean up after itself, in milliseconds. */
const CLEAN_UP_MS = 300;

/** An image on disk. */
interface SavedOutcome {
  readonly saved: SavedImage;
  /** Whether its bytes end before the image does. */
  readonly isTruncated: boolean;
}

/** One image's fate; `index` is its position in MiniMax's response, from 0. */
export type ImageOutcome = { readonly index: number } & (SavedOutcome | { readonly failure: string });

/** Where the images of a call go. */
interface Destination {
  readonly directory: string;
  readonly baseNames: BaseNames;
  /** Whether an image has to wait for the names of those before it. */
  readonly isNumbered: boolean;
}

/** The call whose images are saved, and the parts of the server that it needs. */
export interface Saving {
  readonly call: Call;
  readonly client: MiniMaxClient;
  readonly timing: Timing;
  /** Takes one line for the log. */
  readonly log: (line: string) => void;
}

/**
 * Saves all images at once, and names them in their order. It ends when every image is saved or cleaned up, or when the
 * file system does not respond in time.
 *
 * @param destination - rejects when there is none: then every image fails for that reason
 * @returns one outcome an image, in order
 * @throws the signal's reason when the call is cancelled
 */
export async function saveAll(
  images: readonly GeneratedImage[],
  destination: Promise<Destination>,
  saving: Saving,
): Promise<ImageOutcome[]> {
  const { call } = saving;
  const verb = images.some((image) => "link" in image) ? "downloading" : "saving";
  let done = 0;
  call.report(() => `${verb} ${plural(images.length, "image")}, ${done} done`, SAVING_USUAL_MS);
  let turn: Promise<unknown> = Promise.resolve();
  const outcomes = images.map((image, position) => {
    const work = saveOne(image, { destination, position, previous: turn }, saving).then((saved) => {
      done += 1;
      return saved;
    });
    const outcome = outcomeOf(image.index, withGrace(work, call.signal, SAVING_GRACE_MS), saving);
    turn = outcome.catch(() => undefined);
    return outcome;
  });
  const settled = await withGrace(Promise.allSettled(outcomes), call.cancelSignal, CLEAN_UP_MS);
  call.cancelSignal.throwIfAborted();
  return settled.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
}

async function saveOne(
  image: GeneratedImage,
  place: { destination: Promise<Destination>; position: number; previous: Promise<unknown> },
  saving: Saving,
): Promise<SavedOutcome> {
  const { directory, baseNames, isNumbered } = await place.destination;
  const { client, call } = saving;
  const write = (): Promise<WrittenImage> =>
    writeImage(client.readImage(image, call.signal), directory, call.cancelSignal);
  await using written = await retryWriting(write, { ...saving, mayComeWhole: "link" in image });
  if (isNumbered) await place.previous;
  const names = { directory, baseNames: baseNames(place.position), signal: call.cancelSignal };
  return { saved: await publishImage(written, names), isTruncated: written.isTruncated };
}

/**
 * Retries a download, which costs nothing, until it is whole, and any image while the process has too many files open.
 * Of downloads that were truncated the longest is kept: it takes the place of a whole one that never comes.
 */
async function retryWriting(
  write: () => Promise<WrittenImage>,
  { timing, call, mayComeWhole }: Saving & { mayComeWhole: boolean },
): Promise<WrittenImage> {
  let longest: WrittenImage | undefined;
  const attempt = async (): Promise<WrittenImage> => {
    const written = await write();
    if (!written.isTruncated || !mayComeWhole) return written;
    const isLongest = longest === undefined || written.bytes > longest.bytes;
    await (isLongest ? longest : written)?.[Symbol.asyncDispose]();
    if (isLongest) longest = written;
    throw new ImageError("The image is truncated.", { retryAfterMs: 0 });
  };
  const { signal, deadlineMs } = call;
  try {
    const whole = await retry(attempt, timing, { signal, deadlineMs, onWait: () => undefined });
    await longest?.[Symbol.asyncDispose]();
    return whole;
  } catch (error) {
    if (longest === undefined) throw error;
    return longest;
  }
}

/** One image's outcome. Only a cancellation ends the whole call: even a bug must not lose the other images. */
async function outcomeOf(index: number, work: Promise<SavedOutcome>, { call, log }: Saving): Promise<ImageOutcome> {
  try {
    return { index, ...(await work) };
  } catch (error) {
    call.cancelSignal.throwIfAborted();
    if (error instanceof DeadlineExceededError) {
      return { index, failure: `${error.message} The image was not downloaded, or the disk did not respond, in time.` };
    }
    if (error instanceof UserFacingError) return { index, failure: error.message };
    log(`Unexpected error: ${messageOf(error)}`);
    return { index, failure: "Something unexpected went wrong while it was being saved." };
  }
}
