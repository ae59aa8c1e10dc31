import { lstat } from "node:fs/promises";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DeadlineExceededError, OutputDirectoryError, SubjectReferenceError } from "../errors.ts";
import type { SavedImage } from "../schemas.ts";
import { expandHome, isInside } from "../text/paths.ts";
import { formatSeconds, shown, truncate } from "../text/text.ts";
import { withGrace } from "../timing/abort.ts";
import type { Places } from "./base-directory.ts";
import { assertFits } from "./free-space.ts";
import { type LocalImage, readLocalImage, type WantedImage } from "./local-image.ts";
import { assertWritable, canBeWritten, resolveOutputDirectory } from "./output-directory.ts";
import { realPathOf } from "./real-path.ts";

/**
 * Once a call is over, work on the file system has this long to clean up after itself, in milliseconds; a drive that
 * does not respond by then is left alone.
 */
const GRACE_MS = 300;

const LOOK_MS = 1_000;

/** The directories of the user that this server works in: it saves inside the base, and reads only allowed images. */
export class Workspace {
  constructor(readonly places: Places) {}

  /**
   * Shows that a call can save its images, before it is paid for: the directory is made, written to, and has room.
   *
   * @param outputDir - the call's `output_dir`; undefined for the default directory
   * @param neededBytes - of all images of the call
   * @throws OutputDirectoryError when it may not or cannot be written; the signal's reason on abort
   */
  async prove(outputDir: string | undefined, neededBytes: number, signal: AbortSignal): Promise<void> {
    const directory = outputDir ?? this.places.defaultDirectory;
    const proving = async (): Promise<void> => {
      const real = await this.resolve(outputDir);
      await assertWritable(real, this.places.base);
      await assertFits(real, neededBytes);
    };
    await blamingSilence(withGrace(proving(), signal, GRACE_MS), (silence) => {
      return new OutputDirectoryError(
        `The output directory ${shown(directory)} ${silence}`,
        "Check the disk or network drive, or choose another output_dir inside the base directory.",
      );
    });
  }

  /**
   * The real path of the directory, which exists and lies inside the base. Since it was proved, generating has taken a
   * while, and it may be gone or lead elsewhere.
   *
   * @throws OutputDirectoryError when it may not or cannot be written
   */
  resolve(outputDir: string | undefined): Promise<string> {
    return resolveOutputDirectory({ requested: outputDir, ...this.places });
  }

  /** The absolute path that `output_dir` means, by its words alone; undefined when that needs a home directory. */
  pathOf(outputDir: string | undefined): string | undefined {
    const { base, defaultDirectory, homeDirectory } = this.places;
    const expanded = expandHome(outputDir ?? defaultDirectory, homeDirectory);
    return expanded === undefined ? undefined : resolve(base, expanded);
  }

  /** Whether the base and the default directory can be found and written to; creates nothing. */
  async canSave(): Promise<boolean> {
    const { base, defaultDirectory } = this.places;
    try {
      const [realBase, real] = await Promise.all([realPathOf(base), realPathOf(defaultDirectory)]);
      if (!isInside(realBase, real)) return false;
    } catch {
      return false;
    }
    return canBeWritten(defaultDirectory);
  }

  /**
   * The saved images whose files are still there, and of the size that was saved; all of them when the file system does
   * not respond within a second.
   */
  async findUnchanged(saved: readonly SavedImage[]): Promise<readonly SavedImage[]> {
    const looks = saved.map(async (image) => {
      const status = await lstat(image.path).catch(() => undefined);
      return status?.isFile() === true && status.size === image.bytes ? [image] : [];
    });
    return Promise.race([Promise.all(looks).then((found) => found.flat()), sleep(LOOK_MS, saved, { ref: false })]);
  }

  /** Why files go to the fallback directory, when this call's do; otherwise an empty text. */
  noticeFor(outputDir: string | undefined): string {
    return outputDir === undefined ? (this.places.fallbackNotice ?? "") : "";
  }

  /**
   * Reads a local image that may be read.
   *
   * @throws SubjectReferenceError when it may not or cannot be read; the signal's reason on abort
   */
  readImage(wanted: WantedImage, signal: AbortSignal): Promise<LocalImage> {
    return blamingSilence(
      withGrace(readLocalImage(wanted, this.places), signal, GRACE_MS),
      (silence) => new SubjectReferenceError(`${wanted.name}: ${truncate(wanted.path)} ${silence}`),
    );
  }
}

/** When work on the file system uses up the call's time, the file system is at fault and not the limit. */
async function blamingSilence<T>(work: Promise<T>, toError: (silence: string) => Error): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof DeadlineExceededError)) throw error;
    throw toError(`did not respond within the call's time limit (${formatSeconds(error.budgetMs)}).`);
  }
}
