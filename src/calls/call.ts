import { setMaxListeners } from "node:events";
import type { RequestContext } from "../client.ts";
import { UserFacingError } from "../errors.ts";
import type { ToolOutput } from "../schemas.ts";
import type { Clock } from "../timing/clock.ts";
import { Deadline } from "../timing/deadline.ts";
import { isClientTimeout } from "./client-timeout.ts";

/** How long an undelivered outcome is kept for the same call, in milliseconds. */
const KEPT_MS = 15 * 60_000;

/**
 * A client that asked for no progress and has waited this long, in milliseconds, may be gone: some give up after 60 s
 * without a word, so the same call made then is taken for its retry.
 */
export const SILENT_TIMEOUT_MS = 55_000;

/** The way of a result to a client that may leave it with the server and fetch it later, or never. */
export interface Delivery {
  /** Calls back when the client gets the result: at once, unless it is left here. */
  onReceived(listener: () => void): void;
  /** Whether the client has not asked for the result for so long that it may be gone. */
  mayBeGone(): boolean;
}

/** A client request that waits for a call. */
export interface Waiter {
  /** Aborts when the client stops waiting; its reason tells a person's stop from a time limit of the client. */
  readonly signal: AbortSignal;
  /** Told what is being done; absent when the client asked for no progress. */
  readonly report: RequestContext["report"] | undefined;
  /** Absent when the client gets its result as soon as there is one, or not at all. */
  readonly delivery?: Delivery | undefined;
}

/** The output of a call, or the reason why there is none. */
export type CallOutcome = { readonly output: ToolOutput } | { readonly error: unknown };

/** The identity of a call, and its time limit. */
interface CallOptions {
  /** Equal for calls that ask for the same. */
  readonly key: string;
  /** Names the call to a person, on one bounded line. */
  readonly title: string;
  readonly clock: Clock;
  readonly budgetMs: number;
}

/**
 * A running call. It may outlive the client requests that wait for it: without any it is cancelled, unless the last one
 * merely ran into its client's time limit while images may be generated and billed. Then it goes on, and its outcome is
 * kept for the same call.
 *
 * It has two signals: everything up to the response follows `signal`; saving follows `cancelSignal`, because images
 * that are paid for are kept when merely the time is up.
 */
export class Call implements RequestContext {
  /** Aborts on cancellation, at the end of the process, and at the deadline, then with a `DeadlineExceededError`. */
  readonly signal: AbortSignal;
  /** Never rejects. */
  readonly outcome: Promise<CallOutcome>;
  /** Whether a client request was told of the outcome, or another call of this one's images. */
  isMentioned = false;
  readonly #cancellation = new AbortController();
  readonly #ending = new AbortController();
  readonly #deadline: Deadline;
  readonly #waitingSinceMs = new Map<Waiter, number>();
  #reported: Parameters<RequestContext["report"]> | undefined;
  #mayBeBilled = false;
  #isDelivered = false;
  #ended: { readonly outcome: CallOutcome; readonly atMs: number } | undefined;

  /** Begins at once. Nine downloads listen to its signal, more than Node takes for a leak. */
  constructor(
    private readonly options: CallOptions,
    work: (call: Call) => Promise<ToolOutput>,
  ) {
    this.#deadline = new Deadline(options.clock, options.budgetMs);
    this.signal = AbortSignal.any([this.#cancellation.signal, this.#ending.signal, this.#deadline.signal]);
    setMaxListeners(0, this.signal);
    this.outcome = this.#run(work);
  }

  get title(): string {
    return this.options.title;
  }

  /** Aborts only on cancellation. */
  get cancelSignal(): AbortSignal {
    return this.#cancellation.signal;
  }

  get deadlineMs(): number {
    return this.#deadline.atMs;
  }

  /** Whether a request is on its way or images are being saved, so that images may be billed. */
  get isPaidFor(): boolean {
    return this.#ended === undefined && this.#mayBeBilled;
  }

  /** Whether the call has ended with all its images on disk. */
  get hasSavedAll(): boolean {
    const outcome = this.#ended?.outcome;
    return outcome !== undefined && "output" in outcome && outcome.output.saved_count === outcome.output.image_count;
  }

  /**
   * The outcome, when it may have cost money and no client request is known to have received it: none was answered, or
   * only ones that were silent for so long that they may be gone. Undefined while the call runs.
   */
  get undelivered(): CallOutcome | undefined {
    const ended = this.#ended;
    if (ended === undefined || this.#isDelivered || this.#waitingSinceMs.size > 0 || !this.#mayBeBilled) {
      return undefined;
    }
    return this.options.clock.monotonicMs() - ended.atMs < KEPT_MS ? ended.outcome : undefined;
  }

  /** Whether the call runs, or its outcome is still wanted. */
  get isAlive(): boolean {
    return this.#ended === undefined || this.#waitingSinceMs.size > 0 || this.undelivered !== undefined;
  }

  /**
   * Whether a call with this key is the same call made again, not a second one: no request waits any more, or those
   * that do have been silent for as long as clients wait that give up without a word.
   */
  isContinuedBy(key: string): boolean {
    if (key !== this.options.key || this.cancelSignal.aborted) return false;
    if (this.#ended !== undefined) return this.undelivered !== undefined;
    return [...this.#waitingSinceMs.keys()].every((waiter) => this.#mayBeGone(waiter));
  }

  /** Lets a client request wait; it is told at once what is being done. */
  join(waiter: Waiter): void {
    this.#waitingSinceMs.set(waiter, this.options.clock.monotonicMs());
    if (this.#reported !== undefined) waiter.report?.(...this.#reported);
  }

  /** The client request no longer waits, because it was answered or because its signal aborted. */
  leave(waiter: Waiter, { isAnswered }: { isAnswered: boolean }): void {
    const mayBeGone = this.#mayBeGone(waiter);
    this.#waitingSinceMs.delete(waiter);
    if (isAnswered) {
      const hasOutput = this.#ended !== undefined && "output" in this.#ended.outcome;
      if (waiter.delivery !== undefined) waiter.delivery.onReceived(this.forget);
      else this.#isDelivered ||= !(hasOutput && mayBeGone);
      this.isMentioned = true;
      return;
    }
    const reason: unknown = waiter.signal.reason;
    if (!isClientTimeout(reason) && this.#waitingSinceMs.size === 0) this.#mayBeBilled = false;
    this.#cancelUnlessNeeded(reason);
  }

  /** The outcome is no longer kept for the same call. */
  readonly forget = (): void => {
    this.#isDelivered = true;
  };

  /** Ends the work, whether or not requests wait. Images that are being saved are taken away. */
  cancel(reason?: unknown): void {
    this.#cancellation.abort(reason);
  }

  /** Ends the work but for the saving of images that have already come. */
  end(): void {
    this.#ending.abort(new UserFacingError("The server has ended."));
  }

  readonly report = (...reported: Parameters<RequestContext["report"]>): void => {
    this.#reported = reported;
    for (const waiter of this.#waitingSinceMs.keys()) waiter.report?.(...reported);
  };

  readonly setMayBeBilled = (mayBeBilled: boolean): void => {
    this.#mayBeBilled = mayBeBilled;
    this.#cancelUnlessNeeded();
  };

  /** Some clients give up without a word: one that asked for no progress and has waited for long may have done so. */
  #mayBeGone(waiter: Waiter): boolean {
    if (waiter.delivery !== undefined) return waiter.delivery.mayBeGone();
    const sinceMs = this.#waitingSinceMs.get(waiter) ?? 0;
    return waiter.report === undefined && this.options.clock.monotonicMs() - sinceMs >= SILENT_TIMEOUT_MS;
  }

  #cancelUnlessNeeded(reason?: unknown): void {
    if (this.#ending.signal.aborted) return;
    if (this.#waitingSinceMs.size === 0 && !this.#mayBeBilled) this.cancel(reason);
  }

  async #run(work: (call: Call) => Promise<ToolOutput>): Promise<CallOutcome> {
    const outcome = await work(this).then(
      (output): CallOutcome => ({ output }),
      (error: unknown): CallOutcome => ({ error }),
    );
    this.#deadline[Symbol.dispose]();
    this.#reported = undefined;
    this.#mayBeBilled &&= mayBeBilled(outcome);
    this.#ended = { outcome, atMs: this.options.clock.monotonicMs() };
    return outcome;
  }
}

/** A refusal costs nothing; a bug after the sending tells as little as a response that never came. */
function mayBeBilled(outcome: CallOutcome): boolean {
  if ("output" in outcome) return true;
  return !(outcome.error instanceof UserFacingError) || outcome.error.details.billing === "unknown";
}
