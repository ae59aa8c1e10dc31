import { LinkedAbortController, NO_LONGER_NEEDED } from "./abort.ts";
import type { Clock } from "./clock.ts";

/** A signal that aborts with its parent, and also when `touch` is not called for a while. Dispose of it at the end. */
export class StallTimer implements Disposable {
  readonly #controller: LinkedAbortController;
  readonly #ended = new AbortController();
  #touchedMs: number;
  #isPaused = false;
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
    this.#controller = new LinkedAbortController(parent);
    this.#touchedMs = clock.monotonicMs();
    this.#watch().catch(() => undefined);
  }

  /** Aborts when the silence was too long, or when the parent aborts. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether the silence was too long. */
  get stalled(): boolean {
    return this.#stalled;
  }

  /** Starts counting again. */
  touch(): void {
    this.#touchedMs = this.clock.monotonicMs();
    this.#isPaused = false;
  }

  /** Does not count until `touch` is called: the silence is not the other side's. */
  pause(): void {
    this.#isPaused = true;
  }

  [Symbol.dispose](): void {
    this.#ended.abort(NO_LONGER_NEEDED);
    this.#controller[Symbol.dispose]();
  }

  async #watch(): Promise<void> {
    for (let leftMs = this.limitMs; leftMs > 0; leftMs = this.#leftMs()) {
      await this.clock.sleep(leftMs, this.#ended.signal);
    }
    this.#stalled = true;
    this.#controller.abort();
  }

  #leftMs(): number {
    return this.#isPaused ? this.limitMs : this.#touchedMs + this.limitMs - this.clock.monotonicMs();
  }
}
