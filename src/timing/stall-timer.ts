import { NO_LONGER_NEEDED } from "./abort.ts";
import type { Clock } from "./clock.ts";

/** A signal that aborts with its parent, and also when `reset` is not called for a while. */
export class StallTimer {
  readonly #aborted = new AbortController();
  readonly #ended = new AbortController();
  #counting = new AbortController();
  #stalled = false;

  /**
   * @param limitMs - longest silence, in milliseconds; it is counted from now on
   * @param parent - what else the signal follows
   */
  constructor(
    private readonly clock: Clock,
    private readonly limitMs: number,
    parent: AbortSignal,
  ) {
    const follow = (): void => {
      this.#aborted.abort(parent.reason);
    };
    if (parent.aborted) follow();
    else parent.addEventListener("abort", follow, { once: true, signal: this.#ended.signal });
    this.#watch();
  }

  /** Aborts when the silence was too long, or when the parent aborts. */
  get signal(): AbortSignal {
    return this.#aborted.signal;
  }

  /** Whether the silence was too long. */
  get stalled(): boolean {
    return this.#stalled;
  }

  /** Begins to count anew. */
  touch(): void {
    this.#counting.abort(NO_LONGER_NEEDED);
    this.#counting = new AbortController();
    this.#watch();
  }

  /** Ends the watch; the signal does not change any more. */
  stop(): void {
    this.#counting.abort(NO_LONGER_NEEDED);
    this.#ended.abort(NO_LONGER_NEEDED);
  }

  #watch(): void {
    this.clock.sleep(this.limitMs, this.#counting.signal).then(
      () => {
        this.#stalled = true;
        this.#aborted.abort();
      },
      () => undefined,
    );
  }
}
