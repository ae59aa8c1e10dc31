import { NO_LONGER_NEEDED } from "./abort.ts";
import type { Activity, Span } from "./call.ts";
import type { Clock } from "./clock.ts";

const CREEP = 0.001;
const SPAN_MAX = 0.99;

/** The parameters of `notifications/progress` that this module fills in. */
export interface ProgressStep {
  readonly progress: number;
  readonly total: number;
  readonly message: string;
}

/**
 * Keeps the client informed about one call: at once when the activity changes, and again at least every `intervalMs`
 * while it does not. `progress` follows the span of the activity, creeps on during waits, always rises and never
 * reaches `total`.
 */
export class Progress implements Disposable {
  readonly #stopped = new AbortController();
  #activity: Activity | undefined;
  #span: Span | undefined;
  #fraction = 0;

  /** @param send - delivers one notification; what it rejects with is of no consequence to the call */
  constructor(
    private readonly clock: Clock,
    private readonly intervalMs: number,
    private readonly send: (step: ProgressStep) => Promise<void>,
  ) {}

  /** Says what is being done from now on. */
  readonly enter = (activity: Activity, span?: Span): void => {
    const isFirst = this.#activity === undefined;
    this.#activity = activity;
    this.#span = span;
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
    const nowMs = this.clock.monotonicMs();
    const creeping = this.#fraction + (1 - this.#fraction) * CREEP;
    this.#fraction = Math.max(creeping, fractionOf(this.#span, nowMs));
    this.send({ progress: this.#fraction, total: 1, message: this.#activity(nowMs) }).catch(() => undefined);
  }
}

/**
 * `from + (to - from) * (1 - 3 ** -(elapsed / usual))`: two thirds after the usual time, and never beyond 0.99, so that
 * there is room to creep on.
 */
function fractionOf(span: Span | undefined, nowMs: number): number {
  if (span === undefined) return 0;
  const { from, to, sinceMs, usualMs } = span;
  return Math.min(from + (to - from) * (1 - 3 ** -((nowMs - sinceMs) / usualMs)), SPAN_MAX);
}
