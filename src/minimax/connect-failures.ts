import { subscribe, unsubscribe } from "node:diagnostics_channel";

const CONNECT_ERROR_CHANNEL = "undici:client:connectError";
const PROXY_REFUSAL = /^Proxy response \((\d{3})\)/;

/**
 * Tells a request that never left from one that was cut off, which no error code does reliably (a reset during the TLS
 * handshake and one after the request both read `ECONNRESET`). Node's HTTP client publishes each failed connection
 * attempt together with the very error object that the waiting request is then rejected with. Source: undici
 * documentation, "Diagnostics Channel Support".
 */
export class ConnectFailures implements Disposable {
  readonly #errors = new WeakSet();

  constructor() {
    subscribe(CONNECT_ERROR_CHANNEL, this.#collect);
  }

  /**
   * Why the connection could not be established, so that nothing was sent; undefined when `error` is something else. A
   * proxy's refusal is hidden among the causes.
   */
  find(error: unknown): Error | undefined {
    if (!(error instanceof Error)) return undefined;
    const status = PROXY_REFUSAL.exec(error.message)?.[1];
    if (status !== undefined) return new Error(`the proxy answered HTTP ${status}`);
    return this.#errors.has(error) ? error : this.find(error.cause);
  }

  /** Stops listening; what was collected stays known. */
  [Symbol.dispose](): void {
    unsubscribe(CONNECT_ERROR_CHANNEL, this.#collect);
  }

  readonly #collect = (message: unknown): void => {
    if (typeof message !== "object" || message === null || !("error" in message)) return;
    if (message.error instanceof Error) this.#errors.add(message.error);
  };
}
