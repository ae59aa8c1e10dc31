import type { Transport, TransportSendOptions } from "@modelcontextprotocol/sdk/shared/transport.js";
import {
  type JSONRPCMessage,
  type JSONRPCNotification,
  type JSONRPCRequest,
  type JSONRPCResponse,
  type RequestId,
  type Result,
} from "@modelcontextprotocol/sdk/types.js";
import { TOOL_NAME } from "../constants.ts";
import { truncate } from "../text/text.ts";
import type { Introduce } from "../view/resources.ts";
import {
  type Capabilities,
  complete,
  DISCOVER,
  invalidParams,
  methodNotFound,
  missingExtension,
  ofType,
  readClient,
  type Refusal,
  REVISION,
} from "./revision.ts";
import type { Tasks } from "./tasks.ts";

const TASKS = "io.modelcontextprotocol/tasks";
const UNKNOWN_TASK =
  "There is no such task any more. Make the same call again: images that were never fetched cost nothing then.";

/** The reply to a request; undefined when the SDK's server is to answer it. */
type Reply = { readonly result: Result } | Refusal | undefined;

/**
 * Serves the revision 2026-07-28 beside the older ones, between a transport and the SDK's server, which knows only the
 * older ones: what belongs to them passes untouched. A call of the tool that lasts becomes a task (SEP-2663) for a
 * client that announces tasks.
 */
export class RevisionTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #methods = new Map<RequestId, string>();

  /**
   * @param inner - gives each request an id that is a number and never used twice
   * @param introduce - introduces the server to a client
   * @param tasks - of this connection alone
   */
  constructor(
    private readonly inner: Transport,
    private readonly introduce: Introduce,
    private readonly tasks: Tasks,
  ) {}

  start(): Promise<void> {
    this.inner.onmessage = this.#receive;
    this.inner.onerror = this.#report;
    this.inner.onclose = () => {
      this.tasks.close();
      this.onclose?.();
    };
    return this.inner.start();
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  async send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    const outgoing =
      "method" in message ? this.#notification(message, options?.relatedRequestId) : this.#answer(message);
    if (outgoing !== undefined) await this.inner.send(outgoing);
  }

  readonly #report = (error: Error): void => {
    this.onerror?.(error);
  };

  readonly #receive = (message: JSONRPCMessage): void => {
    const request = "method" in message && "id" in message ? message : undefined;
    const client = request === undefined ? undefined : readClient(request);
    if (request === undefined || client === undefined) {
      this.#pass(message);
      return;
    }
    const reply = "error" in client ? client : this.#serve(request, client.capabilities);
    if (reply !== undefined) this.#reply(request.id, reply);
  };

  #reply(id: RequestId, reply: { readonly result: Result } | Refusal): void {
    this.inner.send({ jsonrpc: "2.0", id, ...reply }).catch(this.#report);
  }

  #pass(message: JSONRPCMessage): void {
    if ("method" in message && message.method === "notifications/cancelled") this.#drop(message.params?.["requestId"]);
    this.onmessage?.(message);
  }

  /** The request is not going to be answered. */
  #drop(id: unknown): void {
    if (typeof id !== "number") return;
    this.#methods.delete(id);
    this.tasks.drop(id);
  }

  #serve(request: JSONRPCRequest, capabilities: Capabilities): Reply {
    const offered = this.introduce(capabilities);
    switch (request.method) {
      case DISCOVER:
        return { result: complete(DISCOVER, discovery(offered)) };
      case "tools/call":
        return this.#call(request, capabilities);
      case "tasks/get":
      case "tasks/update":
      case "tasks/cancel":
        return this.#serveTask(request, capabilities);
      case "tools/list":
      case "resources/read":
        return this.#forward(request);
      case "resources/list":
      case "resources/templates/list":
        return offered.capabilities.resources === undefined ? methodNotFound() : this.#forward(request);
      default:
        return methodNotFound();
    }
  }

  #forward(request: JSONRPCRequest): Reply {
    this.#methods.set(request.id, request.method);
    this.onmessage?.(request);
    return undefined;
  }

  #call(request: JSONRPCRequest, capabilities: Capabilities): Reply {
    const { params = {} } = request;
    if (params["name"] !== TOOL_NAME) return invalidParams(`Unknown tool: ${truncate(String(params["name"]))}`);
    const call = { ...request, params: { ...params, task: undefined } };
    if (!takesTasks(capabilities)) return this.#forward(call);
    const progressToken = params._meta?.progressToken;
    this.tasks.follow(request.id, progressToken !== undefined, (task) => {
      this.#reply(request.id, { result: { ...task.handOut(), ...ofType("task") } });
    });
    const _meta = { ...params._meta, progressToken: progressToken ?? request.id };
    return this.#forward({ ...call, params: { ...call.params, _meta } });
  }

  #serveTask({ method, params }: JSONRPCRequest, capabilities: Capabilities): Reply {
    if (!takesTasks(capabilities)) return missingExtension(TASKS);
    const task = this.tasks.find(params?.["taskId"]);
    if (task === undefined) return invalidParams(UNKNOWN_TASK);
    if (method === "tasks/get") return { result: complete(method, task.fetch()) };
    if (method === "tasks/cancel" && !task.hasEnded) {
      task.cancel();
      this.#pass({
        jsonrpc: "2.0",
        method: "notifications/cancelled",
        params: { requestId: task.requestId, reason: method },
      });
    }
    return { result: complete(method, {}) };
  }

  /** The answer to a request, in the form of its revision; undefined when a task keeps it. */
  #answer(message: JSONRPCResponse): JSONRPCResponse | undefined {
    const id = message.id ?? "";
    const method = this.#methods.get(id);
    if (method === undefined) return message;
    this.#methods.delete(id);
    if (this.tasks.end(id, message)) return undefined;
    return "error" in message ? message : { ...message, result: complete(method, message.result) };
  }

  /** Progress, whose words also go into the task; undefined when the client did not ask for it or has the task. */
  #notification(
    message: JSONRPCNotification | JSONRPCRequest,
    requestId: RequestId | undefined,
  ): JSONRPCMessage | undefined {
    const task = this.tasks.ofCall(requestId);
    if (task === undefined) return message;
    const words = message.params?.["message"];
    if (typeof words === "string") task.note(words);
    return task.wantsProgress && !task.isHandedOut ? message : undefined;
  }
}

function takesTasks({ extensions }: Capabilities): boolean {
  return typeof extensions?.[TASKS] === "object";
}

function discovery({ capabilities, instructions }: ReturnType<Introduce>): Result {
  return {
    supportedVersions: [REVISION],
    capabilities: { ...capabilities, tools: {}, extensions: { ...capabilities.extensions, [TASKS]: {} } },
    instructions,
  };
}
