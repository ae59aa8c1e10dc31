import type { JSONRPCErrorResponse, JSONRPCResponse, RequestId, Result } from "@modelcontextprotocol/sdk/types.js";
import { type Delivery, SILENT_TIMEOUT_MS } from "../calls/call.ts";
import type { Clock } from "../timing/clock.ts";
import { complete } from "./revision.ts";

/** How long a task can be fetched after its end, in milliseconds. */
export const TASK_KEPT_MS = 15 * 60_000;

/** How often a client is to ask for a task, in milliseconds. */
const POLL_INTERVAL_MS = 2_000;

type State =
  | { readonly status: "working" | "cancelled" }
  | { readonly status: "completed"; readonly result: Result }
  | { readonly status: "failed"; readonly error: JSONRPCErrorResponse["error"] };

/** A call of the tool whose client takes a task in place of the result, should the call last. */
export class Task implements Delivery {
  readonly id = crypto.randomUUID();
  readonly #createdMs: number;
  readonly #createdAt: string;
  #updatedAt: string;
  #words: string | undefined;
  #state: State = { status: "working" };
  #endedMs: number | undefined;
  #askedMs: number | undefined;
  #onFetched: () => void = () => undefined;

  /**
   * @param requestId - of the call
   * @param wantsProgress - whether the client asked for notifications
   */
  constructor(
    private readonly clock: Clock,
    readonly requestId: RequestId,
    readonly wantsProgress: boolean,
  ) {
    this.#createdMs = clock.monotonicMs();
    this.#createdAt = this.#updatedAt = this.#now();
  }

  get isHandedOut(): boolean {
    return this.#askedMs !== undefined;
  }

  get hasEnded(): boolean {
    return this.#endedMs !== undefined;
  }

  /** Whether it ended so long ago that it is forgotten. */
  get isForgotten(): boolean {
    return this.#endedMs !== undefined && this.clock.monotonicMs() - this.#endedMs >= TASK_KEPT_MS;
  }

  /** Takes note of what is being done. */
  note(words: string): void {
    this.#words = words;
    this.#updatedAt = this.#now();
  }

  /** Hands the task to the client in place of the result. */
  handOut(): Result {
    this.#askedMs = this.clock.monotonicMs();
    return this.#describe();
  }

  /** The state of the task for a client that asks; once it has ended, with the answer to the call. */
  fetch(): Result {
    this.#askedMs = this.clock.monotonicMs();
    if (this.hasEnded) this.#onFetched();
    return { ...this.#describe(), ...this.#state };
  }

  /** The call was answered. */
  complete(answer: JSONRPCResponse): void {
    if ("result" in answer) this.#end({ status: "completed", result: complete("tools/call", answer.result) });
    else this.#end({ status: "failed", error: answer.error }, answer.error.message);
  }

  /** The client has stopped the call. */
  cancel(): void {
    this.#end({ status: "cancelled" }, "Stopped.");
  }

  onReceived(listener: () => void): void {
    if (this.isHandedOut) this.#onFetched = listener;
    else listener();
  }

  mayBeGone(): boolean {
    return this.#askedMs !== undefined && this.clock.monotonicMs() - this.#askedMs >= SILENT_TIMEOUT_MS;
  }

  #end(state: State, words?: string): void {
    this.#state = state;
    this.#words = words;
    this.#endedMs = this.clock.monotonicMs();
    this.#updatedAt = this.#now();
  }

  #describe(): Result {
    return {
      taskId: this.id,
      status: this.#state.status,
      ...(this.#words === undefined ? {} : { statusMessage: this.#words }),
      createdAt: this.#createdAt,
      lastUpdatedAt: this.#updatedAt,
      ttlMs: TASK_KEPT_MS + Math.round((this.#endedMs ?? this.#createdMs) - this.#createdMs),
      pollIntervalMs: POLL_INTERVAL_MS,
    };
  }

  #now(): string {
    return new Date(this.clock.unixMs()).toISOString();
  }
}
