import { unlessStuck } from "./abort.ts";

/**
 * Runs work on the same directory one after another. Node has few threads for the file system: of a drive that does not
 * answer, one work holds one of them, and the others wait without any.
 */
export class Lanes {
  readonly #last = new Map<string, Promise<unknown>>();

  /** @param graceMs - how long work may take to clean up after itself once its call is over, in real milliseconds */
  constructor(private readonly graceMs: number) {}

  /**
   * Runs `work` when all earlier work of this lane has settled.
   *
   * @param lane - name of the directory
   * @throws what the work throws; the signal's reason when it aborts before the work began, or when the work does not
   *   settle in time
   */
  async run<T>(lane: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(lane) ?? Promise.resolve()).then(() => {
      signal.throwIfAborted();
      return work();
    });
    const settled = turn.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(lane, settled);
    void settled.then(() => {
      if (this.#last.get(lane) === settled) this.#last.delete(lane);
    });
    return unlessStuck(turn, signal, this.graceMs);
  }
}
