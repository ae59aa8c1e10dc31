import { SILENT_TIMEOUT_MS, UNRECEIVED_KEPT_MS } from "../constants.ts";
import { UnknownOutcomeError, UserFacingError } from "../errors.ts";
import { type Call, startCall } from "../timing/call.ts";
import type { Clock } from "../timing/clock.ts";

const CLIENT_TIMEOUT = /-32001|timed out/i;

/** One request of the client that waits for a job. */
export interface Waiter {
  /** Aborts when the client stops waiting; its reason tells a person's stop from a timeout of the client. */
  readonly signal: AbortSignal;
  /** Told what is being done; absent when the client asked for no progress. */
  readonly onActivity: Call["onActivity"] | undefined;
}

/** How a job ended. */
export type Outcome<T> = { readonly value: T } | { readonly error: unknown };

/** What a job has to know. */
export interface JobOptions {
  /** Equal for jobs that do the same. */
  readonly key: string;
  /** Names the job to a person, on one bounded line. */
  readonly title: string;
  readonly clock: Clock;
  /** Time the work may take, in milliseconds. */
  readonly budgetMs: number;
}

/**
 * Work that requests of the client wait for, and that outlives them when it has to: once nobody waits it is cancelled,
 * unless the last one merely ran out of patience while images may be generated and billed. Then it goes on, and its
 * outcome is kept for the same call.
 */
export class Job<T> {
  /** Never rejects. */
  readonly outcome: Promise<Outcome<T>>;
  readonly #cancellation = new AbortController();
  readonly #waitingSinceMs = new Map<Waiter, number>();
  #activity: Parameters<Call["onActivity"]> | undefined;
  #mayBeBilled = false;
  #hasTimedOut = false;
  #isAnswered = false;
  #isReceived = false;
  #ended: { readonly outcome: Outcome<T>; readonly atMs: number } | undefined;

  /** Begins at once. */
  constructor(
    private readonly options: JobOptions,
    work: (call: Call) => Promise<T>,
  ) {
    this.outcome = this.#run(work);
  }

  get title(): string {
    return this.options.title;
  }

  /**
   * What the work came to, when it may have cost money and nobody is known to have received it: nobody was answered, or
   * only requests that had said nothing for so long that they may be gone. Absent while it runs.
   */
  get unreceived(): Outcome<T> | undefined {
    const ended = this.#ended;
    if (ended === undefined || this.#isReceived || this.#waitingSinceMs.size > 0 || !this.#mayBeBilled) {
      return undefined;
    }
    return this.options.clock.monotonicMs() - ended.atMs < UNRECEIVED_KEPT_MS ? ended.outcome : undefined;
  }

  /** Whether a request was answered with the outcome, received or not. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** Whether the job is still of use to anybody. */
  get isAlive(): boolean {
    return this.#ended === undefined || this.#waitingSinceMs.size > 0 || this.unreceived !== undefined;
  }

  /**
   * Whether a call with this key is the same call made again, not a second one: nobody waits any more, or those who do
   * have said nothing for as long as clients wait that give up without a word.
   */
  continues(key: string): boolean {
    if (key !== this.options.key || this.#cancellation.signal.aborted) return false;
    if (this.#ended !== undefined) return this.unreceived !== undefined;
    return [...this.#waitingSinceMs.keys()].every((waiter) => this.#mayBeGone(waiter));
  }

  /** Lets a request of the client wait; it is told at once what is being done. */
  join(waiter: Waiter): void {
    this.#waitingSinceMs.set(waiter, this.options.clock.monotonicMs());
    if (this.#activity !== undefined) waiter.onActivity?.(...this.#activity);
  }

  /** The request of the client no longer waits, because it was answered or because its signal aborted. */
  leave(waiter: Waiter, { isAnswered }: { isAnswered: boolean }): void {
    this.#isReceived ||= isAnswered && !(this.#hasValue && this.#mayBeGone(waiter));
    this.#isAnswered ||= isAnswered;
    this.#waitingSinceMs.delete(waiter);
    if (isAnswered) return;
    const reason: unknown = waiter.signal.reason;
    this.#hasTimedOut = typeof reason === "string" && CLIENT_TIMEOUT.test(reason);
    this.#cancelUnlessNeeded(reason);
  }

  /** Ends the work, whoever waits. */
  cancel(reason?: unknown): void {
    this.#cancellation.abort(reason);
  }

  get #hasValue(): boolean {
    return this.#ended !== undefined && "value" in this.#ended.outcome;
  }

  /** Some clients give up without a word: one that asked for no progress and has waited for long may have done so. */
  #mayBeGone(waiter: Waiter): boolean {
    const sinceMs = this.#waitingSinceMs.get(waiter) ?? 0;
    return waiter.onActivity === undefined && this.options.clock.monotonicMs() - sinceMs >= SILENT_TIMEOUT_MS;
  }

  #cancelUnlessNeeded(reason?: unknown): void {
    if (this.#waitingSinceMs.size > 0 || (this.#hasTimedOut && this.#mayBeBilled)) return;
    this.#mayBeBilled = false;
    this.cancel(reason);
  }

  async #run(work: (call: Call) => Promise<T>): Promise<Outcome<T>> {
    using call = startCall({
      cancelSignal: this.#cancellation.signal,
      clock: this.options.clock,
      budgetMs: this.options.budgetMs,
      onActivity: this.#enter,
      onSent: () => {
        this.#mayBeBilled = true;
      },
      onRetryWait: () => {
        this.#mayBeBilled = false;
        this.#cancelUnlessNeeded();
      },
    });
    const outcome = await work(call).then(
      (value): Outcome<T> => ({ value }),
      (error: unknown): Outcome<T> => ({ error }),
    );
    this.#activity = undefined;
    this.#mayBeBilled &&= mayBeBilled(outcome);
    this.#ended = { outcome, atMs: this.options.clock.monotonicMs() };
    return outcome;
  }

  readonly #enter = (...activity: Parameters<Call["onActivity"]>): void => {
    this.#activity = activity;
    for (const waiter of this.#waitingSinceMs.keys()) waiter.onActivity?.(...activity);
  };
}

/** A refusal costs nothing; a defect behind the sending tells as little as an answer that never came. */
function mayBeBilled(outcome: Outcome<unknown>): boolean {
  if ("value" in outcome) return true;
  return outcome.error instanceof UnknownOutcomeError || !(outcome.error instanceof UserFacingError);
}
