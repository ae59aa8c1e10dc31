import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { type JSONRPCMessage, JSONRPCMessageSchema } from "@modelcontextprotocol/sdk/types.js";

/** Speaks with an MCP server that the page's own web server has spawned for it. */
export class RelayTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;

  readonly #address = `/messages/${crypto.randomUUID()}`;
  #events: EventSource | undefined;

  async start(): Promise<void> {
    const events = new EventSource(this.#address);
    this.#events = events;
    events.addEventListener("message", ({ data }) => {
      this.onmessage?.(JSONRPCMessageSchema.parse(JSON.parse(String(data))));
    });
    await new Promise((resolve) => {
      events.addEventListener("open", resolve, { once: true });
    });
  }

  async send(message: JSONRPCMessage): Promise<void> {
    await fetch(this.#address, { method: "POST", body: JSON.stringify(message) });
  }

  async close(): Promise<void> {
    this.#events?.close();
    this.onclose?.();
    return Promise.resolve();
  }
}
