import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface, type Interface } from "node:readline";
import { text } from "node:stream/consumers";
import { z } from "zod";

const INITIALIZE = {
  protocolVersion: "2025-06-18",
  capabilities: {},
  clientInfo: { name: "bench", version: "1.0.0" },
};
const answerSchema = z.object({
  id: z.number(),
  result: z.looseObject({
    structuredContent: z.looseObject({ file_paths: z.array(z.string()) }).optional(),
    isError: z.boolean().optional(),
  }),
});

/** A spawned program that answers MCP over stdio, driven without the SDK so that the client costs next to nothing. */
export class Program {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;
  readonly #stderr: Promise<string>;
  readonly #waiting = new Map<number, (answer: z.infer<typeof answerSchema>) => void>();
  #requests = 0;

  /**
   * @param file - what Node runs
   * @param nodeOptions - in front of the file
   */
  constructor(file: string, env: Readonly<Record<string, string>>, nodeOptions: readonly string[] = []) {
    this.#process = spawn(process.execPath, [...nodeOptions, file], { env: { ...process.env, ...env } });
    this.#stderr = text(this.#process.stderr);
    this.#lines = createInterface({ input: this.#process.stdout });
    this.#lines.on("line", (line) => {
      const answer = answerSchema.parse(JSON.parse(line));
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
  }

  /** Resolves when `initialize` is answered. */
  async initialize(): Promise<void> {
    await this.#request("initialize", INITIALIZE);
  }

  /** One call of the tool; resolves when all its images are saved. */
  async call(images: number): Promise<void> {
    const { result } = await this.#request("tools/call", {
      name: "minimax_image_generate",
      arguments: { prompt: "a quiet harbour at dawn", n: images },
    });
    const saved = result.structuredContent?.file_paths.length;
    if (saved !== images) throw new Error(`${saved} of ${images} images were saved.`);
  }

  /**
   * Ends the program.
   *
   * @returns what it wrote to stderr
   */
  async end(): Promise<string> {
    this.#process.stdin.end();
    if (this.#process.exitCode === null) await once(this.#process, "exit");
    return this.#stderr;
  }

  async #request(method: string, params: unknown): Promise<z.infer<typeof answerSchema>> {
    this.#requests += 1;
    const id = this.#requests;
    const answered = new Promise<z.infer<typeof answerSchema>>((resolve) => this.#waiting.set(id, resolve));
    this.#process.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
    return answered;
  }
}
