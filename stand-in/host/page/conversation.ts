import {
  AppBridge,
  getToolUiResourceUri,
  type McpUiHostContext,
  McpUiResourceMetaSchema,
} from "@modelcontextprotocol/ext-apps/app-bridge";
import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { type CallToolResult, CallToolResultSchema, type Tool } from "@modelcontextprotocol/sdk/types.js";
import { type Manners, ViewTransport } from "./manners.ts";

/** What a view is told, and where it is shown. */
export interface Stage {
  readonly sandboxUrl: string;
  readonly manners: Manners;
  readonly context: McpUiHostContext;
}

/** One tool call in the conversation, with its view. */
export class Turn {
  readonly frame = document.createElement("iframe");
  readonly #bridge: AppBridge;
  readonly #initialized: Promise<unknown>;
  readonly #cancellation = new AbortController();
  #transport: ViewTransport | undefined;

  constructor(
    private readonly client: Client,
    private readonly tool: Tool,
    private readonly stage: Stage,
  ) {
    this.#bridge = new AppBridge(
      client,
      { name: "stand-in-host", version: "1.0.0" },
      stage.manners.resources === "off" ? {} : { serverResources: {} },
      { hostContext: stage.context },
    );
    this.#bridge.addEventListener("sizechange", ({ height }) => {
      if (height !== undefined) this.frame.style.height = `${String(height)}px`;
    });
    this.#initialized = new Promise((resolve) => {
      this.#bridge.addEventListener("initialized", resolve);
    });
    this.frame.title = "Result";
    if (stage.manners.clipboard !== "off") this.frame.allow = "clipboard-write";
  }

  /** Loads the view into the frame, which has to be in the document. */
  async open(): Promise<void> {
    const uri = getToolUiResourceUri(this.tool);
    if (uri === undefined) throw new Error("The tool has no view.");
    const [resource] = (await this.client.readResource({ uri })).contents;
    if (resource === undefined || !("text" in resource)) throw new Error("The view is not text.");
    const { permissions, csp } = McpUiResourceMetaSchema.parse(resource._meta?.["ui"] ?? {});
    const { manners, sandboxUrl } = this.stage;
    this.#bridge.addEventListener("sandboxready", () => {
      const granted = manners.clipboard !== "off" && permissions !== undefined ? { permissions } : {};
      void this.#bridge.sendSandboxResourceReady({ html: resource.text, ...granted });
    });
    const { contentWindow } = this.frame;
    if (contentWindow === null) throw new Error("The frame is not in the document.");
    this.#transport = new ViewTransport(contentWindow, manners);
    await this.#bridge.connect(this.#transport);
    if (manners.resources === "refused") {
      this.#bridge.onreadresource = () => Promise.reject(new Error("This host reads nothing."));
    }
    const sources = (csp?.resourceDomains ?? []).map((source) => ["source", source]);
    const query = new URLSearchParams([["policy", manners.policy], ...sources]);
    this.frame.src = `${sandboxUrl}/?${query.toString()}`;
    await this.#initialized;
  }

  /** Calls the tool and hands its parameters and its result to the view. */
  async call(parameters: Record<string, unknown>): Promise<CallToolResult> {
    await this.#bridge.sendToolInput({ arguments: parameters });
    const result = await this.client
      .callTool({ name: this.tool.name, arguments: parameters }, CallToolResultSchema, {
        timeout: 240_000,
        signal: this.#cancellation.signal,
      })
      .then((answer) => CallToolResultSchema.parse(answer));
    await this.#bridge.sendToolResult(result);
    return result;
  }

  /** Hands a result to the view that was not asked for. */
  async show(result: CallToolResult): Promise<void> {
    await this.#bridge.sendToolResult(result);
  }

  /** Sends the view any notification, whether the specification knows it or not. */
  async notify(method: string, params: Record<string, unknown>): Promise<void> {
    await this.#transport?.send({ jsonrpc: "2.0", method, params });
  }

  /** Stops the call, as a person does who presses the client's stop button. */
  async cancel(): Promise<void> {
    this.#cancellation.abort("stopped by the person");
    await this.#bridge.sendToolCancelled({ reason: "stopped by the person" });
  }

  /** Tells the view how the host looks from now on. */
  restyle(context: McpUiHostContext): void {
    this.#bridge.setHostContext(context);
  }

  /** Tells the view that it will be removed, and waits until it agrees. */
  async end(): Promise<void> {
    await this.#bridge.teardownResource({});
  }
}
