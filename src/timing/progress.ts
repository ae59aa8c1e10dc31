import { NO_LONGER_NEEDED } from "./abort.ts";
import type { Activity } from "./call.ts";
import type { Clock } from "./clock.ts";

const STEPS_TO_HALF = 9;

/** The parameters of `notifications/progress` that this module fills in. */
export interface ProgressStep {
  readonly progress: number;
  readonly total: number;
  readonly message: string;
}

/**
 * Keeps the client informed about one call: at once when the activity changes, and again at least every `intervalMs`
 * while it does not. How long MiniMax will take is not known, so `progress` follows steps / (steps + 9): it always
 * rises and never reaches `total`.
 */
export class Progress implements Disposable {
  readonly #stopped = new AbortController();
  #activity: Activity | undefined;
  #steps = 0;

  /** @param send - delivers one notification; what it rejects with is of no consequence to the call */
  constructor(
    private readonly clock: Clock,
    private readonly intervalMs: number,
    private readonly send: (step: ProgressStep) => Promise<void>,
  ) {}

  /** Says what is being done from now on. */
  readonly enter = (activity: Activity): void => {
    const isFirst = this.#activity === undefined;
    this.#activity = activity;
    this.#tell();
    if (isFirst) void this.#repeat();
  };

  /** Nothing is sent any more from now on. */
  [Symbol.dispose](): void {
    this.#stopped.abort(NO_LONGER_NEEDED);
  }

  async #repeat(): Promise<void> {
    try {
      for (;;) {
        await this.clock.sleep(this.intervalMs, this.#stopped.signal);
        this.#tell();
      }
    } catch {
      return;
    }
  }

  #tell(): void {
    if (this.#stopped.signal.aborted || this.#activity === undefined) return;
    this.#steps += 1;
    const progress = this.#steps / (this.#steps + STEPS_TO_HALF);
    this.send({ progress, total: 1, message: this.#activity(this.clock.monotonicMs()) }).catch(() => undefined);
  }
}
