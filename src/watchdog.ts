import type { Clock } from "./clock.ts";

/** Aborts its signal when `reset` is not called for a while. */
export class Watchdog {
  readonly #barked = new AbortController();
  #stopped = new AbortController();

  /** @param limitMs - longest silence, in milliseconds; it is counted from now on */
  constructor(
    private readonly clock: Clock,
    private readonly limitMs: number,
  ) {
    this.#watch();
  }

  /** Aborts when the silence was too long. */
  get signal(): AbortSignal {
    return this.#barked.signal;
  }

  /** Begins to count anew. */
  reset(): void {
    this.stop();
    this.#stopped = new AbortController();
    this.#watch();
  }

  /** Ends the watch. */
  stop(): void {
    this.#stopped.abort();
  }

  #watch(): void {
    this.clock.sleep(this.limitMs, this.#stopped.signal).then(
      () => {
        this.#barked.abort();
      },
      () => undefined,
    );
  }
}
