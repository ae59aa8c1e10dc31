import { setImmediate as immediate } from "node:timers/promises";
import { DeadlineExceededError } from "../errors.ts";
import { NO_LONGER_NEEDED } from "./abort.ts";
import type { Clock } from "./clock.ts";

/** A deadline that is noticed so much too late, in milliseconds, finds a process that was suspended. */
const LATE_MS = 250;

/** How long such a process has for a response that came in the meantime, in milliseconds. */
const LATE_GRACE_MS = 2_000;

/**
 * The end of a budget: its signal aborts with a `DeadlineExceededError`. A response that had already arrived is read
 * first: a process that was suspended finds its response and its deadline at the same moment. Disposing stops it.
 */
export class Deadline implements Disposable {
  /** In monotonic milliseconds. */
  readonly atMs: number;
  readonly #expired = new AbortController();
  readonly #stopped = new AbortController();

  /** @param budgetMs - counted from now on, in milliseconds */
  constructor(
    private readonly clock: Clock,
    budgetMs: number,
  ) {
    this.atMs = clock.monotonicMs() + budgetMs;
    this.#wait().then(
      () => {
        this.#expired.abort(new DeadlineExceededError(budgetMs));
      },
      () => undefined,
    );
  }

  get signal(): AbortSignal {
    return this.#expired.signal;
  }

  [Symbol.dispose](): void {
    this.#stopped.abort(NO_LONGER_NEEDED);
  }

  async #wait(): Promise<void> {
    const { signal } = this.#stopped;
    await this.clock.sleep(this.atMs - this.clock.monotonicMs(), signal);
    const lateMs = this.clock.monotonicMs() - this.atMs;
    await immediate();
    if (lateMs > LATE_MS) await this.clock.sleep(LATE_GRACE_MS, signal);
    signal.throwIfAborted();
  }
}
