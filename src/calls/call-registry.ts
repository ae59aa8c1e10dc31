import { setTimeout as sleep } from "node:timers/promises";
import { UserFacingError } from "../errors.ts";
import type { ToolInput, ToolOutput } from "../schemas.ts";
import { messageOf, plural, truncate } from "../text/text.ts";
import { unlessAborted } from "../timing/abort.ts";
import type { Clock } from "../timing/clock.ts";
import { Call, type CallOutcome, type Waiter } from "./call.ts";
import { callKey } from "./call-key.ts";

/** Most undelivered outcomes that are kept; beyond that the oldest is forgotten, and its files stay. */
const KEPT_MAX = 100;

/** Most earlier calls that one result mentions; the next result mentions the rest. */
const MENTIONED_AT_ONCE = 5;

const TITLE_MAX_CHARACTERS = 60;
const FROM_EARLIER_CALL =
  "This result comes from an earlier identical call whose client had stopped waiting: no new request was sent, at no extra cost. To generate new images, make the same call once more.";

/** The outcome of a call, with sentences about earlier calls that the person has to know. */
export interface JoinedOutcome {
  readonly outcome: CallOutcome;
  readonly notices: readonly string[];
}

/**
 * Knows every call by its key, so that one whose client stopped waiting is neither lost nor paid for twice. The same
 * call made again joins it, or gets its outcome. One instance serves a process; it keeps the facts of at most 100
 * undelivered calls for 15 minutes each, and none of their bytes.
 */
export class CallRegistry {
  #calls: Call[] = [];
  #paidAtEnd: Call[] = [];

  /**
   * @param budgetMs - time one call may take, in milliseconds
   * @param log - takes one line
   */
  constructor(
    private readonly clock: Clock,
    private readonly budgetMs: number,
    private readonly log: (line: string) => void,
  ) {}

  /**
   * Starts a call, or joins the same call made earlier, and renders its outcome, which counts as delivered when that is
   * done before the waiter's signal aborts.
   *
   * @throws the signal's reason as soon as it aborts; what `render` throws
   */
  async join<R>(
    { input, waiter }: { input: ToolInput; waiter: Waiter },
    work: (call: Call) => Promise<ToolOutput>,
    render: (joined: JoinedOutcome) => Promise<R>,
  ): Promise<R> {
    waiter.signal.throwIfAborted();
    const key = callKey(input);
    const earlier = this.#calls.find((call) => call.isContinuedBy(key));
    const call = earlier ?? this.#start(key, input.prompt, work);
    let isAnswered = false;
    call.join(waiter);
    try {
      const outcome = await unlessAborted(call.outcome, waiter.signal);
      const others = this.#unmentioned(call);
      const notices = [...(earlier === undefined ? [] : [FROM_EARLIER_CALL]), ...others.map(describeUndelivered)];
      const rendered = await render({ outcome, notices });
      waiter.signal.throwIfAborted();
      isAnswered = true;
      for (const other of others) other.isMentioned = true;
      return rendered;
    } finally {
      call.leave(waiter, { isAnswered });
      this.#forget();
    }
  }

  /** Ends every call but for the saving of images that have come; from now on no leaving client cancels one. */
  end(): void {
    this.#paidAtEnd = this.#calls.filter((call) => call.isPaidFor);
    for (const call of this.#calls) call.end();
  }

  /**
   * Waits for the saving of images that have come, cancels the rest, and resolves when no call is running any more.
   * Logs when a paid request could not be finished.
   *
   * @param graceMs - how long saving may take, in real milliseconds
   */
  async settle(graceMs: number): Promise<void> {
    const calls = [...this.#calls];
    const outcomes = Promise.all(calls.map(({ outcome }) => outcome));
    await Promise.race([outcomes, sleep(graceMs)]);
    for (const call of calls) call.cancel();
    await outcomes;
    const unsaved = (await Promise.all(this.#paidAtEnd.map(({ outcome }) => outcome))).filter(
      (outcome) => "error" in outcome || outcome.output.saved_count < outcome.output.image_count,
    );
    if (unsaved.length > 0) {
      this.log(
        `The server ended before ${plural(unsaved.length, "paid request")} could be finished: images may have been generated and billed.`,
      );
    }
  }

  #start(key: string, prompt: string, work: (call: Call) => Promise<ToolOutput>): Call {
    const title = truncate(prompt, TITLE_MAX_CHARACTERS);
    const call = new Call({ key, title, clock: this.clock, budgetMs: this.budgetMs }, work);
    this.#calls.push(call);
    void call.outcome.then((outcome) => {
      const isBug = "error" in outcome && !(outcome.error instanceof UserFacingError) && !call.signal.aborted;
      if (isBug) this.log(`Unexpected error: ${messageOf(outcome.error)}`);
      this.#forget();
    });
    return call;
  }

  /** Other calls with saved images that no result has mentioned yet. */
  #unmentioned(than: Call): Call[] {
    return this.#calls
      .filter((call) => call !== than && !call.isMentioned && undeliveredPaths(call).length > 0)
      .slice(0, MENTIONED_AT_ONCE);
  }

  #forget(): void {
    const alive = this.#calls.filter((call) => call.isAlive);
    const tooMany = new Set(alive.filter((call) => call.undelivered !== undefined).slice(0, -KEPT_MAX));
    this.#calls = alive.filter((call) => !tooMany.has(call));
  }
}

function undeliveredPaths({ undelivered }: Call): readonly string[] {
  return undelivered !== undefined && "output" in undelivered ? undelivered.output.file_paths : [];
}

function describeUndelivered(call: Call): string {
  const paths = undeliveredPaths(call);
  return `An earlier call ("${call.title}") went on after its client stopped waiting and saved ${plural(paths.length, "image")} that were not received: ${paths.join(", ")}. Making exactly that call again returns them at no extra cost.`;
}
