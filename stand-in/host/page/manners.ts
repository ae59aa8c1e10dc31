import { PostMessageTransport } from "@modelcontextprotocol/ext-apps/app-bridge";
import { CallToolResultSchema, type ContentBlock, type JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";

/** How a host treats views: as the specification says, unless the query of its page says otherwise. */
export interface Manners {
  /** Whether views may read the server's resources; `refused` offers it and then refuses each. */
  readonly resources: string;
  readonly clipboard: string;
  /** What becomes of a result's structure: handed on, `absent` or `null`. */
  readonly structure: string;
  /** How the content is handed on: as it is, as one `text`, or with images in the form of the `messages` API. */
  readonly content: string;
  /** Which policy the frame gets; `strict` allows nothing but what the view declares. */
  readonly policy: string;
}

export function mannersOf(query: URLSearchParams): Manners {
  const manner = (name: string): string => query.get(name) ?? "on";
  return {
    resources: manner("resources"),
    clipboard: manner("clipboard"),
    structure: manner("structure"),
    content: manner("content"),
    policy: manner("policy"),
  };
}

/** Speaks with a view, and hands results on in the host's own manner. */
export class ViewTransport extends PostMessageTransport {
  constructor(
    view: Window,
    private readonly manners: Manners,
  ) {
    super(view, view);
  }

  override send(message: JSONRPCMessage): Promise<void> {
    const isResult = "method" in message && message.method === "ui/notifications/tool-result";
    return super.send(isResult ? { ...message, params: this.#handedOn(message.params) } : message);
  }

  #handedOn(params: unknown): Record<string, unknown> {
    const { content, structuredContent, isError } = CallToolResultSchema.parse(params);
    const { structure } = this.manners;
    return {
      content: this.#contentHandedOn(content),
      ...(isError === undefined ? {} : { isError }),
      ...(structure === "absent" ? {} : { structuredContent: structure === "null" ? null : structuredContent }),
    };
  }

  #contentHandedOn(content: readonly ContentBlock[]): unknown {
    switch (this.manners.content) {
      case "text":
        return content.map((block) => ("text" in block ? block.text : "")).join("\n");
      case "messages":
        return content.map((block) =>
          block.type === "image"
            ? { type: "image", source: { type: "base64", media_type: block.mimeType, data: block.data } }
            : block,
        );
      default:
        return content;
    }
  }
}
