import { NO_LONGER_NEEDED } from "./abort.ts";
import type { Clock } from "./clock.ts";

/** Clients that count silence give up after 60 s. */
const INTERVAL_MS = 5_000;

/** Steps that are kept for changes of the activity, beside those of the clock. */
const RESERVED_STEPS = 12;
const TOTAL = 100;

/** Says in a few words what is being done; asked again at each showing, with the monotonic time in milliseconds. */
export type Activity = (nowMs: number) => string;

/** The parameters of `notifications/progress` that this module fills in. */
export interface ProgressStep {
  /** Percent, a whole number. */
  readonly progress: number;
  readonly total: number;
  readonly message: string;
}

/**
 * Keeps the client informed about one call: at once when the activity changes, and again every 5 s while it does not.
 * `progress` always rises and never reaches `total`.
 */
export class Progress implements Disposable {
  readonly #stopped = new AbortController();
  readonly #startedMs: number;
  #activity: Activity | undefined;
  #span: { readonly from: number; readonly sinceMs: number; readonly usualMs: number } | undefined;
  #percent = 0;

  /**
   * @param budgetMs - time the call may take, in milliseconds
   * @param send - delivers one notification; a rejection of it does not affect the call
   */
  constructor(
    private readonly clock: Clock,
    private readonly budgetMs: number,
    private readonly send: (step: ProgressStep) => Promise<void>,
  ) {
    this.#startedMs = clock.monotonicMs();
  }

  /**
   * Says what is being done from now on.
   *
   * @param usualMs - how long that usually takes, in milliseconds; absent for a wait
   */
  readonly report = (activity: Activity, usualMs?: number): void => {
    const isFirst = this.#activity === undefined;
    this.#activity = activity;
    this.#span =
      usualMs === undefined ? undefined : { from: this.#percent, sinceMs: this.clock.monotonicMs(), usualMs };
    this.#tell();
    if (isFirst) this.#repeat().catch(() => undefined);
  };

  /** No more is sent from now on. */
  [Symbol.dispose](): void {
    this.#stopped.abort(NO_LONGER_NEEDED);
  }

  async #repeat(): Promise<void> {
    for (;;) {
      await this.clock.sleep(INTERVAL_MS, this.#stopped.signal);
      this.#tell();
    }
  }

  #tell(): void {
    if (this.#stopped.signal.aborted || this.#activity === undefined) return;
    const nowMs = this.clock.monotonicMs();
    this.#percent = this.#nextPercent(nowMs);
    this.send({ progress: this.#percent, total: TOTAL, message: this.#activity(nowMs) }).catch(() => undefined);
  }

  /**
   * Halfway from the activity's start to 100 after its usual time, but never so far that the steps that may still
   * follow within the budget could not all be whole and rising.
   */
  #nextPercent(nowMs: number): number {
    const stepsLeft = Math.ceil((this.#startedMs + this.budgetMs - nowMs) / INTERVAL_MS) + RESERVED_STEPS;
    const percent = Math.floor(Math.min(this.#expectedPercent(nowMs), TOTAL - 1 - stepsLeft));
    const rising = Math.max(percent, Math.floor(this.#percent) + 1);
    return rising < TOTAL ? rising : (this.#percent + TOTAL) / 2;
  }

  #expectedPercent(nowMs: number): number {
    if (this.#span === undefined) return 0;
    const { from, sinceMs, usualMs } = this.#span;
    return from + (TOTAL - from) * (1 - 2 ** -((nowMs - sinceMs) / usualMs));
  }
}
