import { QueueTimeoutError } from "../errors.ts";
import { unlessAborted } from "./abort.ts";
import type { Clock } from "./clock.ts";

/** The place of a waiting call in the queue. */
export interface Ticket {
  /** How many calls go first. */
  readonly callsAhead: () => number;
  /** When its slot will probably be free, in monotonic milliseconds. */
  readonly startsAtMs: () => number;
}

/** The call that asks for a slot. */
interface AcquireOptions {
  readonly signal: AbortSignal;
  /** In monotonic milliseconds. */
  readonly deadlineMs: number;
  /** Called once when the slot is not free at once. */
  readonly onWait: (ticket: Ticket) => void;
}

/** Lets at most `limit` requests begin in any `windowMs`, first come, first served. One instance serves a process. */
export class RateLimiter {
  readonly #queue: Ticket[] = [];
  #lastTurn: Promise<unknown> = Promise.resolve();
  #begunMs: number[] = [];
  #pausedUntilMs = 0;

  /**
   * @param limit - requests in a window; 0 for no limit
   * @param windowMs - length of the sliding window, in milliseconds
   */
  constructor(
    private readonly clock: Clock,
    private readonly limit: number,
    private readonly windowMs: number,
  ) {}

  /**
   * Waits for a free slot and takes it: call it when the request is ready to be sent.
   *
   * @throws QueueTimeoutError when the slot would be free only after the deadline, or turns out to be, because the
   *   process was suspended; the signal's reason on abort
   */
  async acquire(options: AcquireOptions): Promise<void> {
    const turn = this.#waitForTurn(this.#lastTurn, options);
    this.#lastTurn = Promise.allSettled([this.#lastTurn, turn]).then(() => undefined);
    await turn;
  }

  /** Lets no request begin before `untilMs` (monotonic). */
  pauseUntil(untilMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, untilMs);
  }

  async #waitForTurn(previous: Promise<unknown>, { signal, deadlineMs, onWait }: AcquireOptions): Promise<void> {
    const callsAhead = (): number => this.#queue.indexOf(ticket);
    const ticket: Ticket = { callsAhead, startsAtMs: () => this.#startsAtMs(callsAhead()) };
    this.#queue.push(ticket);
    try {
      this.#assertInTime(ticket, deadlineMs);
      if (ticket.startsAtMs() > this.clock.monotonicMs()) onWait(ticket);
      await unlessAborted(previous, signal);
      for (let waitMs; (waitMs = ticket.startsAtMs() - this.clock.monotonicMs()) > 0;) {
        this.#assertInTime(ticket, deadlineMs);
        await this.clock.sleep(waitMs, signal);
      }
      this.#assertInTime(ticket, deadlineMs);
      this.#begunMs = [...this.#begunMs, this.clock.monotonicMs()].slice(-Math.max(1, this.limit));
    } finally {
      this.#queue.splice(callsAhead(), 1);
    }
  }

  /** When a call with so many ahead of it may begin, if all of those begin as soon as they may. */
  #startsAtMs(callsAhead: number): number {
    const begunMs = [...this.#begunMs];
    for (let position = 0; ; position += 1) {
      const oldestMs = this.limit === 0 ? undefined : begunMs.at(-this.limit);
      const startsAtMs = Math.max(this.#pausedUntilMs, oldestMs === undefined ? 0 : oldestMs + this.windowMs);
      if (position >= callsAhead) return startsAtMs;
      begunMs.push(Math.max(startsAtMs, this.clock.monotonicMs()));
    }
  }

  #assertInTime(ticket: Ticket, deadlineMs: number): void {
    const nowMs = this.clock.monotonicMs();
    const startsAtMs = Math.max(nowMs, ticket.startsAtMs());
    if (startsAtMs < deadlineMs) return;
    throw new QueueTimeoutError(startsAtMs - nowMs, { isPaused: startsAtMs === this.#pausedUntilMs });
  }
}
