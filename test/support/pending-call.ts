import { readdir } from "node:fs/promises";
import { type CallToolResult, ErrorCode, McpError } from "@modelcontextprotocol/sdk/types.js";
import { type Behaviour, succeed } from "../../stand-in/behaviours.ts";
import { deferred } from "./deferred.ts";
import type { TestServer } from "./server.ts";
import { waitFor } from "./wait-for.ts";

/** A call as a client makes it, with everything the client sees of it. */
export interface PendingCall {
  /** Every message of its progress, in order. */
  readonly messages: readonly string[];
  readonly result: Promise<CallToolResult>;
  /** Waits until its progress says so. */
  readonly reaches: (message: RegExp) => Promise<void>;
  /** Stops waiting, as a client does whose own time limit has passed. */
  readonly giveUp: () => void;
  /** Stops waiting, as a client does when a person says so. */
  readonly cancel: () => void;
}

/** Begins a call; "a cat" is all it asks for unless told otherwise. */
export function begin(
  server: TestServer,
  args: Readonly<Record<string, unknown>> = {},
  { silent = false }: { silent?: boolean } = {},
): PendingCall {
  const controller = new AbortController();
  const messages: string[] = [];
  const result = server.generate(
    { prompt: "a cat", ...args },
    { signal: controller.signal, onProgress: ({ message = "" }) => messages.push(message), silent },
  );
  result.catch(() => undefined);
  return {
    messages,
    result,
    reaches: async (message) => {
      await waitFor(String(message), () => messages.some((text) => message.test(text)));
    },
    giveUp: () => {
      controller.abort(new McpError(ErrorCode.RequestTimeout, "Request timed out"));
    },
    cancel: () => {
      controller.abort("AbortError: user-cancel");
    },
  };
}

/** Takes a request and answers it only when told to. */
export function hold(behaviour: Behaviour = succeed()): {
  readonly behaviour: Behaviour;
  readonly release: () => void;
} {
  const released = deferred<undefined>();
  return {
    behaviour: async (exchange) => {
      await released.promise;
      await behaviour(exchange);
    },
    release: () => {
      released.resolve(undefined);
    },
  };
}

/** Waits until a directory holds so many images, and nothing else. */
export async function images(directory: string, count: number): Promise<void> {
  await waitFor(`${count} images`, async () => {
    const names = await readdir(directory);
    return names.length === count && names.every((name) => name.endsWith(".jpeg"));
  });
}
