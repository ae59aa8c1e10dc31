import { readdir, unlink } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { type CallToolResult, CallToolResultSchema, JSONRPCMessageSchema } from "@modelcontextprotocol/sdk/types.js";
import { expect, test } from "vitest";
import { TOOL_NAME } from "../src/constants.ts";
import { type Behaviour, hangUp, refuse, status } from "../stand-in/behaviours.ts";
import { type LinkBehaviour, linkServes } from "../stand-in/object-store.ts";
import { type StandIn, startStandIn } from "../stand-in/server.ts";
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

/** A server on a clock that the test moves, and a stand-in with requests that are held until they are released. */
interface Stage extends AsyncDisposable {
  readonly api: StandIn;
  readonly server: TestServer;
  readonly clock: ManualClock;
  readonly release: () => void;
}

interface StageOptions {
  /** What a held request gets once it is released. */
  readonly first?: Behaviour;
  /** The first requests; only one, which is held, unless told otherwise. */
  readonly script?: (held: Behaviour) => readonly Behaviour[];
  readonly linkScript?: readonly LinkBehaviour[];
  readonly requestsPerMinute?: number;
}

async function stage({
  first,
  script = (held) => [held],
  linkScript = [],
  requestsPerMinute = 0,
}: StageOptions = {}): Promise<Stage> {
  const held = hold(first);
  const api = await startStandIn({ createImage: smallImage, script: script(held.behaviour), linkScript });
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

async function giveUp({ client }: TestServer, call: PendingCall): Promise<void> {
  call.giveUp();
  await expect(call.result).rejects.toThrow("timed out");
  await client.ping();
}

async function giveUpAfterSending(
  parts: Pick<Stage, "server" | "api">,
  args: Readonly<Record<string, unknown>> = CAT,
): Promise<void> {
  await giveUp(parts.server, await beginAndSend(parts, args));
}

/** Gives a call up after its request was sent, and lets it save its images. */
async function abandon(parts: Stage, args: Readonly<Record<string, unknown>> = CAT, count = 1): Promise<void> {
  await giveUpAfterSending(parts, args);
  parts.release();
  await images(parts.server.outputDir, count);
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

  const second = await server.generate(args);
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
  ["the clock of Codex", 1, "Timed out while waiting for response to ClientRequest. Waited 60.0 seconds."],
  ["a person in Claude Code", 2, "AbortError: user-cancel"],
  ["a person in VS Code, without a reason", 2, undefined],
])("after %s, two equal calls cost %i requests", async (_, requests, reason) => {
  const held = hold();
  await using api = await startStandIn({ createImage: smallImage, script: [held.behaviour] });
  await using server = await spawnServer({ api });
  const params = { name: TOOL_NAME, arguments: CAT };
  write(server, { id: "first", method: "tools/call", params });
  await waitFor("the request", () => api.requests.length === 1);

  write(server, { method: "notifications/cancelled", params: { requestId: "first", reason } });
  await server.client.ping();
  if (requests === 2) await waitFor("the closed connection", () => api.openExchanges() === 0);
  held.release();
  if (requests === 1) await images(server.outputDir, 1);
  write(server, { id: "second", method: "tools/call", params });

  const second = CallToolResultSchema.parse((await answerTo(server, "second")).result);
  expect(warningsOf(second)).toEqual(requests === 1 ? [fromEarlier] : []);
  await images(server.outputDir, 1);
  expect(api.requests).toHaveLength(requests);
});

test("of a call given up, an image that was deleted is named as gone", async () => {
  await using parts = await stage();
  const args = { ...CAT, n: 2, filename: "hero", return_images: true };
  await abandon(parts, args, 2);
  const [gone, kept] = [1, 2].map((number) => join(parts.server.outputDir, `hero-${number}.jpeg`));
  await unlink(gone ?? "");

  const second = await parts.server.generate(args);

  expect(warningsOf(second)).toEqual([
    fromEarlier,
    `1 image of that call was deleted, moved or changed since: ${gone}`,
  ]);
  expect(outputOf(second)).toMatchObject({ saved_count: 1, file_paths: [kept] });
  expect(textOf(second)).toMatch(/^Saved 1 of 2 images\.$/m);
  expect(second.content.filter(({ type }) => type === "image")).toHaveLength(1);
  expect(parts.api.requests).toHaveLength(1);
});

test("the same call in other words pays once", async () => {
  await using parts = await stage();
  await abandon(parts, { ...CAT, filename: "fox" });

  const again = await parts.server.generate({
    prompt: " a cat\n",
    n: 1,
    seed: null,
    outputDir: join(parts.server.outputDir, "a", ".."),
    filename: "fox.jpeg",
  });

  expect(warningsOf(again)).toEqual([fromEarlier]);
  expect(parts.api.requests).toHaveLength(1);
});

test("a running call is joined again and again, with its progress at once", async () => {
  await using parts = await stage();
  await giveUpAfterSending(parts);
  const second = begin(parts.server);
  await second.reaches(/^generating 1 image/);
  await giveUp(parts.server, second);

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

  await giveUp(parts.server, second);
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

  await giveUp(server, first);
  const second = begin(server);

  await waitFor("the connection of the second call", () => connections === 2);
  expect(second.messages[0]).toBe("checking the request");
  expect(await readdir(server.outputDir)).toEqual([]);
});

test("a call given up while it waits to retry is stopped", async () => {
  await using parts = await stage({ script: () => [refuse(1002)] });
  const first = begin(parts.server);
  await first.reaches(/Attempt 2 of 4/);

  await giveUp(parts.server, first);
  const second = begin(parts.server);
  await second.reaches(/^generating|^waiting/);
  await parts.clock.advance(2 * MINUTE_MS);

  expect(warningsOf(await second.result)).toEqual([]);
  await images(parts.server.outputDir, 1);
  expect(parts.api.requests).toHaveLength(2);
});

test("a refusal ends a call given up, without a retry", async () => {
  await using parts = await stage({ first: status(503) });
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

test.each([
  ["its connection was lost", 0, "the connection was lost"],
  ["its time was up", BUDGET_MS, "no complete response came within the call's 300 s"],
])("when %s, the same call is told so once", async (_, passedMs, words) => {
  await using parts = await stage({ first: hangUp() });
  await giveUpAfterSending(parts);
  await parts.clock.advance(passedMs);
  if (passedMs === 0) parts.release();
  await waitFor("the end", () => parts.api.openExchanges() === 0);

  const second = await parts.server.generate(CAT);
  expect(second.isError).toBe(true);
  expect(textOf(second)).toContain(words);
  expect(textOf(second)).toContain("may have been generated and billed");
  expect(textOf(second)).toMatch(/Warning: .*earlier identical call .* no new request/);
  expect(parts.api.requests).toHaveLength(1);

  expect(warningsOf(await parts.server.generate(CAT))).toEqual([]);
  expect(parts.api.requests).toHaveLength(2);
});

test("another call, even a refused one, is told of the images once", async () => {
  await using parts = await stage({ script: (held) => [held, refuse(1026)] });
  const hero = { ...CAT, filename: "hero" };
  await abandon(parts, hero);

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
  const heldLink: LinkBehaviour = (exchange) =>
    void released.promise.then(() => {
      linkServes()(exchange);
    });
  await using parts = await stage({ script: () => [], linkScript: [heldLink] });
  const args = { ...CAT, response_format: "url" };
  const first = begin(parts.server, args);
  await waitFor("the download", () => parts.api.downloads.length === 1);
  await giveUp(parts.server, first);
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
  await giveUp(parts.server, first);

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
  await abandon(parts);

  await parts.clock.advance(minutes * MINUTE_MS);

  await parts.server.generate(CAT);
  expect(parts.api.requests).toHaveLength(requests);
});

test("equal calls at once stay two, also given up and made again", async () => {
  await using parts = await stage({ script: (held) => [held, held] });
  const calls = [await beginAndSend(parts), await beginAndSend(parts)];
  for (const call of calls) await giveUp(parts.server, call);

  const again = [begin(parts.server), begin(parts.server)];
  parts.release();
  const results = await Promise.all(again.map(({ result }) => result));

  expect(results.map(warningsOf)).toEqual([[fromEarlier], [fromEarlier]]);
  expect(new Set(results.flatMap((result) => outputOf(result).file_paths)).size).toBe(2);
  expect(parts.api.requests).toHaveLength(2);
});

test.each([
  ["is running", false],
  ["has ended", true],
])("equal calls in silence are one from 55 s on, when the first %s", async (_, hasEnded) => {
  await using parts = await stage();
  const silent = { silent: true };
  const first = await beginAndSend(parts, CAT, silent);
  await parts.clock.advance(55 * SECOND_MS);
  if (hasEnded) {
    parts.release();
    await first.result;
  }

  const second = begin(parts.server, CAT, silent);
  await parts.server.client.ping();
  parts.release();

  expect(warningsOf(await first.result)).toEqual([]);
  expect(warningsOf(await second.result)).toEqual([fromEarlier]);
  await images(parts.server.outputDir, 1);
  expect(parts.api.requests).toHaveLength(1);
  expect(warningsOf(await begin(parts.server, CAT, silent).result)).toEqual([]);
  expect(parts.api.requests).toHaveLength(2);
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
  await images(parts.server.outputDir, 2);
  expect(parts.api.requests).toHaveLength(2);
});
