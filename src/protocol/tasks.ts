import type { JSONRPCResponse, RequestId } from "@modelcontextprotocol/sdk/types.js";
import type { Delivery } from "../calls/call.ts";
import { NO_LONGER_NEEDED } from "../timing/abort.ts";
import type { Clock } from "../timing/clock.ts";
import { Task } from "./task.ts";

/** A call that is not over after this time becomes a task, in milliseconds: ordinary images are there before. */
export const TASK_AFTER_MS = 30_000;

/** Most tasks that are kept after their end; beyond that the oldest is forgotten. */
const ENDED_TASKS_MAX = 100;

/** A call that may become a task, with what stops the wait for that. */
interface Followed {
  readonly task: Task;
  readonly answered: AbortController;
}

/** The tasks of the process. They live in memory and end with it. */
export class Tasks {
  readonly #followed = new Map<RequestId, Followed>();
  #handedOut: Task[] = [];

  constructor(private readonly clock: Clock) {}

  /**
   * Follows a call from its beginning.
   *
   * @param requestId - never used for another call
   * @param wantsProgress - whether the client asked for notifications
   * @param handOut - called once, if the call lasts
   */
  follow(requestId: RequestId, wantsProgress: boolean, handOut: (task: Task) => void): void {
    const task = new Task(this.clock, requestId, wantsProgress);
    const answered = new AbortController();
    this.#followed.set(requestId, { task, answered });
    this.clock.sleep(TASK_AFTER_MS, answered.signal).then(
      () => {
        this.#handedOut.push(task);
        handOut(task);
      },
      () => undefined,
    );
  }

  /** The task that a call may become, or has become, as long as the call runs. */
  ofCall(requestId: RequestId | undefined): Task | undefined {
    return requestId === undefined ? undefined : this.#followed.get(requestId)?.task;
  }

  /** How the answer to a call reaches its client; undefined when it goes out at once in any case. */
  readonly deliveryOf = (requestId: RequestId): Delivery | undefined => this.ofCall(requestId);

  /** The call is over. Its answer is kept when it has become a task, and then the result is true. */
  end(requestId: RequestId, answer: JSONRPCResponse): boolean {
    const task = this.drop(requestId);
    if (task?.isHandedOut !== true) return false;
    task.complete(answer);
    this.#forget();
    return true;
  }

  /** Follows the call no longer: it will not be answered. */
  drop(requestId: RequestId): Task | undefined {
    const followed = this.#followed.get(requestId);
    this.#followed.delete(requestId);
    followed?.answered.abort(NO_LONGER_NEEDED);
    return followed?.task;
  }

  /** A task that the client knows by its id; undefined when there is none, or none any more. */
  find(id: unknown): Task | undefined {
    this.#forget();
    return this.#handedOut.find((task) => task.id === id);
  }

  /** Nothing becomes a task any more. */
  close(): void {
    for (const requestId of this.#followed.keys()) this.drop(requestId);
  }

  #forget(): void {
    const known = this.#handedOut.filter((task) => !task.isForgotten);
    const tooMany = known.filter((task) => task.hasEnded).slice(0, -ENDED_TASKS_MAX);
    this.#handedOut = known.filter((task) => !tooMany.includes(task));
  }
}
