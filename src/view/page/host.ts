import { type Fields, fieldsOf } from "./values.ts";

const METHOD_NOT_FOUND = -32601;

/**
 * The view's side of MCP Apps (specification 2026-01-26): JSON-RPC with the window that embeds the view, and with no
 * other.
 */
export class Host {
  readonly #pending = new Map<unknown, (answer: Fields) => void>();
  #lastId = 0;

  /** @param notifications - a handler for each method; other notifications are ignored */
  constructor(
    private readonly parent: Window,
    notifications: ReadonlyMap<unknown, (params: Fields) => void>,
  ) {
    addEventListener("message", ({ source, data }) => {
      if (source === parent) this.#take(fieldsOf(data), notifications);
    });
  }

  /** @throws Error with the host's words when it refuses; a host that never answers leaves it open */
  async request(method: string, params: object): Promise<Fields> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, ({ result, error }) => {
        if (error === undefined) resolve(fieldsOf(result));
        else reject(new Error(String(fieldsOf(error)["message"])));
      });
      this.#send({ id, method, params });
    });
  }

  /** Says something that needs no answer. */
  notify(method: string, params: object): void {
    this.#send({ method, params });
  }

  #take(message: Fields, notifications: ReadonlyMap<unknown, (params: Fields) => void>): void {
    const { id, method, params } = message;
    if (method === undefined) {
      this.#pending.get(id)?.(message);
      this.#pending.delete(id);
    } else if (id === undefined) {
      notifications.get(method)?.(fieldsOf(params));
    } else if (method === "ping" || method === "ui/resource-teardown") {
      this.#send({ id, result: {} });
    } else {
      this.#send({ id, error: { code: METHOD_NOT_FOUND, message: "No such method" } });
    }
  }

  #send(message: object): void {
    this.parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
  }
}
