import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { ReadBuffer, serializeMessage } from "@modelcontextprotocol/sdk/shared/stdio.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";

const LINE_MAX_BYTES = 512 * 1024 * 1024;

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Speaks stdio with a process of its own, like the SDK's client transport, and keeps everything the process wrote. */
export class StdioTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;

  readonly process: ChildProcessWithoutNullStreams;
  readonly exited: Promise<Exit>;
  stderr = "";
  readonly #stdout: Buffer[] = [];
  readonly #messages = new ReadBuffer({ maxBufferSize: LINE_MAX_BYTES });

  constructor(
    command: string,
    args: readonly string[],
    { env, cwd }: { env: Readonly<Record<string, string>>; cwd: string },
  ) {
    this.process = spawn(command, args, { env, cwd });
    this.exited = once(this.process, "close").then((): Exit => {
      this.onclose?.();
      return { code: this.process.exitCode, signal: this.process.signalCode };
    });
    this.process.stdout.on("data", this.#read);
    this.process.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    this.process.stdin.on("error", (error: Error) => this.onerror?.(error));
  }

  /** Everything the process has written to stdout so far. */
  get stdout(): string {
    return Buffer.concat(this.#stdout).toString("utf8");
  }

  async start(): Promise<void> {
    await once(this.process, "spawn");
  }

  async send(message: JSONRPCMessage): Promise<void> {
    this.write(serializeMessage(message));
    return Promise.resolve();
  }

  /** Writes to the server's stdin as is. */
  write(text: string): void {
    this.process.stdin.write(text);
  }

  async close(): Promise<void> {
    this.process.stdin.end();
    await this.exited;
  }

  readonly #read = (chunk: Buffer): void => {
    this.#stdout.push(chunk);
    this.#messages.append(chunk);
    for (;;) {
      try {
        const message = this.#messages.readMessage();
        if (message === null) return;
        this.onmessage?.(message);
      } catch (error) {
        this.onerror?.(error instanceof Error ? error : new Error(String(error)));
      }
    }
  };
}
