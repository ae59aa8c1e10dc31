import { QueueTimeoutError } from "../errors.ts";
import { unlessAborted } from "./abort.ts";
import type { Clock } from "./clock.ts";

/** What a place in the queue needs to know of the call that stands there. */
export interface TurnOptions {
  readonly signal: AbortSignal;
  /** In monotonic milliseconds. */
  readonly deadlineMs: number;
  /** Called once if the turn does not come at once. */
  readonly onWait: (place: Place) => void;
}

/** A place in the queue of one process. It has to be left, whatever happens. */
export interface Place {
  /** How many go first. */
  readonly ahead: () => number;
  /** When it will probably be this one's turn, in monotonic milliseconds. */
  readonly turnMs: () => number;
  /**
   * Waits for the turn, counts the request as begun, and leaves the place.
   *
   * @throws QueueTimeoutError when the turn would come after the deadline; the signal's reason on abort
   */
  readonly turn: (options: TurnOptions) => Promise<void>;
  /** Makes room for the next one; harmless when done before. */
  readonly leave: () => void;
}

/**
 * Lets at most `limit` requests begin in any `windowMs`, first come, first served. One instance paces a whole process.
 */
export class RateLimiter {
  readonly #queue = new Set<Place>();
  #lastLeft: Promise<unknown> = Promise.resolve();
  #begunMs: number[] = [];
  #heldUntilMs = 0;

  /**
   * @param limit - requests in a window; 0 for no limit
   * @param windowMs - length of the sliding window, in milliseconds
   */
  constructor(
    private readonly clock: Clock,
    private readonly limit: number,
    private readonly windowMs: number,
  ) {}

  /** Joins the queue at its end, at once. */
  join(): Place {
    const before = this.#lastLeft;
    let hasLeft: () => void = () => undefined;
    const left = new Promise<void>((resolve) => {
      hasLeft = resolve;
    });
    this.#lastLeft = Promise.all([before, left]).then(() => undefined);
    const place: Place = {
      ahead: () => [...this.#queue].indexOf(place),
      turnMs: () => this.#turnMs(place.ahead()),
      turn: (options) => this.#turn(place, before, options),
      leave: () => {
        this.#queue.delete(place);
        hasLeft();
      },
    };
    this.#queue.add(place);
    return place;
  }

  /** Lets nothing begin before `untilMs` (monotonic). */
  pauseUntil(untilMs: number): void {
    this.#heldUntilMs = Math.max(this.#heldUntilMs, untilMs);
  }

  async #turn(place: Place, before: Promise<unknown>, { signal, deadlineMs, onWait }: TurnOptions): Promise<void> {
    try {
      this.#assertInTime(place, deadlineMs);
      if (place.ahead() > 0 || place.turnMs() > this.clock.monotonicMs()) onWait(place);
      await unlessAborted(before, signal);
      for (let waitMs; (waitMs = place.turnMs() - this.clock.monotonicMs()) > 0;) {
        this.#assertInTime(place, deadlineMs);
        await this.clock.sleep(waitMs, signal);
      }
      this.#begunMs = [...this.#begunMs, this.clock.monotonicMs()].slice(-Math.max(1, this.limit));
    } finally {
      place.leave();
    }
  }

  /** When the one with so many ahead of it may begin, if all of those begin as soon as they may. */
  #turnMs(ahead: number): number {
    const begunMs = [...this.#begunMs];
    for (let position = 0; ; position += 1) {
      const oldest = this.limit === 0 ? undefined : begunMs.at(-this.limit);
      const turnMs = Math.max(this.#heldUntilMs, oldest === undefined ? 0 : oldest + this.windowMs);
      if (position >= ahead) return turnMs;
      begunMs.push(Math.max(turnMs, this.clock.monotonicMs()));
    }
  }

  #assertInTime(place: Place, deadlineMs: number): void {
    const turnMs = place.turnMs();
    if (turnMs >= deadlineMs) throw new QueueTimeoutError(turnMs - this.clock.monotonicMs());
  }
}
