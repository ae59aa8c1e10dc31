import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { Socket } from "node:net";

const CREATED = "undici:request:create";
const HEADERS_SENT = "undici:client:sendHeaders";
const COMPLETED = "undici:request:trailers";
const currentWatch = new AsyncLocalStorage<SendWatch>();

/**
 * Tracks whether any part of a request was sent; no error code tells: a reset during the TLS handshake and one after
 * the request both read `ECONNRESET`, and a time limit can strike before or after. Node's HTTP client publishes each
 * request when it is created, in the asynchronous context of its `fetch`, when its headers are written, and when its
 * response is complete. Source: undici documentation, "Diagnostics Channel Support".
 *
 * It also closes the connection as soon as the response is complete, before another request can be given to it: one
 * that is kept alive may be closed by the other side just as the next request goes out on it, and then it is not known
 * whether that request was read. (Asking for it with `Connection: close` makes undici 6.28 and 7 fail an assertion when
 * the end of the connection meets a reader that is behind.)
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
   * Settles as `send` does.
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
    if (requestOf(message) !== this.#request) return;
    this.#sent = true;
    this.onSent();
    this.#closeWhenAnswered(socketOf(message));
  };

  #closeWhenAnswered(socket: Socket | undefined): void {
    if (socket === undefined || ("alpnProtocol" in socket && socket.alpnProtocol === "h2")) return;
    const onCompleted = (message: unknown): void => {
      if (requestOf(message) === this.#request) process.nextTick(() => socket.destroy());
    };
    subscribe(COMPLETED, onCompleted);
    socket.once("close", () => unsubscribe(COMPLETED, onCompleted));
  }
}

function requestOf(message: unknown): unknown {
  return fieldOf(message, "request");
}

function socketOf(message: unknown): Socket | undefined {
  const socket = fieldOf(message, "socket");
  return socket instanceof Socket ? socket : undefined;
}

/** The request that asks a proxy for a tunnel is none of ours. */
function isProxyConnect(message: unknown): boolean {
  return fieldOf(requestOf(message), "method") === "CONNECT";
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
