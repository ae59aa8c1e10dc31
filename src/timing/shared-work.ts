import { unlessStuck } from "./abort.ts";

/**
 * Runs work once for all who ask for it while it runs. Node has few threads for the file system: of a drive that does
 * not answer, all calls together hold one of them.
 */
export class SharedWork<T> {
  readonly #running = new Map<string, Promise<T>>();

  /** @param graceMs - how long work may take to clean up after itself once a call is over, in real milliseconds */
  constructor(private readonly graceMs: number) {}

  /**
   * Runs `work`, or joins the one that is running under the same key.
   *
   * @param key - equal for work that comes to the same
   * @throws what the work throws; the signal's reason when it aborts: before, so that nothing is begun, or meanwhile
   */
  async run(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const running = this.#running.get(key) ?? this.#start(key, work);
    try {
      return await unlessStuck(running, signal, this.graceMs);
    } finally {
      signal.throwIfAborted();
    }
  }

  #start(key: string, work: () => Promise<T>): Promise<T> {
    const running = work().finally(() => this.#running.delete(key));
    this.#running.set(key, running);
    return running;
  }
}
