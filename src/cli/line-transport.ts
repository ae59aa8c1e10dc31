import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import {
  ErrorCode,
  type JSONRPCMessage,
  JSONRPCMessageSchema,
  JSONRPCNotificationSchema,
  JSONRPCRequestSchema,
  type JSONRPCResponse,
} from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import { truncate } from "../text/text.ts";
import { RequestIds, type WrittenIds, writtenIds } from "./request-ids.ts";

const BYTE_ORDER_MARK = /^\ufeff/;
const NESTED_IN_MESSAGE = 4;
const SAID_ISSUES = 3;

const issuesSchema = z
  .array(z.object({ path: z.array(z.union([z.string(), z.number()])), message: z.string() }))
  .min(1);

/**
 * Carries JSON-RPC over two streams, a message a line. Unlike the SDK's own, a member that is `null` counts as absent
 * in a message and in its parameters, a request has an id of ours between its arrival and its answer, and one that
 * cannot be read is answered in words for a person instead of a validator's. What has no id to answer under costs one
 * call of `onerror`; when it is JSON and no answer itself, it is also refused under the id `null`.
 */
export class LineTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #ids = new RequestIds();

  /** @param lines - gives one whole line in each piece */
  constructor(
    private readonly lines: Readable,
    private readonly output: Writable,
  ) {}

  start(): Promise<void> {
    this.lines.on("data", this.#receive);
    this.lines.on("error", this.#report);
    return Promise.resolve();
  }

  /** Resolves when the stream takes more. The answer to a request that was cancelled is dropped. */
  async send(message: JSONRPCMessage): Promise<void> {
    if ("method" in message) {
      await this.#write(message);
      return;
    }
    const { id, ...answer } = readable(message);
    const written = this.#ids.answer(id);
    if (written !== undefined) await this.#write(answer, written);
  }

  close(): Promise<void> {
    this.lines.off("data", this.#receive);
    this.lines.off("error", this.#report);
    this.lines.pause();
    this.onclose?.();
    return Promise.resolve();
  }

  /** @param id - in JSON; it takes the last place in the message */
  async #write(message: object, id?: string): Promise<void> {
    const json = JSON.stringify(message);
    const line = id === undefined ? json : `${json.slice(0, -1)},"id":${id}}`;
    if (!this.output.write(`${line}\n`)) await once(this.output, "drain");
  }

  readonly #report = (error: Error): void => {
    this.onerror?.(error);
  };

  readonly #receive = (line: Buffer): void => {
    try {
      const text = line.toString("utf8").replace(BYTE_ORDER_MARK, "");
      const value: unknown = JSON.parse(text);
      this.#accept(value, writtenIds(value, text));
    } catch (error) {
      this.#report(error instanceof SyntaxError ? new Error("a line that is not JSON was dropped") : toError(error));
    }
  };

  #accept(value: unknown, ids: WrittenIds): void {
    const message = withoutNulls(value, NESTED_IN_MESSAGE);
    if (isAnswer(value)) this.#acceptAnswer(message);
    else if (ids.id !== undefined) this.#acceptRequest(message, ids.id);
    else if (isObject(value) && "id" in value) this.#refuse(message);
    else this.#acceptNotification(message, ids.requestId);
  }

  #acceptAnswer(message: unknown): void {
    const { success, data } = JSONRPCMessageSchema.safeParse(message);
    if (success) this.onmessage?.(data);
    else this.#report(new Error("an answer that is not JSON-RPC was dropped"));
  }

  #acceptRequest(message: unknown, written: string): void {
    const id = this.#ids.assign(written);
    const { success, data, error } = JSONRPCRequestSchema.safeParse(Object.assign({}, message, { id }));
    if (success) this.onmessage?.(data);
    else this.send({ jsonrpc: "2.0", id, error: invalidRequest(error) }).catch(this.#report);
  }

  #acceptNotification(message: unknown, requestId: string | undefined): void {
    const { success, data } = JSONRPCNotificationSchema.safeParse(message);
    if (!success) this.#refuse(message);
    else if (!data.method.startsWith("notifications/")) {
      this.#report(new Error("a request without an id was dropped"));
    } else if (data.method !== "notifications/cancelled" || requestId === undefined) this.onmessage?.(data);
    else {
      const id = this.#ids.cancel(requestId);
      if (id !== undefined) this.onmessage?.({ ...data, params: { ...data.params, requestId: id } });
    }
  }

  #refuse(message: unknown): void {
    const error = invalidRequest(JSONRPCRequestSchema.safeParse(message).error);
    this.#report(new Error(`a message that is not JSON-RPC was refused (${error.message})`));
    this.#write({ jsonrpc: "2.0", error }, "null").catch(this.#report);
  }
}

function isAnswer(value: unknown): boolean {
  return isObject(value) && !("method" in value) && ("result" in value || "error" in value);
}

/** An error whose text is a validator's list of issues, in words. */
function readable(message: JSONRPCResponse): JSONRPCResponse {
  if (!("error" in message) || !message.error.message.startsWith("[")) return message;
  const issues = issuesIn(message.error.message);
  if (issues === undefined) return message;
  return { ...message, error: { code: ErrorCode.InvalidParams, message: describeIssues(issues) } };
}

function issuesIn(text: string): z.infer<typeof issuesSchema> | undefined {
  try {
    return issuesSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function describeIssues(
  issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
): string {
  const reasons = issues.slice(0, SAID_ISSUES).map(({ path, message }) => {
    const where = path.map(String).join(".");
    return truncate(`${where === "" ? "the message" : where}: ${inWords(message)}`);
  });
  return `The request is not valid. ${reasons.join("; ")}.\nRecovery: Nothing was done. Correct the message, then send it again.`;
}

/** The only members of JSON-RPC that a validator has no words for are those that may be text or a number. */
function inWords(issue: string): string {
  if (issue === "Invalid input") return "expected text or an integer";
  return issue.replace("Invalid input: ", "").replace("record", "object");
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function invalidRequest(error: z.core.$ZodError | undefined): { code: number; message: string } {
  return { code: ErrorCode.InvalidRequest, message: describeIssues(error?.issues ?? []) };
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(truncate(String(error)));
}

/**
 * The same value without members that are `null`: several clients and models fill in all that is optional.
 *
 * @param depth - how many objects and lists inside one another are looked into; deeper values stay as they are
 */
function withoutNulls(value: unknown, depth: number): unknown {
  if (depth === 0 || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((entry: unknown) => withoutNulls(entry, depth - 1));
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== null)
      .map(([key, member]) => [key, withoutNulls(member, depth - 1)]),
  );
}
