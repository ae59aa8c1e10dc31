import { readdir, rename, truncate, unlink } from "node:fs/promises";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { type CallToolResult, CallToolResultSchema, JSONRPCMessageSchema } from "@modelcontextprotocol/sdk/types.js";
import { expect, test } from "vitest";
import { TOOL_NAME } from "../src/constants.ts";
import { type Behaviour, hangUp, refuse, status, succeed } from "../stand-in/behaviours.ts";
import { linkServes } from "../stand-in/object-store.ts";
import { type StandIn, type StandInOptions, startStandIn } from "../stand-in/server.ts";
import { smallImage } from "./support/big-jpeg.ts";
import { deferred } from "./support/deferred.ts";
import { holdDisk } from "./support/hold-disk.ts";
import { listening } from "./support/listening.ts";
import { type ManualClock, manualClock } from "./support/manual-clock.ts";
import { begin, hold, images, type PendingCall } from "./support/pending-call.ts";
import { answerTo, write } from "./support/raw-requests.ts";
import { outputOf, spawnServer, startServer, type TestServer, textOf } from "./support/server.ts";
import { waitFor } from "./support/wait-for.ts";

const CAT = { prompt: "a cat" };
const DOG = { prompt: "a dog" };
const BUDGET_MS = 300_000;
const SECOND_MS = 1000;
const MINUTE_MS = 60_000;

const fromEarlier: unknown = expect.stringMatching(
  /earlier identical call .* no new request .* at no extra cost.* once more/,
);

/** A server on a clock that the test moves, and a stand-in whose first requests are held until they are released. */
interface Stage extends AsyncDisposable {
  readonly api: StandIn;
  readonly server: TestServer;
  readonly clock: ManualClock;
  readonly release: () => void;
}

async function stage({
  first = succeed(),
  held: count = 1,
  next = [],
  api: options = {},
  requestsPerMinute = 0,
}: {
  first?: Behaviour;
  held?: number;
  next?: readonly Behaviour[];
  api?: StandInOptions;
  requestsPerMinute?: number;
} = {}): Promise<Stage> {
  const held = hold(first);
  const script = [...Array<Behaviour>(count).fill(held.behaviour), ...next];
  const api = await startStandIn({ createImage: smallImage, script, ...options });
  const clock = manualClock();
  const server = await startServer({ api, clock, callBudgetMs: BUDGET_MS, requestsPerMinute });
  return {
    api,
    server,
    clock,
    release: held.release,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}

async function beginAndSend(
  { server, api }: Pick<Stage, "server" | "api">,
  args: Readonly<Record<string, unknown>> = CAT,
  options: { silent?: boolean } = {},
): Promise<PendingCall> {
  const { length } = api.requests;
  const call = begin(server, args, options);
  await waitFor("the request", () => api.requests.length === length + 1);
  return call;
}

async function giveUpAfterSending(
  parts: Pick<Stage, "server" | "api">,
  args: Readonly<Record<string, unknown>> = CAT,
): Promise<void> {
  const call = await beginAndSend(parts, args);
  call.giveUp();
  await expect(call.result).rejects.toThrow("timed out");
  await parts.server.client.ping();
}

function warningsOf(result: CallToolResult): readonly string[] {
  const { warnings = [] } = outputOf(result);
  for (const warning of warnings) expect(textOf(result)).toContain(`Warning: ${warning}`);
  return warnings;
}

test("a call given up goes on in silence, and is handed over once", async () => {
  const held = hold();
  await using api = await startStandIn({ createImage: smallImage, script: [held.behaviour] });
  await using server = await spawnServer({ api });
  const args = { ...CAT, n: 2, return_images: true };
  await giveUpAfterSending({ server, api }, args);
  const seen = server.transport.stdout.length;

  held.release();
  await images(server.outputDir, 2);
  await server.client.ping();
  const since = server.transport.stdout.slice(seen).trim().split("\n");
  expect(since.map((line) => JSONRPCMessageSchema.parse(JSON.parse(line)))).toMatchObject([{ result: {} }]);

  const second = await server.generate({ response_format: "base64", seed: null, ...args });
  expect(warningsOf(second)).toEqual([fromEarlier]);
  const inline = second.content.flatMap((part) => (part.type === "image" ? [part.data] : []));
  expect(inline).toEqual(api.deliveredImages.map((image) => image.toString("base64")));
  expect([outputOf(second).saved_count, new Set(outputOf(second).file_paths).size]).toEqual([2, 2]);
  expect(api.requests).toHaveLength(1);

  expect(warningsOf(await server.generate(args))).toEqual([]);
  expect(api.requests).toHaveLength(2);
  await images(server.outputDir, 4);
});

test("the SDK's client gets the images of a call that it timed out on", async () => {
  const held = hold();
  await using api = await startStandIn({ createImage: smallImage, script: [held.behaviour] });
  await using server = await spawnServer({ api });
  const call = { name: TOOL_NAME, arguments: CAT };

  await expect(server.client.callTool(call, CallToolResultSchema, { timeout: 3000 })).rejects.toThrow("timed out");
  held.release();
  const second = CallToolResultSchema.parse(await server.client.callTool(call));

  expect(warningsOf(second)).toEqual([fromEarlier]);
  await images(server.outputDir, 1);
  expect(api.requests).toHaveLength(1);
});

test.each([
  ["the TypeScript SDK's timeout", "McpError: MCP error -32001: Request timed out", true],
  ["an older SDK's timeout", "Error: MCP error -32001: Request timed out", true],
  ["a timeout in words alone", "The tool call TIMED OUT after 60 s", true],
  ["the clock of the Rust SDK, as in Copilot CLI", "request timeout", true],
  ["the clock of the Go SDK", "context deadline exceeded", true],
  ["the clock of AbortSignal.timeout", "TimeoutError: The operation was aborted due to timeout", true],
  ["the clock of the Python SDK", "timed out after 60.0s", true],
  ["a person behind the Go SDK", "context canceled", false],
  ["a person behind the Rust SDK", "caller cancelled", false],
  ["a person behind AbortController", "AbortError: The operation was aborted.", false],
  ["a person in Claude Code", "AbortError: user-cancel", false],
  ["a person in Codex", "MCP request cancelled by caller", false],
  ["something unknown", "the user pressed Escape", false],
  ["nothing, as in VS Code", undefined, false],
])("a cancellation for %s", async (_, reason, goesOn) => {
  await using parts = await stage();
  const { server, api } = parts;
  const request = { id: "raw", method: "tools/call", params: { name: TOOL_NAME, arguments: CAT } };
  await server.client.transport?.send({ jsonrpc: "2.0", ...request });
  await waitFor("the request", () => api.requests.length === 1);

  await server.client.notification({ method: "notifications/cancelled", params: { requestId: "raw", reason } });
  await server.client.ping();

  if (!goesOn) await waitFor("the closed connection", () => api.openExchanges() === 0);
  parts.release();
  if (goesOn) await images(server.outputDir, 1);
  expect(await readdir(server.outputDir)).toHaveLength(goesOn ? 1 : 0);
  expect(warningsOf(await server.generate(CAT))).toEqual(goesOn ? [fromEarlier] : []);
  expect(api.requests).toHaveLength(goesOn ? 1 : 2);
});

test.each([
  "request timeout",
  "context deadline exceeded",
  "TimeoutError: The operation was aborted due to timeout",
  "Timed out while waiting for response to ClientRequest. Waited 60.0 seconds.",
  "McpError: MCP error -32001: Request timed out",
])("after %j, over stdio, one payment brings the image at the second call", async (reason) => {
  const held = hold();
  await using api = await startStandIn({ createImage: smallImage, script: [held.behaviour] });
  await using server = await spawnServer({ api });
  const params = { name: TOOL_NAME, arguments: CAT };
  write(server, { id: "first", method: "tools/call", params });
  await waitFor("the request", () => api.requests.length === 1);

  write(server, { method: "notifications/cancelled", params: { requestId: "first", reason } });
  await server.client.ping();
  held.release();
  await images(server.outputDir, 1);
  write(server, { id: "second", method: "tools/call", params });

  const { result } = await answerTo(server, "second");
  expect(warningsOf(CallToolResultSchema.parse(result))).toEqual([fromEarlier]);
  expect(outputOf(CallToolResultSchema.parse(result)).file_paths).toHaveLength(1);
  await images(server.outputDir, 1);
  expect(api.requests).toHaveLength(1);
});

test.each<readonly [string, (directory: string) => Promise<unknown>]>([
  ["deleted", (directory) => unlink(join(directory, "hero-1.jpeg"))],
  ["moved", (directory) => rename(join(directory, "hero-1.jpeg"), join(directory, "best.jpeg"))],
  ["truncated", (directory) => truncate(join(directory, "hero-1.jpeg"), 40)],
])("of a call given up, an image that was %s is named as gone", async (_, change) => {
  await using parts = await stage();
  const args = { ...CAT, n: 2, filename: "hero", return_images: true };
  await giveUpAfterSending(parts, args);
  parts.release();
  await images(parts.server.outputDir, 2);
  await parts.server.client.ping();
  await change(parts.server.outputDir);

  const other = await parts.server.generate(DOG);
  const second = await parts.server.generate(args);

  expect(warningsOf(other)).toEqual([expect.stringMatching(/ saved 1 image not received yet: [^,]*hero-2\.jpeg\. /)]);
  expect(warningsOf(second)).toEqual([
    fromEarlier,
    expect.stringMatching(/^1 image of that call was deleted, moved or changed since: .*hero-1\.jpeg$/),
  ]);
  expect(outputOf(second)).toMatchObject({
    saved_count: 1,
    file_paths: [join(parts.server.outputDir, "hero-2.jpeg")],
  });
  expect(textOf(second)).toMatch(/^Saved 1 of 2 images\.$/m);
  expect(second.content.filter(({ type }) => type === "image")).toHaveLength(1);
  expect(parts.api.requests).toHaveLength(2);
});

test("when all images of a call given up are gone the same call is a new one", async () => {
  await using parts = await stage();
  await giveUpAfterSending(parts);
  parts.release();
  await images(parts.server.outputDir, 1);
  await parts.server.client.ping();
  for (const name of await readdir(parts.server.outputDir)) await unlink(join(parts.server.outputDir, name));

  expect(warningsOf(await parts.server.generate(DOG))).toEqual([]);
  const second = await parts.server.generate(CAT);

  expect(warningsOf(second)).toEqual([]);
  expect(outputOf(second).saved_count).toBe(1);
  await images(parts.server.outputDir, 2);
  expect(parts.api.requests).toHaveLength(3);
});

type Spelling = Readonly<Record<string, unknown>>;

test.each<readonly [Spelling, (directory: string) => Spelling]>([
  [{ output_dir: "img" }, () => ({ output_dir: "img/" })],
  [{ output_dir: "img" }, () => ({ output_dir: "./img" })],
  [{ output_dir: "img" }, () => ({ output_dir: "a/../img" })],
  [{ output_dir: "img" }, () => ({ output_dir: " img\n" })],
  [{ output_dir: "img" }, () => ({ outputDir: "img" })],
  [{ output_dir: "img" }, (directory) => ({ output_dir: resolve(directory, "img") })],
  [{ output_dir: "img" }, () => ({ output_dir: "~/img" })],
  [{}, () => ({ output_dir: "." })],
  [{}, () => ({ output_dir: "./" })],
  [{}, (directory) => ({ output_dir: directory })],
  [{ filename: "fox" }, () => ({ filename: "fox.jpeg" })],
  [{ filename: "fox.png" }, () => ({ fileName: "fox " })],
  [{}, () => ({ prompt: " a cat\n" })],
  [{}, () => ({ n: 1, aspect_ratio: "1:1", response_format: "base64", model: "image-01", seed: null })],
])("the same call in other words pays once: %j (case %#)", async (first, second) => {
  await using parts = await stage();
  await giveUpAfterSending(parts, { ...CAT, ...first });
  parts.release();
  await waitFor("the image", async () => {
    const names = await readdir(parts.server.outputDir, { recursive: true });
    return names.some((name) => name.endsWith(".jpeg"));
  });
  await parts.server.client.ping();

  const again = await parts.server.generate({ ...CAT, ...second(parts.server.outputDir) });

  expect(warningsOf(again)).toEqual([fromEarlier]);
  expect(parts.api.requests).toHaveLength(1);
});

test("a running call is joined again and again, with its progress at once", async () => {
  await using parts = await stage();
  await giveUpAfterSending(parts);
  const second = begin(parts.server);
  await second.reaches(/^generating 1 image/);
  second.giveUp();
  await parts.server.client.ping();

  const third = begin(parts.server);
  await third.reaches(/^generating 1 image/);
  parts.release();

  expect(warningsOf(await third.result)).toEqual([fromEarlier]);
  await images(parts.server.outputDir, 1);
  expect(parts.api.requests).toHaveLength(1);
});

test("a person who stops the call that joined ends both", async () => {
  await using parts = await stage();
  await giveUpAfterSending(parts);
  const second = begin(parts.server);
  await second.reaches(/./);

  second.cancel();

  await waitFor("the closed connection", () => parts.api.openExchanges() === 0);
  expect(await readdir(parts.server.outputDir)).toEqual([]);
  expect(warningsOf(await parts.server.generate(CAT))).toEqual([]);
  expect(parts.api.requests).toHaveLength(2);
});

test("a call given up in the queue is stopped, and leaves its place", async () => {
  await using parts = await stage({ requestsPerMinute: 1 });
  const first = await beginAndSend(parts, DOG);
  const second = begin(parts.server);
  await second.reaches(/^waiting for a slot/);

  second.giveUp();
  await parts.server.client.ping();
  const again = begin(parts.server);
  await again.reaches(/0 calls ahead/);

  parts.release();
  expect(outputOf(await first.result).saved_count).toBe(1);
  expect(again.messages[0]).toBe("checking the request");
  expect(parts.api.requests).toHaveLength(1);
});

test("a call given up while it is connecting is stopped", async () => {
  let connections = 0;
  await using peer = await listening(createServer(() => (connections += 1)));
  await using server = await startServer({ api: { url: `https://${peer.host}` } });
  const first = begin(server);
  await waitFor("the connection", () => connections === 1);

  first.giveUp();
  await expect(first.result).rejects.toThrow("timed out");
  const second = begin(server);

  await waitFor("the connection of the second call", () => connections === 2);
  expect(second.messages[0]).toBe("checking the request");
  expect(await readdir(server.outputDir)).toEqual([]);
});

test("a call given up while it waits to retry is stopped", async () => {
  await using parts = await stage({ first: refuse(1002) });
  const first = begin(parts.server);
  parts.release();
  await first.reaches(/Attempt 2 of 4/);

  first.giveUp();
  await parts.server.client.ping();
  const second = begin(parts.server);
  await second.reaches(/^generating|^waiting/);
  await parts.clock.advance(2 * MINUTE_MS);

  expect(warningsOf(await second.result)).toEqual([]);
  await images(parts.server.outputDir, 1);
  expect(parts.api.requests).toHaveLength(2);
});

test.each([
  ["a transient refusal", status(503)],
  ["a refusal", refuse(1026)],
])("%s ends a call given up, without a retry", async (_, first) => {
  await using parts = await stage({ first });
  await giveUpAfterSending(parts);

  parts.release();
  await waitFor("the refusal", () => parts.api.openExchanges() === 0);
  expect(warningsOf(await parts.server.generate(DOG))).toEqual([]);

  expect(warningsOf(await parts.server.generate(CAT))).toEqual([]);
  await images(parts.server.outputDir, 2);
  expect(parts.api.requests).toHaveLength(3);
});

test("a refusal is retried for the call that joined", async () => {
  await using parts = await stage({ first: status(503) });
  await giveUpAfterSending(parts);
  const second = begin(parts.server);
  await second.reaches(/./);

  parts.release();
  await second.reaches(/Attempt 2 of 4/);
  await parts.clock.advance(MINUTE_MS);

  expect(warningsOf(await second.result)).toEqual([fromEarlier]);
  await images(parts.server.outputDir, 1);
  expect(parts.api.requests).toHaveLength(2);
});

test("an unknown outcome is told to the same call, once", async () => {
  await using parts = await stage({ first: hangUp() });
  await giveUpAfterSending(parts);
  parts.release();
  await waitFor("the end", () => parts.api.openExchanges() === 0);

  const second = await parts.server.generate(CAT);
  expect(second.isError).toBe(true);
  expect(textOf(second)).toContain("may have been generated and billed");
  expect(textOf(second)).toMatch(/Warning: .*earlier identical call .* no new request/);
  expect(parts.api.requests).toHaveLength(1);

  expect(warningsOf(await parts.server.generate(CAT))).toEqual([]);
  expect(parts.api.requests).toHaveLength(2);
});

test("a call given up keeps its own time limit", async () => {
  await using parts = await stage();
  await giveUpAfterSending(parts);

  await parts.clock.advance(BUDGET_MS);
  await waitFor("the closed connection", () => parts.api.openExchanges() === 0);

  expect(textOf(await parts.server.generate(CAT))).toContain("no complete response came within the call's 300 s");
  expect(parts.api.requests).toHaveLength(1);
});

test.each([
  ["succeeds", succeed()],
  ["fails", refuse(1026)],
])("another call that %s is told of the images, and they are kept", async (_, other) => {
  await using parts = await stage({ next: [other] });
  const hero = { ...CAT, filename: "hero" };
  await giveUpAfterSending(parts, hero);
  parts.release();
  await images(parts.server.outputDir, 1);

  expect(textOf(await parts.server.generate(DOG))).toMatch(
    /^Warning: An earlier call \("a cat"\) .*hero\.jpeg\. .*exactly that call/m,
  );
  expect(textOf(await parts.server.generate({ prompt: "a cow" }))).not.toContain("hero");
  expect(parts.api.requests).toHaveLength(3);

  expect(warningsOf(await parts.server.generate(hero))).toEqual([fromEarlier]);
  expect(parts.api.requests).toHaveLength(3);
});

test("a call given up while downloading goes on", async () => {
  const released = deferred<undefined>();
  await using parts = await stage({
    api: {
      script: [],
      linkScript: [
        (exchange) =>
          void released.promise.then(() => {
            linkServes()(exchange);
          }),
      ],
    },
  });
  const args = { ...CAT, response_format: "url" };
  const first = begin(parts.server, args);
  await waitFor("the download", () => parts.api.downloads.length === 1);
  first.giveUp();
  await parts.server.client.ping();
  released.resolve(undefined);
  await images(parts.server.outputDir, 1);

  const second = await parts.server.generate(args);

  expect(warningsOf(second)).toEqual([fromEarlier]);
  expect(outputOf(second).image_urls).toHaveLength(1);
  expect([parts.api.requests.length, parts.api.downloads.length]).toEqual([1, 1]);
});

test("a call given up while saving goes on", async () => {
  await using parts = await stage();
  const args = { ...CAT, n: 2 };
  const first = await beginAndSend(parts, args);
  using disk = holdDisk("link", parts.server.outputDir);
  parts.release();
  await waitFor("the saving", () => disk.held() === 2);
  first.giveUp();
  await expect(first.result).rejects.toThrow("timed out");
  await parts.server.client.ping();

  disk.release();
  await images(parts.server.outputDir, 2);

  expect(warningsOf(await parts.server.generate(args))).toEqual([fromEarlier]);
  expect(parts.api.requests).toHaveLength(1);
});

test.each([
  [14, 1],
  [16, 2],
])("after %i minutes the same call costs %i requests in all", async (minutes, requests) => {
  await using parts = await stage();
  await giveUpAfterSending(parts);
  parts.release();
  await images(parts.server.outputDir, 1);
  await parts.server.client.ping();

  await parts.clock.advance(minutes * MINUTE_MS);

  await parts.server.generate(CAT);
  expect(parts.api.requests).toHaveLength(requests);
});

test("equal calls at once stay two, also given up and made again", async () => {
  await using parts = await stage({ held: 2 });
  const calls = [await beginAndSend(parts), await beginAndSend(parts)];
  for (const call of calls) call.giveUp();
  await parts.server.client.ping();

  const again = [begin(parts.server), begin(parts.server)];
  parts.release();
  const results = await Promise.all(again.map(({ result }) => result));

  expect(results.map(warningsOf)).toEqual([[fromEarlier], [fromEarlier]]);
  expect(new Set(results.flatMap((result) => outputOf(result).file_paths)).size).toBe(2);
  expect(parts.api.requests).toHaveLength(2);
});

test("equal calls in silence are one from 55 s on, and both are answered", async () => {
  await using parts = await stage();
  const first = await beginAndSend(parts, CAT, { silent: true });
  await parts.clock.advance(55 * SECOND_MS);

  const second = begin(parts.server, CAT, { silent: true });
  await parts.server.client.ping();
  parts.release();

  expect(warningsOf(await first.result)).toEqual([]);
  expect(warningsOf(await second.result)).toEqual([fromEarlier]);
  await images(parts.server.outputDir, 1);
  expect(parts.api.requests).toHaveLength(1);
  expect(warningsOf(await parts.server.generate(CAT))).toEqual([]);
});

test("equal calls in silence are one when the first ended late, once", async () => {
  await using parts = await stage();
  const first = await beginAndSend(parts, CAT, { silent: true });
  await parts.clock.advance(55 * SECOND_MS);
  parts.release();
  await first.result;

  expect(warningsOf(await parts.server.generate(DOG))).toEqual([]);
  expect(warningsOf(await begin(parts.server, CAT, { silent: true }).result)).toEqual([fromEarlier]);
  expect(parts.api.requests).toHaveLength(2);
  expect(warningsOf(await begin(parts.server, CAT, { silent: true }).result)).toEqual([]);
  expect(parts.api.requests).toHaveLength(3);
});

test.each([
  ["in silence before 55 s", true, 54],
  ["with progress, however late", false, 200],
])("equal calls stay two %s", async (_, silent, seconds) => {
  await using parts = await stage();
  const first = await beginAndSend(parts, CAT, { silent });
  await parts.clock.advance(seconds * SECOND_MS);
  const second = await beginAndSend(parts, CAT, { silent });
  parts.release();

  expect(warningsOf(await first.result)).toEqual([]);
  expect(warningsOf(await second.result)).toEqual([]);
  expect(warningsOf(await begin(parts.server, CAT, { silent: true }).result)).toEqual([]);
  await images(parts.server.outputDir, 3);
  expect(parts.api.requests).toHaveLength(3);
});
