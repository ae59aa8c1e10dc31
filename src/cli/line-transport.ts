import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import {
  ErrorCode,
  type JSONRPCMessage,
  JSONRPCMessageSchema,
  JSONRPCRequestSchema,
  RequestIdSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import { withoutNulls } from "../text/nulls.ts";
import { truncate } from "../text/text.ts";

const NESTED_IN_MESSAGE = 4;
const SAID_ISSUES = 3;

const issuesSchema = z
  .array(z.object({ path: z.array(z.union([z.string(), z.number()])), message: z.string() }))
  .min(1);
const identifiedSchema = z.looseObject({ id: RequestIdSchema, method: z.unknown() });

/**
 * Carries JSON-RPC over two streams, a message a line. Unlike the SDK's own, a member that is `null` counts as absent
 * in a message and in its parameters, and a request that cannot be read is answered under its id, in words for a person
 * instead of a validator's. What has no id to answer under costs one call of `onerror`.
 */
export class LineTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;

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

  /** Resolves when the stream takes more. */
  async send(message: JSONRPCMessage): Promise<void> {
    if (!this.output.write(`${JSON.stringify(readable(message))}\n`)) await once(this.output, "drain");
  }

  close(): Promise<void> {
    this.lines.off("data", this.#receive);
    this.lines.off("error", this.#report);
    this.lines.pause();
    this.onclose?.();
    return Promise.resolve();
  }

  readonly #report = (error: Error): void => {
    this.onerror?.(error);
  };

  readonly #receive = (line: Buffer): void => {
    try {
      const value = withoutNulls(JSON.parse(line.toString("utf8")), NESTED_IN_MESSAGE);
      const { success, data } = JSONRPCMessageSchema.safeParse(value);
      if (!success) this.#refuse(value);
      else if ("method" in data && !("id" in data) && !data.method.startsWith("notifications/")) {
        this.#report(new Error("a request without an id was dropped"));
      } else this.onmessage?.(data);
    } catch (error) {
      this.#report(error instanceof SyntaxError ? new Error("a line that is not JSON was dropped") : toError(error));
    }
  };

  #refuse(value: unknown): void {
    const words = describeIssues(JSONRPCRequestSchema.safeParse(value).error?.issues ?? []);
    const identified = identifiedSchema.safeParse(value);
    if (!identified.success) {
      this.#report(new Error(`a message that is not JSON-RPC was dropped (${words})`));
      return;
    }
    const { id } = identified.data;
    this.send({ jsonrpc: "2.0", id, error: { code: ErrorCode.InvalidRequest, message: words } }).catch(this.#report);
  }
}

/** An error whose text is a validator's list of issues, in words. */
function readable(message: JSONRPCMessage): JSONRPCMessage {
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
    return truncate(
      `${where === "" ? "the message" : where}: ${message.replace("Invalid input: ", "").replace("record", "object")}`,
    );
  });
  return `The request is not valid. ${reasons.join("; ")}.\nRecovery: Nothing was done. Correct the message, then send it again.`;
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(truncate(String(error)));
}
