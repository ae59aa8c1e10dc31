import { z } from "zod";
import type { SpawnedServer } from "./server.ts";
import { waitFor } from "./wait-for.ts";

const messageSchema = z.looseObject({
  id: z.union([z.string(), z.number()]).optional(),
  method: z.string().optional(),
});
const answerSchema = z.looseObject({
  result: z.looseObject({}).optional(),
  error: z.looseObject({ code: z.number(), message: z.string() }).optional(),
});

/** The revision that has no `initialize`. */
export const REVISION = "2026-07-28";

/** Everything the server said, as JSON says it. */
export function messagesOf({ transport }: SpawnedServer): z.infer<typeof messageSchema>[] {
  return transport.stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => messageSchema.parse(JSON.parse(line)));
}

/** What a request of the revision says of its client. */
export function metaOf(...extensions: readonly string[]): Readonly<Record<string, unknown>> {
  return {
    "io.modelcontextprotocol/protocolVersion": REVISION,
    "io.modelcontextprotocol/clientInfo": { name: "test", version: "1.0.0" },
    "io.modelcontextprotocol/clientCapabilities": {
      extensions: Object.fromEntries(extensions.map((extension) => [extension, {}])),
    },
  };
}

/** Writes a message to the server's stdin as it is. */
export function write({ transport }: SpawnedServer, message: Readonly<Record<string, unknown>>): void {
  transport.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
}

/** Sends a request and waits for its answer. */
export async function ask(
  server: SpawnedServer,
  method: string,
  params: Readonly<Record<string, unknown>>,
): Promise<z.infer<typeof answerSchema>> {
  const id = `${method} ${String(messagesOf(server).length)}`;
  write(server, { id, method, params });
  return answerTo(server, id);
}

/** Waits for the answer to a request. */
export async function answerTo(server: SpawnedServer, id: string): Promise<z.infer<typeof answerSchema>> {
  return answerSchema.parse(
    await waitFor(`the answer to ${id}`, () => messagesOf(server).find((message) => message.id === id)),
  );
}
