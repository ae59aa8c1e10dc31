import { subscribe, unsubscribe } from "node:diagnostics_channel";

const CONNECT_ERROR_CHANNEL = "undici:client:connectError";

/**
 * Tells a request that never left from one that was cut off, which no error code does reliably (a reset during the TLS handshake
 * and one after the request both read `ECONNRESET`). Node's HTTP client publishes each failed connection attempt together with the very
 * error object that the waiting request is then rejected with. Source: undici documentation, "Diagnostics Channel Support".
 */
export class ConnectFailures {
  readonly #errors = new WeakSet();

  constructor() {
    subscribe(CONNECT_ERROR_CHANNEL, this.#collect);
  }

  /** Whether `error` is why a connection did not come about, so that nothing was sent. */
  includes(error: unknown): boolean {
    return typeof error === "object" && error !== null && this.#errors.has(error);
  }

  /** Stops listening; what was collected stays known. */
  stop(): void {
    unsubscribe(CONNECT_ERROR_CHANNEL, this.#collect);
  }

  readonly #collect = (message: unknown): void => {
    if (
      typeof message === "object" &&
      message !== null &&
      "error" in message &&
      typeof message.error === "object" &&
      message.error !== null
    ) {
      this.#errors.add(message.error);
    }
  };
}
