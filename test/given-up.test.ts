import { readdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type CallToolResult,
  CallToolResultSchema,
  ErrorCode,
  JSONRPCMessageSchema,
  McpError,
} from "@modelcontextprotocol/sdk/types.js";
import { expect, test } from "vitest";
import { toolOutputSchema } from "../src/schemas.ts";
import { type Behaviour, hangUp, refuse, status, succeed } from "../stand-in/behaviours.ts";
import { type LinkBehaviour, linkServes } from "../stand-in/object-store.ts";
import { type StandIn, startStandIn } from "../stand-in/server.ts";
import { deferred } from "./support/deferred.ts";
import { listening } from "./support/listening.ts";
import { preloading } from "./support/run-server.ts";
import { EXIT_LIMIT_MS, type SpawnedServer, spawnQuickServer, spawnServer, textOf } from "./support/server.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";
import { waitFor } from "./support/wait-for.ts";

const TOOL = "minimax_image_generate";
const CAT = { prompt: "a cat" };
const LONG_CALL_SPEED = 30;
const TIMEOUT_REASONS = [
  ["the TypeScript SDK", "McpError: MCP error -32001: Request timed out"],
  ["older ones on the TypeScript SDK", "Error: MCP error -32001: Request timed out"],
  ["one that has only the words", "The tool call TIMED OUT after 60 s"],
] as const;
const PERSON_REASONS = [
  ["Claude Code", "AbortError: user-cancel"],
  ["Codex", "MCP request cancelled by caller"],
  ["a client that says something unknown", "the user pressed Escape"],
  ["VS Code, which gives no reason", undefined],
] as const;

/** A call as a client makes it, with everything the client sees of it. */
interface PendingCall {
  readonly messages: readonly string[];
  readonly result: Promise<CallToolResult>;
  /** Stops waiting, as a client does whose own time limit has passed. */
  readonly giveUp: () => void;
  /** Stops waiting, as a client does when a person says so. */
  readonly cancel: () => void;
}

function begin(
  server: SpawnedServer,
  args: Readonly<Record<string, unknown>> = CAT,
  { silent = false }: { silent?: boolean } = {},
): PendingCall {
  const controller = new AbortController();
  const messages: string[] = [];
  const onProgress = ({ message = "" }: { readonly message: string | undefined }): void => {
    messages.push(message);
  };
  const result = server.generate(args, { signal: controller.signal, onProgress, silent });
  result.catch(() => undefined);
  return {
    messages,
    result,
    giveUp: () => {
      controller.abort(new McpError(ErrorCode.RequestTimeout, "Request timed out"));
    },
    cancel: () => {
      controller.abort("AbortError: user-cancel");
    },
  };
}

/** Takes requests and answers them only when told to. */
function hold(behaviour: Behaviour = succeed()): { readonly behaviour: Behaviour; readonly release: () => void } {
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

/** Begins a call and gives it up when its request has been sent; then the request may be answered. */
async function giveUpAfterSending(
  server: SpawnedServer,
  api: StandIn,
  args: Readonly<Record<string, unknown>> = CAT,
): Promise<void> {
  const before = api.requests.length;
  const call = begin(server, args);
  await waitFor("the request", () => api.requests.length === before + 1);
  call.giveUp();
  await expect(call.result).rejects.toThrow("timed out");
  await server.client.ping();
}

/** Begins a call that has been running for 56 s on a server of that speed, when some clients give up without a word. */
async function beginLongCall(
  server: SpawnedServer,
  api: StandIn,
  options: { readonly silent?: boolean } = {},
): Promise<PendingCall> {
  const before = api.requests.length;
  const call = begin(server, CAT, options);
  await waitFor("the request", () => api.requests.length === before + 1);
  await sleep(56_000 / LONG_CALL_SPEED);
  return call;
}

async function files(server: SpawnedServer, count: number): Promise<void> {
  await waitFor(`${count} files`, async () => {
    const names = await readdir(server.outputDir);
    return names.length === count && names.every((name) => name.endsWith(".jpeg"));
  });
}

function warningsOf(result: CallToolResult): readonly string[] {
  const { warnings = [] } = toolOutputSchema.parse(result.structuredContent);
  for (const warning of warnings) expect(textOf(result)).toContain(`Warning: ${warning}`);
  return warnings;
}

const fromEarlier: unknown = expect.stringMatching(
  /earlier identical call .* no new request .* costs nothing now.* once more/,
);

test("a call that its client gave up on goes on silently after its request was sent, and the same call gets its images, once and without a request", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour] });
  await using server = await spawnServer({ api });
  const first = begin(server, { ...CAT, n: 2 });
  await waitFor("the request", () => api.requests.length === 1);
  first.giveUp();
  await expect(first.result).rejects.toThrow("timed out");
  await server.client.ping();
  const seen = server.transport.stdout.length;

  held.release();
  await files(server, 2);
  await server.client.ping();
  const since = server.transport.stdout.slice(seen).trim().split("\n");
  expect(since.map((line) => JSONRPCMessageSchema.parse(JSON.parse(line)))).toMatchObject([{ result: {} }]);

  const second = await server.generate({ ...CAT, n: 2 });
  expect(warningsOf(second)).toEqual([fromEarlier]);
  const { file_paths, saved_count } = toolOutputSchema.parse(second.structuredContent);
  expect([saved_count, file_paths.length, new Set(file_paths).size]).toEqual([2, 2, 2]);
  expect(api.requests).toHaveLength(1);

  const third = await server.generate({ ...CAT, n: 2 });
  expect(warningsOf(third)).toEqual([]);
  expect(api.requests).toHaveLength(2);
  await files(server, 4);
});

test.each(TIMEOUT_REASONS)(
  "a call that its client gave up on is told from a person's stop by the words of %s",
  async (_client, reason) => {
    const held = hold();
    await using api = await startStandIn({ script: [held.behaviour] });
    await using server = await spawnServer({ api });
    await cancelRaw(server, api, reason);

    held.release();
    await files(server, 1);

    expect(warningsOf(await server.generate(CAT))).toEqual([fromEarlier]);
    expect(api.requests).toHaveLength(1);
  },
);

test.each(PERSON_REASONS)(
  "a call that its client gave up on is over when a person stopped it, here as %s says so",
  async (_client, reason) => {
    await using api = await startStandIn({ script: [hold().behaviour] });
    await using server = await spawnServer({ api });
    await cancelRaw(server, api, reason);

    await waitFor("the closed connection", () => api.openExchanges() === 0);
    expect(await readdir(server.outputDir)).toEqual([]);

    expect(warningsOf(await server.generate(CAT))).toEqual([]);
    expect(api.requests).toHaveLength(2);
  },
);

test("a call that its client gave up on is joined while it runs by the same call, which sees the progress at once and the result", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour] });
  await using server = await spawnServer({ api });
  await giveUpAfterSending(server, api);

  const second = begin(server);
  await waitFor("progress", () => second.messages.some((message) => message.startsWith("generating 1 image")));
  held.release();

  expect(warningsOf(await second.result)).toEqual([fromEarlier]);
  await files(server, 1);
  expect(api.requests).toHaveLength(1);
});

test("a call that its client gave up on ends when a person stops the call that joined it, and no file appears", async () => {
  await using api = await startStandIn({ script: [hold().behaviour] });
  await using server = await spawnServer({ api });
  await giveUpAfterSending(server, api);
  const second = begin(server);
  await waitFor("progress", () => second.messages.length > 0);

  second.cancel();

  await waitFor("the closed connection", () => api.openExchanges() === 0);
  expect(await readdir(server.outputDir)).toEqual([]);
  expect(warningsOf(await server.generate(CAT))).toEqual([]);
  expect(api.requests).toHaveLength(2);
});

test("a call that its client gave up on goes on when the call that joined it is given up as well, and the next one gets the images", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour] });
  await using server = await spawnServer({ api });
  await giveUpAfterSending(server, api);
  const second = begin(server);
  await waitFor("progress", () => second.messages.length > 0);
  second.giveUp();
  await server.client.ping();

  held.release();
  await files(server, 1);

  expect(warningsOf(await server.generate(CAT))).toEqual([fromEarlier]);
  expect(api.requests).toHaveLength(1);
});

test("a call that its client gave up on is stopped before its request was sent, here in the queue", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour] });
  await using server = await spawnServer({ api, env: { MINIMAX_RPM: "1" } });
  const first = begin(server, { prompt: "first" });
  await waitFor("the first request", () => api.requests.length === 1);
  const second = begin(server);
  await waitFor("the queue", () => second.messages.some((message) => message.startsWith("waiting for a slot")));

  second.giveUp();
  await server.client.ping();
  const again = begin(server);
  await waitFor("the queue", () => again.messages.some((message) => message.includes("0 calls ahead")));

  held.release();
  expect(await first.result).toMatchObject({ structuredContent: { saved_count: 1 } });
  expect(again.messages[0]).toBe("checking the request");
  expect(api.requests).toHaveLength(1);
});

test("a call that its client gave up on is stopped while it is connecting, and the same call is a new one", async () => {
  await using api = await startStandIn();
  let connections = 0;
  const silent = createServer((socket) => {
    connections += 1;
    socket.on("error", () => undefined);
    socket.resume();
  });
  await using peer = await listening(silent);
  await using server = await spawnServer({ api, env: { MINIMAX_API_HOST: `https://${peer.host}` } });
  const first = begin(server);
  await waitFor("the connection", () => connections === 1);

  first.giveUp();
  await expect(first.result).rejects.toThrow("timed out");
  const second = begin(server);
  await waitFor("progress", () => second.messages.length > 0);

  expect(second.messages[0]).toBe("checking the request");
  await waitFor("the connection of the second call", () => connections === 2);
  second.cancel();
  expect(await readdir(server.outputDir)).toEqual([]);
});

test("a call that its client gave up on is stopped while it waits to retry, and the same call is a new one", async () => {
  await using api = await startStandIn({ script: [refuse(1002)] });
  await using server = await spawnQuickServer({
    api,
    speed: 25,
    env: { MINIMAX_RPM: "0", MINIMAX_TIMEOUT_MS: "300000" },
  });
  const first = begin(server);
  await waitFor("the wait", () => first.messages.some((message) => message.includes("Attempt 2 of 4")));

  first.giveUp();
  await server.client.ping();

  expect(warningsOf(await server.generate(CAT))).toEqual([]);
  await files(server, 1);
  expect(api.requests).toHaveLength(2);
});

test("a call that its client gave up on is not retried for nobody when its request is refused after all", async () => {
  const held = hold(status(503));
  await using api = await startStandIn({ script: [held.behaviour] });
  await using server = await spawnQuickServer({ api, speed: 10 });
  await giveUpAfterSending(server, api);

  held.release();
  await waitFor("the refusal", () => api.openExchanges() === 0);
  await server.generate({ prompt: "a dog" });

  expect(warningsOf(await server.generate(CAT))).toEqual([]);
  await files(server, 2);
  expect(api.requests).toHaveLength(3);
});

test("a call that its client gave up on is retried for the call that joined it when its request is refused after all", async () => {
  const held = hold(status(503));
  await using api = await startStandIn({ script: [held.behaviour] });
  await using server = await spawnQuickServer({ api, speed: 10 });
  await giveUpAfterSending(server, api);
  const second = begin(server);
  await waitFor("progress", () => second.messages.length > 0);

  held.release();

  expect(warningsOf(await second.result)).toEqual([fromEarlier]);
  await files(server, 1);
  expect(api.requests).toHaveLength(2);
});

test("a call that its client gave up on leaves nothing behind when it was refused: the same call is a new one", async () => {
  const held = hold(refuse(1026));
  await using api = await startStandIn({ script: [held.behaviour] });
  await using server = await spawnServer({ api });
  await giveUpAfterSending(server, api);
  held.release();
  await waitFor("the refusal", () => api.openExchanges() === 0);
  await server.generate({ prompt: "a dog" });

  expect(warningsOf(await server.generate(CAT))).toEqual([]);
  expect(api.requests).toHaveLength(3);
});

test("a call that its client gave up on and whose outcome is unknown has the same call told so, once and without a request", async () => {
  const held = hold(hangUp());
  await using api = await startStandIn({ script: [held.behaviour] });
  await using server = await spawnServer({ api });
  await giveUpAfterSending(server, api);
  held.release();
  await waitFor("the end", () => api.openExchanges() === 0);

  const second = await server.generate(CAT);
  expect(second.isError).toBe(true);
  expect(textOf(second)).toContain("may have been generated and billed");
  expect(textOf(second)).toMatch(/Warning: .*earlier identical call .* no new request/);
  expect(api.requests).toHaveLength(1);

  expect(warningsOf(await server.generate(CAT))).toEqual([]);
  expect(api.requests).toHaveLength(2);
});

test("a call that its client gave up on has a different call warned, once, of the images nobody received, and is still handed over", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour, succeed(), refuse(1026)] });
  await using server = await spawnServer({ api });
  await giveUpAfterSending(server, api, { ...CAT, filename: "hero" });
  held.release();
  await files(server, 1);

  const other = await server.generate({ prompt: "a dog" });
  expect(warningsOf(other)).toEqual([
    expect.stringMatching(/^An earlier call \("a cat"\) .*hero\.jpeg\. .*exactly that call/),
  ]);
  expect(textOf(await server.generate({ prompt: "a cow" }))).not.toContain("hero");
  expect(api.requests).toHaveLength(3);

  const again = await server.generate({ ...CAT, filename: "hero" });
  expect(warningsOf(again)).toEqual([fromEarlier]);
  expect(again.structuredContent).toMatchObject({ saved_count: 1 });
  expect(api.requests).toHaveLength(3);
});

test("a call that its client gave up on has a different call warned also when that one fails", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour, refuse(1026)] });
  await using server = await spawnServer({ api });
  await giveUpAfterSending(server, api, { ...CAT, filename: "hero" });
  held.release();
  await files(server, 1);

  const other = await server.generate({ prompt: "a dog" });

  expect(other.isError).toBe(true);
  expect(textOf(other)).toMatch(/\nWarning: An earlier call \("a cat"\) .*hero\.jpeg/);
  expect(api.requests).toHaveLength(2);
});

test("a call that its client gave up on while downloading goes on to the end", async () => {
  const held = holdLink();
  await using api = await startStandIn({ linkScript: [held.behaviour] });
  await using server = await spawnServer({ api });
  const args = { ...CAT, response_format: "url" };
  const first = begin(server, args);
  await waitFor("the download", () => first.messages.some((message) => message.startsWith("downloading")));
  await waitFor("the download's request", () => api.downloads.length === 1);
  first.giveUp();
  await server.client.ping();
  held.release();
  await files(server, 1);

  const second = await server.generate(args);

  expect(warningsOf(second)).toEqual([fromEarlier]);
  expect(toolOutputSchema.parse(second.structuredContent).image_urls).toHaveLength(1);
  expect([api.requests.length, api.downloads.length]).toEqual([1, 1]);
});

test("a call that its client gave up on while saving goes on to the end", async () => {
  await using signs = await temporaryDirectory();
  const sign = join(signs.path, "now");
  const slowLink = `import fs from "node:fs/promises";
      import { existsSync } from "node:fs";
      import { syncBuiltinESMExports } from "node:module";
      import { setTimeout as sleep } from "node:timers/promises";
      const link = fs.link;
      fs.link = async (from, to) => {
        while (!existsSync(${JSON.stringify(sign)})) await sleep(5);
        return link(from, to);
      };
      syncBuiltinESMExports();`;
  await using api = await startStandIn();
  await using server = await spawnServer({ api, entry: [...preloading(slowLink), resolve("dist", "index.js")] });
  const first = begin(server, { ...CAT, n: 2 });
  await waitFor("the saving", () => first.messages.some((message) => message.startsWith("saving")));
  first.giveUp();
  await expect(first.result).rejects.toThrow("timed out");
  await server.client.ping();

  await writeFile(sign, "");
  await files(server, 2);

  expect(warningsOf(await server.generate({ ...CAT, n: 2 }))).toEqual([fromEarlier]);
  expect(api.requests).toHaveLength(1);
});

test("a call that its client gave up on is handed over with its images inline when they were asked for", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour] });
  await using server = await spawnServer({ api });
  const args = { ...CAT, return_images: true };
  await giveUpAfterSending(server, api, args);
  held.release();
  await files(server, 1);

  const second = await server.generate(args);

  expect(warningsOf(second)).toEqual([fromEarlier]);
  const inline = second.content.flatMap((part) => (part.type === "image" ? [part.data] : []));
  expect(inline).toEqual(api.deliveredImages.map((image) => image.toString("base64")));
  expect(api.requests).toHaveLength(1);
});

test("a call that its client gave up on is known by what it asked for, not by the order of keys, spelled-out defaults, nulls or unknown parameters", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour] });
  await using server = await spawnServer({ api });
  await giveUpAfterSending(server, api, { prompt: "a cat", seed: 7, wait_for_previous: true });
  held.release();
  await files(server, 1);

  const second = await server.generate({
    aspect_ratio: "1:1",
    seed: 7,
    n: 1,
    model: "image-01",
    response_format: "base64",
    prompt: "a cat",
    prompt_optimizer: false,
    return_images: false,
    output_dir: null,
    filename: null,
    subject_reference: null,
  });

  expect(warningsOf(second)).toEqual([fromEarlier]);
  expect(api.requests).toHaveLength(1);
});

test("a call that its client gave up on is forgotten after 15 minutes", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour] });
  await using server = await spawnQuickServer({ api, speed: 60, env: { MINIMAX_TIMEOUT_MS: "300000" } });
  await giveUpAfterSending(server, api);
  held.release();
  await files(server, 1);
  await sleep((16 * 60_000) / 60);

  expect(warningsOf(await server.generate(CAT))).toEqual([]);
  expect(api.requests).toHaveLength(2);
});

test("a call that its client gave up on keeps its own time limit, and the same call is told that the outcome is unknown", async () => {
  await using api = await startStandIn({ script: [hold().behaviour] });
  await using server = await spawnQuickServer({ api, speed: 10, env: { MINIMAX_TIMEOUT_MS: "60000" } });
  await giveUpAfterSending(server, api);

  await waitFor("the end of its budget", () => api.openExchanges() === 0);

  const second = await server.generate(CAT);
  expect(textOf(second)).toContain("no complete response came within the call's 60 s");
  expect(api.requests).toHaveLength(1);
});

test("a call that its client gave up on ends with the process, soon, with code 0 and without a file", async () => {
  await using api = await startStandIn({ script: [hold().behaviour] });
  await using server = await spawnServer({ api });
  await giveUpAfterSending(server, api);

  const endedAtMs = performance.now();
  server.transport.process.stdin.end();

  expect(await server.exited).toEqual({ code: 0, signal: null });
  expect(performance.now() - endedAtMs).toBeLessThan(EXIT_LIMIT_MS);
  expect(await readdir(server.outputDir)).toEqual([]);
  expect(server.transport.stderr).toBe("MiniMax Image MCP server running on stdio\n");
  await waitFor("the closed connection", () => api.openExchanges() === 0);
  expect(api.requests).toHaveLength(1);
});

test("a call that its client gave up on too late, when it has been answered, is not given up: the same call is a new one", async () => {
  await using api = await startStandIn();
  await using server = await spawnServer({ api });
  await server.generate(CAT);
  for (const requestId of [1, 99]) writeCancellation(server, requestId, TIMEOUT_REASONS[0][1]);

  expect(warningsOf(await server.generate(CAT))).toEqual([]);
  expect(api.requests).toHaveLength(2);
});

test("equal calls made at once stay two calls, also when both are given up and made again", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour, held.behaviour] });
  await using server = await spawnServer({ api });
  const calls = [begin(server), begin(server)];
  await waitFor("both requests", () => api.requests.length === 2);
  for (const call of calls) call.giveUp();
  await server.client.ping();

  const again = [begin(server), begin(server)];
  await waitFor("progress", () => again.every(({ messages }) => messages.length > 0));
  held.release();
  const results = await Promise.all(again.map(({ result }) => result));

  expect(results.map(warningsOf)).toEqual([[fromEarlier], [fromEarlier]]);
  expect(
    new Set(results.flatMap(({ structuredContent }) => toolOutputSchema.parse(structuredContent).file_paths)).size,
  ).toBe(2);
  expect(api.requests).toHaveLength(2);
});

test("equal calls of a client that says nothing are one from 55 s on, and both are answered", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour] });
  await using server = await spawnQuickServer({ api, speed: LONG_CALL_SPEED, env: { MINIMAX_TIMEOUT_MS: "300000" } });
  const first = await beginLongCall(server, api, { silent: true });

  const second = begin(server, CAT, { silent: true });
  await server.client.ping();
  held.release();

  expect(warningsOf(await first.result)).toEqual([]);
  expect(warningsOf(await second.result)).toEqual([fromEarlier]);
  await files(server, 1);
  expect(api.requests).toHaveLength(1);
  expect(warningsOf(await server.generate(CAT))).toEqual([]);
  expect(api.requests).toHaveLength(2);
});

test("equal calls of a client that says nothing are one also when the first ended meanwhile, after 55 s: once", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour] });
  await using server = await spawnQuickServer({ api, speed: LONG_CALL_SPEED, env: { MINIMAX_TIMEOUT_MS: "300000" } });
  const first = await beginLongCall(server, api, { silent: true });
  held.release();
  await first.result;

  expect(warningsOf(await server.generate({ prompt: "a dog" }))).toEqual([]);
  expect(api.requests).toHaveLength(2);
  expect(warningsOf(await begin(server, CAT, { silent: true }).result)).toEqual([fromEarlier]);
  expect(api.requests).toHaveLength(2);
  expect(warningsOf(await begin(server, CAT, { silent: true }).result)).toEqual([]);
  expect(api.requests).toHaveLength(3);
});

test("equal calls of a client that says nothing stay two when the first ended sooner, and when it asks for progress", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [succeed(), held.behaviour] });
  await using server = await spawnQuickServer({ api, speed: LONG_CALL_SPEED, env: { MINIMAX_TIMEOUT_MS: "300000" } });
  await begin(server, CAT, { silent: true }).result;
  const second = await beginLongCall(server, api);
  held.release();

  expect(warningsOf(await second.result)).toEqual([]);
  expect(warningsOf(await begin(server, CAT, { silent: true }).result)).toEqual([]);
  expect(api.requests).toHaveLength(3);
});

test("equal calls of a client that says nothing stay two before that", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour, held.behaviour] });
  await using server = await spawnServer({ api });
  const calls = [begin(server, CAT, { silent: true }), begin(server, CAT, { silent: true })];
  await waitFor("both requests", () => api.requests.length === 2);
  held.release();

  for (const { result } of calls) expect(warningsOf(await result)).toEqual([]);
  await files(server, 2);
  expect(api.requests).toHaveLength(2);
});

test("equal calls of a client that asks for progress stay two, however long the first has been running", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour, held.behaviour] });
  await using server = await spawnQuickServer({ api, speed: LONG_CALL_SPEED, env: { MINIMAX_TIMEOUT_MS: "300000" } });
  const first = await beginLongCall(server, api);
  const second = begin(server);
  await waitFor("the second request", () => api.requests.length === 2);
  held.release();

  expect(warningsOf(await first.result)).toEqual([]);
  expect(warningsOf(await second.result)).toEqual([]);
  await files(server, 2);
});

test("the SDK's client that times out after 2 s on an image of 5 s gets it by the same call again, for one request", async () => {
  await using api = await startStandIn({ generationMs: 5000 });
  await using server = await spawnServer({ api });
  const call = { name: TOOL, arguments: CAT };

  await expect(server.client.callTool(call, CallToolResultSchema, { timeout: 2000 })).rejects.toThrow("timed out");
  const second = CallToolResultSchema.parse(await server.client.callTool(call));

  expect(second.structuredContent).toMatchObject({ saved_count: 1 });
  expect(warningsOf(second)).toEqual([fromEarlier]);
  await files(server, 1);
  expect(api.requests).toHaveLength(1);
});

test("the model is told what to do after a timeout, in the instructions and in the tool's description", async () => {
  await using api = await startStandIn();
  await using server = await spawnServer({ api });

  const { tools } = await server.client.listTools();

  expect(server.client.getInstructions()).toContain("If a call times out, make exactly the same call again");
  expect(tools[0]?.description).toContain("If a call times out, make exactly the same call again");
});

/** Makes a call with an id that is known, and takes it back with a reason once its request has been sent. */
async function cancelRaw(server: SpawnedServer, api: StandIn, reason: string | undefined): Promise<void> {
  const params = { name: TOOL, arguments: CAT };
  server.transport.write(`${JSON.stringify({ jsonrpc: "2.0", id: "raw", method: "tools/call", params })}\n`);
  await waitFor("the request", () => api.requests.length === 1);
  writeCancellation(server, "raw", reason);
  await server.client.ping();
}

function writeCancellation(server: SpawnedServer, requestId: string | number, reason: string | undefined): void {
  const notification = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId, reason } };
  server.transport.write(`${JSON.stringify(notification)}\n`);
}

function holdLink(): { readonly behaviour: LinkBehaviour; readonly release: () => void } {
  const released = deferred<undefined>();
  return {
    behaviour: (exchange) => {
      void released.promise.then(() => {
        linkServes()(exchange);
      });
    },
    release: () => {
      released.resolve(undefined);
    },
  };
}
