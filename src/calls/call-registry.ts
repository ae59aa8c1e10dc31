import { setTimeout as sleep } from "node:timers/promises";
import { UserFacingError } from "../errors.ts";
import type { ToolOutput } from "../schemas.ts";
import { messageOf, plural, shown, truncate } from "../text/text.ts";
import { unlessAborted } from "../timing/abort.ts";
import type { Clock } from "../timing/clock.ts";
import type { Workspace } from "../utils/workspace.ts";
import { Call, type CallOutcome, type Waiter } from "./call.ts";

/** Most undelivered outcomes that are kept; beyond that the oldest is forgotten, and its files stay. */
const KEPT_MAX = 100;

/** Most earlier calls that one result mentions; the next result mentions the rest. */
const MENTIONED_AT_ONCE = 5;

const TITLE_MAX_CHARACTERS = 60;
const FROM_EARLIER_CALL =
  "This result comes from an earlier identical call whose client had stopped waiting: no new request was sent, at no extra cost. To generate new images, make the same call once more.";

/** A call with saved images that no result has mentioned, and the paths of those that are still there. */
interface UnmentionedCall {
  readonly call: Call;
  readonly paths: readonly string[];
}

/** The outcome of a call, with sentences about earlier calls that the person has to know. */
export interface JoinedOutcome {
  readonly outcome: CallOutcome;
  readonly notices: readonly string[];
}

interface RegistryOptions {
  readonly clock: Clock;
  /** Time one call may take, in milliseconds. */
  readonly budgetMs: number;
  /** Takes one line. */
  readonly log: (line: string) => void;
  /** The images whose files are still there as they were saved. */
  readonly findUnchanged: Workspace["findUnchanged"];
}

/** A request of a client for a call. */
interface CallRequest {
  /** Equal for calls that ask for the same. */
  readonly key: string;
  readonly prompt: string;
  readonly waiter: Waiter;
}

/**
 * Knows every call by its key, so that one whose client stopped waiting is neither lost nor paid for twice. The same
 * call made again joins it, or gets its outcome. One instance serves a process; it keeps the facts of at most 100
 * undelivered calls for 15 minutes each, and none of their bytes.
 */
export class CallRegistry {
  #calls: Call[] = [];
  #paidAtEnd: Call[] = [];

  constructor(private readonly options: RegistryOptions) {}

  /**
   * Starts a call, or joins the same call made earlier, and renders its outcome, which counts as delivered when that is
   * done before the waiter's signal aborts.
   *
   * @throws the signal's reason as soon as it aborts; what `render` throws
   */
  async join<R>(
    { key, prompt, waiter }: CallRequest,
    work: (call: Call) => Promise<ToolOutput>,
    render: (joined: JoinedOutcome) => Promise<R>,
  ): Promise<R> {
    const kept = this.#calls.filter((call) => call.isContinuedBy(key) && savedBy(call.undelivered).length > 0);
    for (const call of kept) await this.#forgetIfGone(call);
    waiter.signal.throwIfAborted();
    const earlier = this.#calls.find((call) => call.isContinuedBy(key));
    const call = earlier ?? this.#start(key, prompt, work);
    let isAnswered = false;
    call.join(waiter);
    try {
      const outcome = await unlessAborted(call.outcome, waiter.signal);
      const others = await this.#unmentioned();
      const joined = earlier === undefined ? { outcome, notices: [] } : await this.#handedOver(outcome);
      const rendered = await render({ ...joined, notices: [...joined.notices, ...others.map(describeUndelivered)] });
      waiter.signal.throwIfAborted();
      isAnswered = true;
      for (const { call: other } of others) other.isMentioned = true;
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
    const unfinished = this.#paidAtEnd.filter((call) => !call.hasSavedAll);
    for (const call of calls) call.cancel();
    if (unfinished.length > 0) {
      this.options.log(
        `The server ended before ${plural(unfinished.length, "paid request")} could be finished: images may have been generated and billed.`,
      );
    }
    await outcomes;
  }

  #start(key: string, prompt: string, work: (call: Call) => Promise<ToolOutput>): Call {
    const title = truncate(prompt, TITLE_MAX_CHARACTERS);
    const call = new Call({ key, title, clock: this.options.clock, budgetMs: this.options.budgetMs }, work);
    this.#calls.push(call);
    void call.outcome.then((outcome) => {
      const isBug = "error" in outcome && !(outcome.error instanceof UserFacingError) && !call.signal.aborted;
      if (isBug) this.options.log(`Unexpected error: ${messageOf(outcome.error)}`);
      this.#forget();
    });
    return call;
  }

  /** Kept images that were all deleted or changed since count for nothing: the same call is a new one. */
  async #forgetIfGone(kept: Call): Promise<void> {
    if ((await this.options.findUnchanged(savedBy(kept.undelivered))).length === 0) kept.forget();
  }

  /** An earlier call's outcome as it is true now. */
  async #handedOver(outcome: CallOutcome): Promise<JoinedOutcome> {
    if ("error" in outcome) return { outcome, notices: [FROM_EARLIER_CALL] };
    const images = await this.options.findUnchanged(outcome.output.images);
    const gone = outcome.output.images.filter((image) => !images.includes(image)).map(({ path }) => path);
    const file_paths = images.map(({ path }) => path);
    return {
      outcome: { output: { ...outcome.output, images: [...images], file_paths, saved_count: images.length } },
      notices: [FROM_EARLIER_CALL, ...(gone.length === 0 ? [] : [describeGone(gone)])],
    };
  }

  /** Calls without a waiting client whose saved images are still there, and that no result has mentioned yet. */
  async #unmentioned(): Promise<UnmentionedCall[]> {
    const others = this.#calls.filter((call) => !call.isMentioned && savedBy(call.undelivered).length > 0);
    const found = others.map(async (call) => {
      const images = await this.options.findUnchanged(savedBy(call.undelivered));
      return { call, paths: images.map(({ path }) => path) };
    });
    return (await Promise.all(found)).filter(({ paths }) => paths.length > 0).slice(0, MENTIONED_AT_ONCE);
  }

  #forget(): void {
    const alive = this.#calls.filter((call) => call.isAlive);
    const tooMany = new Set(alive.filter((call) => call.undelivered !== undefined).slice(0, -KEPT_MAX));
    this.#calls = alive.filter((call) => !tooMany.has(call));
  }
}

function savedBy(outcome: CallOutcome | undefined): ToolOutput["images"] {
  return outcome !== undefined && "output" in outcome ? outcome.output.images : [];
}

function describeUndelivered({ call, paths }: UnmentionedCall): string {
  return `An earlier call (${shown(call.title)}) went on after its client stopped waiting and saved ${plural(paths.length, "image")} not received yet: ${paths.join(", ")}. Making exactly that call again returns them at no extra cost.`;
}

function describeGone(paths: readonly string[]): string {
  return `${plural(paths.length, "image")} of that call ${paths.length === 1 ? "was" : "were"} deleted, moved or changed since: ${paths.join(", ")}`;
}
