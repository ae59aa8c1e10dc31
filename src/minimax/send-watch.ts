import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";

const CREATED = "undici:request:create";
const HEADERS_SENT = "undici:client:sendHeaders";
const currentWatch = new AsyncLocalStorage<SendWatch>();

/**
 * Knows of one request whether any of it went out, which no error code tells: a reset during the TLS handshake and one
 * after the request both read `ECONNRESET`, and a time limit can strike before or after. Node's HTTP client publishes
 * each request when it is created, in the asynchronous context of its `fetch`, and again when its headers are written.
 * Source: undici documentation, "Diagnostics Channel Support".
 */
export class SendWatch {
  #request: unknown;
  #sent = false;

  /** @param onSent - called once, right before the headers are written */
  constructor(private readonly onSent: () => void) {}

  /** False only when the request was seen, and seen not to go out; a client that publishes nothing may have sent it. */
  get mayHaveSent(): boolean {
    return this.#sent || this.#request === undefined;
  }

  /**
   * Watches the one request that `send` makes.
   *
   * @returns what `send` resolves with
   * @throws what `send` throws
   */
  async watch<T>(send: () => Promise<T>): Promise<T> {
    subscribe(CREATED, this.#onCreated);
    subscribe(HEADERS_SENT, this.#onHeadersSent);
    try {
      return await currentWatch.run(this, send);
    } finally {
      unsubscribe(CREATED, this.#onCreated);
      unsubscribe(HEADERS_SENT, this.#onHeadersSent);
    }
  }

  readonly #onCreated = (message: unknown): void => {
    if (currentWatch.getStore() === this && !isProxyConnect(message)) this.#request = requestOf(message);
  };

  readonly #onHeadersSent = (message: unknown): void => {
    if (this.#sent || this.#request === undefined || requestOf(message) !== this.#request) return;
    this.#sent = true;
    this.onSent();
  };
}

function requestOf(message: unknown): unknown {
  return typeof message === "object" && message !== null && "request" in message ? message.request : undefined;
}

/** The request that asks a proxy for a tunnel is none of ours. */
function isProxyConnect(message: unknown): boolean {
  const request = requestOf(message);
  return typeof request === "object" && request !== null && "method" in request && request.method === "CONNECT";
}
