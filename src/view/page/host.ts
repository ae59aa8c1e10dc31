import type { McpUiInitializeRequest } from "@modelcontextprotocol/ext-apps/app-bridge";
import { version } from "../../../package.json";
import { type Fields, fieldsOf } from "./values.ts";

const INITIALIZE_PARAMS: McpUiInitializeRequest["params"] = {
  protocolVersion: "2026-01-26",
  appInfo: { name: "minimax-image-mcp", version },
  appCapabilities: { availableDisplayModes: ["inline"] },
};
const METHOD_NOT_FOUND = -32601;

interface Pending {
  readonly resolve: (result: Fields) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The view's side of MCP Apps (specification 2026-01-26): JSON-RPC with the window that embeds the view. Nobody else is
 * listened to.
 */
export class Host {
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;

  /** @param notifications - what to do with each notification, by its method; others are ignored */
  constructor(
    private readonly parent: Window,
    notifications: Readonly<Record<string, (params: Fields) => void>>,
  ) {
    addEventListener("message", ({ source, data }) => {
      if (source === parent) this.#take(fieldsOf(data), notifications);
    });
  }

  /**
   * Introduces the view. From now on the host sends what it has; it resolves with the host's capabilities and its
   * context.
   */
  async initialize(): Promise<{ readonly capabilities: Fields; readonly context: Fields }> {
    const result = await this.request("ui/initialize", INITIALIZE_PARAMS);
    this.notify("ui/notifications/initialized", {});
    return { capabilities: fieldsOf(result["hostCapabilities"]), context: fieldsOf(result["hostContext"]) };
  }

  /** @throws Error with the host's words when it refuses; a host that never answers leaves it open */
  async request(method: string, params: object): Promise<Fields> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#send({ id, method, params });
    });
  }

  /** Says something that needs no answer. */
  notify(method: string, params: object): void {
    this.#send({ method, params });
  }

  #take({ id, method, params, result, error }: Fields, notifications: Record<string, (params: Fields) => void>): void {
    if (typeof method !== "string") {
      if (typeof id === "number") this.#settle(id, result, error);
    } else if (id === undefined) {
      notifications[method]?.(fieldsOf(params));
    } else {
      const isKnown = method === "ping" || method === "ui/resource-teardown";
      this.#send(
        isKnown ? { id, result: {} } : { id, error: { code: METHOD_NOT_FOUND, message: `No such method: ${method}` } },
      );
    }
  }

  #settle(id: number, result: unknown, error: unknown): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) pending?.resolve(fieldsOf(result));
    else pending?.reject(new Error(String(fieldsOf(error)["message"])));
  }

  #send(message: object): void {
    this.parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
  }
}
