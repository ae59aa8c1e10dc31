import { UNRECEIVED_MAX, UNRECEIVED_REPORTED_AT_ONCE } from "../constants.ts";
import type { ToolInput, ToolOutput } from "../schemas.ts";
import { plural, truncate } from "../text.ts";
import { unlessAborted } from "../timing/abort.ts";
import type { Call } from "../timing/call.ts";
import type { Clock } from "../timing/clock.ts";
import { callKey } from "./call-key.ts";
import { Job, type Outcome, type Waiter } from "./job.ts";

const TITLE_MAX_CHARACTERS = 60;
const FROM_EARLIER_CALL =
  "This result comes from an earlier identical call that nobody seemed to be waiting for any more: no new request was sent, and it costs nothing now. To generate new images, make the same call once more.";

/** What a waiting request of the client gets. */
export interface Answer {
  readonly outcome: Outcome<ToolOutput>;
  /** What the person has to know of earlier calls, a sentence each. */
  readonly notices: readonly string[];
}

/**
 * Knows every call by what it asked for, so that one whose client stopped waiting is neither lost nor paid for twice.
 * The same call made again joins it, or gets what it came to. One instance serves a process; it keeps the facts of at
 * most `UNRECEIVED_MAX` ended calls that nobody received, for `UNRECEIVED_KEPT_MS` each, and none of their bytes.
 */
export class CallRegistry {
  #jobs: Job<ToolOutput>[] = [];
  readonly #reported = new WeakSet<Job<ToolOutput>>();

  /** @param budgetMs - time one call may take, in milliseconds */
  constructor(
    private readonly clock: Clock,
    private readonly budgetMs: number,
  ) {}

  /**
   * Does the work, or joins the same call made earlier, and renders what came of it. The answer counts as received when
   * it was rendered before the waiter's signal aborted.
   *
   * @throws the signal's reason as soon as it aborts; what `render` throws
   */
  async answer<R>(
    input: ToolInput,
    waiter: Waiter,
    work: (call: Call) => Promise<ToolOutput>,
    render: (answer: Answer) => Promise<R>,
  ): Promise<R> {
    waiter.signal.throwIfAborted();
    const key = callKey(input);
    const earlier = this.#jobs.find((job) => job.continues(key));
    const job = earlier ?? this.#start(key, input.prompt, work);
    let isAnswered = false;
    job.join(waiter);
    try {
      const outcome = await unlessAborted(job.outcome, waiter.signal);
      const others = this.#unreported(job);
      const notices = [...(earlier === undefined ? [] : [FROM_EARLIER_CALL]), ...others.map(describeUnreceived)];
      const rendered = await render({ outcome, notices });
      waiter.signal.throwIfAborted();
      isAnswered = true;
      for (const other of others) this.#reported.add(other);
      return rendered;
    } finally {
      job.leave(waiter, { isAnswered });
      this.#forget();
    }
  }

  /** Cancels every call, whoever waits for it. */
  cancelAll(): void {
    for (const job of this.#jobs) job.cancel();
  }

  /** Resolves when no call is running any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#jobs.map(({ outcome }) => outcome));
  }

  #start(key: string, prompt: string, work: (call: Call) => Promise<ToolOutput>): Job<ToolOutput> {
    const title = truncate(prompt, TITLE_MAX_CHARACTERS);
    const job = new Job({ key, title, clock: this.clock, budgetMs: this.budgetMs }, work);
    this.#jobs.push(job);
    void job.outcome.then(() => {
      this.#forget();
    });
    return job;
  }

  /** Other calls with images of which nobody has heard yet. */
  #unreported(than: Job<ToolOutput>): Job<ToolOutput>[] {
    return this.#jobs
      .filter((job) => job !== than && !job.isAnswered && !this.#reported.has(job) && savedBy(job).length > 0)
      .slice(0, UNRECEIVED_REPORTED_AT_ONCE);
  }

  #forget(): void {
    const alive = this.#jobs.filter((job) => job.isAlive);
    const tooMany = alive.filter((job) => job.unreceived !== undefined).slice(0, -UNRECEIVED_MAX);
    this.#jobs = alive.filter((job) => !tooMany.includes(job));
  }
}

function savedBy({ unreceived }: Job<ToolOutput>): readonly string[] {
  return unreceived !== undefined && "value" in unreceived ? unreceived.value.file_paths : [];
}

function describeUnreceived(job: Job<ToolOutput>): string {
  const paths = savedBy(job);
  return `An earlier call ("${job.title}") went on after its client stopped waiting and saved ${plural(paths.length, "image")} that nobody has received: ${paths.join(", ")}. Making exactly that call again returns them at no extra cost.`;
}
