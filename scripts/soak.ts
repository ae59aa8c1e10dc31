import { readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import * as fault from "../stand-in/behaviours.ts";
import * as link from "../stand-in/object-store.ts";
import { startStandIn } from "../stand-in/server.ts";
import { bigJpeg } from "../test/support/big-jpeg.ts";
import { setup as buildQuickServer } from "../test/support/build-quick-server.ts";
import { startConnectProxy } from "../test/support/connect-proxy.ts";
import { processFigures } from "../test/support/process-figures.ts";
import { outputOf, spawnServer, textOf } from "../test/support/server.ts";
import { waitFor } from "../test/support/wait-for.ts";

const CALLS = 3000;
const CALLS_AT_ONCE = 8;
const LIMIT_MS = 8 * 60_000;
const SPEED = 300;
const SAMPLE_EVERY = 50;
const GROWTH_LIMIT_BYTES = 40_000_000;
const DESCRIPTOR_GROWTH_LIMIT = 20;

/** In a heap without a limit garbage lies about for long, and hides whether memory grows. */
const SMALL_HEAP = "--max-old-space-size=128";

/** As the SDKs write them: TypeScript, Python, Go, Rust, and AbortSignal.timeout. */
const CLOCKS = [
  "McpError: MCP error -32001: Request timed out",
  "Timed out while waiting for response to ClientRequest. Waited 60.0 seconds.",
  "context deadline exceeded",
  "request timeout",
  "TimeoutError: The operation was aborted due to timeout",
];
const PERSONS = ["AbortError: user-cancel", "context canceled", "MCP request cancelled by caller", undefined];

/** A person who deletes images of a call that was given up does so this long after, in milliseconds, and how often. */
const DELETED_AFTER_MS = 40;
const DELETIONS = 0.4;

const seed = Number(process.env["SOAK_SEED"] ?? Date.now() % 1_000_000);
const random = mulberry32(seed);
const pick = <T>(choices: readonly [number, T][]): T => {
  let rest = random() * choices.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, choice] of choices) if ((rest -= weight) < 0) return choice;
  throw new Error("There is nothing to choose from.");
};
const requestSchema = z.object({ prompt: z.string(), n: z.number() });
const callSchema = z.object({
  id: z.union([z.string(), z.number()]),
  params: z.object({ arguments: z.object({ prompt: z.string() }) }),
});
const images = [2_000, 50_000, 300_000].map(bigJpeg);
const image = (): Buffer => pick(images.map((bytes) => [1, bytes]));

/** How an answer with all its images goes wrong on its way, by its text and the last image's place in it. */
type Cut = (answer: string, lastImageAt: number) => Parameters<typeof fault.breakOff>[0];

/** Delivers what was asked for, in an answer that does not come as it should. */
const cut =
  (how: Cut): fault.Behaviour =>
  (exchange) => {
    const { n } = requestSchema.parse(exchange.body);
    const encoded = Array.from({ length: n }, () => image().toString("base64"));
    const answer = JSON.stringify({ data: { image_base64: encoded }, base_resp: { status_code: 0, status_msg: "" } });
    return fault.breakOff(how(answer, answer.indexOf(encoded.at(-1) ?? "")))(exchange);
  };

/** How many images a request for `n` of them pays for, when it pays for any. */
type Paid = (n: number) => number;

const requestFaults: readonly [number, fault.Behaviour, Paid?][] = [
  [60, fault.succeed(), (n) => n],
  [5, fault.succeed({ withheld: 1 }), (n) => n - 1],
  [4, fault.deliver([image(), "not base64!"]), () => 2],
  [3, fault.hangUp()],
  [3, fault.breakOff({ after: '{"data":{"image_base64":["/9j/', then: "close" })],
  [1, fault.breakOff({ after: '{"data":', then: "silence" })],
  [4, cut((answer, lastImageAt) => ({ after: answer.slice(0, lastImageAt + 100), then: "close" })), (n) => n],
  [0.5, cut((answer, lastImageAt) => ({ after: answer.slice(0, lastImageAt + 100), then: "silence" })), (n) => n],
  [2, cut((answer) => ({ after: answer.slice(0, -20), then: "close" })), (n) => n],
  [2, cut((answer) => ({ after: answer, then: "silence", length: answer.length + 1 })), (n) => n],
  [2, cut((answer) => ({ after: answer, then: "close", length: "in chunks" })), (n) => n],
  [1, fault.fallSilent()],
  [3, fault.answer("<html>")],
  [6, fault.status(503)],
  [3, fault.status(429, { headers: { "Retry-After": "3" } })],
  [2, fault.status(504)],
  [2, fault.status(404)],
  [3, fault.refuse(1000)],
  [0.3, fault.refuse(1002)],
  [0.3, fault.refuse(2045)],
  [2, fault.refuse(1026)],
  [1, fault.refuse(1001)],
  [2, (exchange) => fault.deliverWithError([image()], { status: 500 })(exchange), () => 1],
  [2, (exchange) => fault.deliverWithError([image()], { statusCode: 1026 })(exchange), () => 1],
  [1, fault.countWithoutImages(2)],
  [1, fault.countWithoutImages(1, { status: 503 })],
  [1, fault.withholdBody(503)],
  [1, fault.deliver(Array<string>(20_000).fill(""))],
  [1, (exchange) => fault.deliver(Array<Buffer>(40).fill(image()))(exchange), () => 9],
];
const linkFaults: readonly [number, link.LinkBehaviour][] = [
  [80, link.linkServes()],
  [8, link.linkStatus(503)],
  [4, link.linkStatus(403)],
  [5, link.linkBreaksOff("close")],
  [0.2, link.linkBreaksOff("silence")],
];

/** What is known of one prompt: what was paid for it, and what became of it by every result the process wrote. */
interface Ledger {
  paidRequests: number;
  paidImages: number;
  failedImages: number;
  deletedImages: number;
  isReceived: boolean;
  /** How many results the process wrote for it, received or not: an answer may cross its cancellation on the way. */
  answersOnWire: number;
  isUnknown: boolean;
  isCancelled: boolean;
}

const ledgers = new Map<string, Ledger>();
const ledgerOf = (prompt: string): Ledger => {
  const ledger = ledgers.get(prompt) ?? {
    paidRequests: 0,
    paidImages: 0,
    failedImages: 0,
    deletedImages: 0,
    isReceived: false,
    answersOnWire: 0,
    isUnknown: false,
    isCancelled: false,
  };
  ledgers.set(prompt, ledger);
  return ledger;
};
const tally = {
  ...{ saved: 0, failedImages: 0, gone: 0, brokeOff: 0, errors: 0, maybeBilled: 0 },
  ...{ cancelled: 0, givenUp: 0, handedOver: 0 },
};
const HANG_UPS = 0.03;
const FAILING_LINKS = `import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
const link = fs.link;
fs.link = (from, to) => Math.random() < 0.1 ? Promise.reject(Object.assign(new Error("EIO"), { code: "EIO" })) : link(from, to);
syncBuiltinESMExports();`;
const usedSockets = new WeakSet<object>();
const connectionsOfTheirOwn =
  (play: fault.Behaviour): fault.Behaviour =>
  (exchange) => {
    const { socket } = exchange.request;
    if (usedSockets.has(socket)) problems.push("a request came on a connection that was used before");
    usedSockets.add(socket);
    return play(exchange);
  };
const problems: string[] = [];

const removeQuickServer = await buildQuickServer();
await using api = await startStandIn({
  createImage: () => Promise.resolve(image()),
  otherwise: (exchange) => {
    const [behaviour, paid] = pick(requestFaults.map(([weight, ...rest]) => [weight, rest]));
    const { prompt, n } = requestSchema.parse(exchange.body);
    const images = paid?.(n) ?? 0;
    const ledger = ledgerOf(prompt);
    ledger.paidImages += images;
    if (images > 0) ledger.paidRequests += 1;
    return connectionsOfTheirOwn(behaviour)(exchange);
  },
  linkOtherwise: (exchange) => {
    pick(linkFaults)(exchange);
  },
});
await using proxy = await startConnectProxy({ hangUp: () => random() < HANG_UPS });
await using server = await spawnServer({
  api,
  speed: SPEED,
  preload: FAILING_LINKS,
  env: { NODE_OPTIONS: SMALL_HEAP, MINIMAX_RPM: "0", MINIMAX_TIMEOUT_MS: "300000", HTTP_PROXY: proxy.url },
});
watchAnswers();
const pid = server.transport.process.pid ?? 0;
const startedAt = performance.now();
const samples: ReturnType<typeof processFigures>[] = [];
let started = 0;
let answered = 0;

/** One client. A call that it gives up it makes again, at once or after its next one. */
async function work(): Promise<void> {
  let givenUp: Arguments | undefined;
  while (started < CALLS && performance.now() - startedAt < LIMIT_MS) {
    started += 1;
    if (started % SAMPLE_EVERY === 0) samples.push(processFigures(pid));
    const later = givenUp;
    givenUp = await call(started);
    if (later !== undefined) await attempt(later, "none");
    if (givenUp !== undefined && random() < DELETIONS) await deleteSome(givenUp.prompt);
    if (givenUp !== undefined && random() < 0.7) {
      await attempt(givenUp, "none");
      givenUp = undefined;
    }
    answered += 1;
  }
  if (givenUp !== undefined) await attempt(givenUp, "none");
}

interface Arguments {
  readonly prompt: string;
  readonly n: number;
  readonly response_format: string;
}

/** The arguments of a call that was given up. */
async function call(number: number): Promise<Arguments | undefined> {
  const args = {
    prompt: `soak ${number}`,
    n: 1 + Math.floor(random() * 3),
    response_format: random() < 0.4 ? "url" : "base64",
  };
  const end = pick<"none" | "person" | "timeout">([
    [80, "none"],
    [8, "person"],
    [12, "timeout"],
  ]);
  await attempt(args, end);
  return end === "timeout" && !ledgerOf(args.prompt).isReceived ? args : undefined;
}

async function attempt(args: Arguments, end: "none" | "person" | "timeout"): Promise<void> {
  const ledger = ledgerOf(args.prompt);
  const controller = new AbortController();
  if (end !== "none") {
    const reason = one<string | undefined>(end === "person" ? PERSONS : CLOCKS);
    setTimeout(() => {
      controller.abort(reason);
    }, random() * 60);
  }
  try {
    await server.generate({ ...args }, { signal: controller.signal, onProgress: () => undefined });
    ledger.isReceived = true;
  } catch (error) {
    if (end === "none") problems.push(`${args.prompt} was not answered: ${String(error)}`);
    if (end === "person") {
      tally.cancelled += 1;
      ledger.isCancelled = true;
    } else {
      tally.givenUp += 1;
    }
  }
}

/** A person deletes images that were not received yet: all there are, or one. An empty file only reserves its name. */
async function deleteSome(prompt: string): Promise<void> {
  await sleep(DELETED_AFTER_MS);
  const paths = imagesOf(prompt, await readdir(server.outputDir)).map((name) => join(server.outputDir, name));
  const sizes = await Promise.all(paths.map(async (path) => (await stat(path)).size));
  const there = paths.filter((_, index) => sizes[index] !== 0);
  const unwanted = random() < 0.5 ? there : there.slice(0, 1);
  ledgerOf(prompt).deletedImages += unwanted.length;
  for (const path of unwanted) await unlink(path);
}

function imagesOf(prompt: string, names: readonly string[]): readonly string[] {
  return names.filter((name) => name.startsWith(`${prompt.replace(" ", "-")}-`));
}

/** Judges every result that leaves the process, also those the client no longer wants. */
function watchAnswers(): void {
  const { transport } = server;
  const prompts = new Map<string | number, string>();
  const send = transport.send.bind(transport);
  transport.send = (message) => {
    const request = callSchema.safeParse(message);
    if (request.success) prompts.set(request.data.id, request.data.params.arguments.prompt);
    return send(message);
  };
  const pass = transport.onmessage?.bind(transport);
  transport.onmessage = (message) => {
    const prompt = "result" in message ? prompts.get(message.id) : undefined;
    if (prompt !== undefined && "result" in message) {
      const ledger = ledgerOf(prompt);
      ledger.answersOnWire += 1;
      judge(CallToolResultSchema.parse(message.result), ledger);
    }
    pass?.(message);
  };
}

function judge(result: ReturnType<typeof CallToolResultSchema.parse>, ledger: Ledger): void {
  const text = textOf(result);
  if (text.includes("earlier identical call")) tally.handedOver += 1;
  const gone = Number(/^Warning: (\d+) images? of that call (?:was|were) deleted/m.exec(text)?.[1] ?? 0);
  tally.gone += gone;
  if (result.isError === true) {
    const nothingSaved = Math.max(0, Number(/^Saved 0 of (\d+) image/m.exec(text)?.[1] ?? 0) - gone);
    tally.errors += 1;
    tally.failedImages += nothingSaved;
    ledger.failedImages += nothingSaved;
    if (text.includes("may have been generated and billed")) {
      tally.maybeBilled += 1;
      ledger.isUnknown = true;
    }
    if (text.includes("unexpected")) problems.push(text);
    return;
  }
  const output = outputOf(result);
  const failed = output.failures?.length ?? 0;
  if (text.includes("response broke off")) {
    tally.brokeOff += 1;
    ledger.isUnknown = true;
  }
  tally.saved += output.saved_count;
  tally.failedImages += failed;
  ledger.failedImages += failed;
  if (output.saved_count + failed + gone !== output.image_count) problems.push(`an image is unaccounted for: ${text}`);
}

await Promise.all(Array.from({ length: CALLS_AT_ONCE }, work));
await waitFor("the last cancelled calls to clean up", async () =>
  (await readdir(server.outputDir)).every((name) => name.endsWith(".jpeg")),
);
await waitFor("every exchange to be over", () => api.openExchanges() === 0);
samples.push(processFigures(pid));

const names = await readdir(server.outputDir);
const files = names.length;
const money = { paid: 0, saved: 0, deleted: 0, failed: 0, unknown: 0, paidTwice: 0, crossed: 0 };
for (const [prompt, ledger] of ledgers) {
  if (ledger.isCancelled) continue;
  const saved = imagesOf(prompt, names).length;
  const rest = ledger.paidImages - saved - ledger.deletedImages - ledger.failedImages;
  const isForgotten = ledger.deletedImages > 0;
  money.paid += ledger.paidImages;
  money.saved += saved;
  money.deleted += ledger.deletedImages;
  money.failed += ledger.failedImages;
  if (ledger.isUnknown || isForgotten) money.unknown += Math.max(0, rest);
  if (ledger.answersOnWire > (ledger.isReceived ? 1 : 0)) money.crossed += 1;
  if (ledger.paidRequests > Math.max(1, ledger.answersOnWire) + (isForgotten ? 1 : 0)) money.paidTwice += 1;
  if (ledger.isUnknown || isForgotten ? rest < 0 : rest !== 0) {
    problems.push(
      `${prompt}: ${ledger.paidImages} paid, ${saved} saved, ${ledger.deletedImages} deleted, ${ledger.failedImages} reported as failed, ${ledger.answersOnWire} results`,
    );
  }
}
const quarter = Math.max(1, Math.floor(samples.length / 4));
const early = samples.slice(quarter, 2 * quarter);
const late = samples.slice(-quarter);
const growth = {
  memoryBytes: median(late.map(({ memoryBytes }) => memoryBytes)) - median(early.map(({ memoryBytes }) => memoryBytes)),
  descriptors: median(late.map(({ descriptors }) => descriptors)) - median(early.map(({ descriptors }) => descriptors)),
};
if (answered < CALLS) problems.push(`only ${answered} of ${CALLS} calls were made in time`);
if (money.paid !== money.saved + money.deleted + money.failed + money.unknown) problems.push("the books do not close");
if (money.paidTwice > 0) problems.push(`${money.paidTwice} calls were paid for twice`);
if (files + money.deleted < tally.saved) {
  problems.push(
    `${tally.saved} images were reported as saved, but there are ${files} files, and ${money.deleted} gone`,
  );
}
if (proxy.tunnels.length > 8 * CALLS) problems.push(`${proxy.tunnels.length} tunnels were asked for`);
if (growth.memoryBytes > GROWTH_LIMIT_BYTES) problems.push("memory grew");
if (growth.descriptors > DESCRIPTOR_GROWTH_LIMIT) problems.push("descriptors grew");
if (server.transport.stderr.split("\n").length > 3) problems.push(`stderr: ${server.transport.stderr}`);

console.log(`seed                ${seed} (set SOAK_SEED to repeat it)
calls answered      ${answered} of ${started} in ${String(Math.round((performance.now() - startedAt) / 1000))} s
upstream requests   ${api.requests.length}, downloads ${api.downloads.length}, tunnels ${proxy.tunnels.length}
images saved        ${tally.saved}, reported as failed ${tally.failedImages}, reported as gone ${tally.gone} of ${money.deleted} deleted
answers broken off  ${tally.brokeOff} with images that came whole
calls that failed   ${tally.errors}, of them possibly billed ${tally.maybeBilled}
calls cancelled     ${tally.cancelled}, given up ${tally.givenUp}, handed over to the same call ${tally.handedOver}
images paid         ${money.paid} (without calls a person stopped): saved ${money.saved}, deleted ${money.deleted}, reported as failed ${money.failed}, in an outcome reported as unknown ${money.unknown}
                    paid for twice ${money.paidTwice}; ${money.crossed} answers crossed a cancellation
files on disk       ${files}, temporary files 0
memory              ${String(Math.round(median(early.map(({ memoryBytes }) => memoryBytes)) / 1e6))} MB early, ${String(Math.round(median(late.map(({ memoryBytes }) => memoryBytes)) / 1e6))} MB late
descriptors         ${String(median(early.map(({ descriptors }) => descriptors)))} early, ${String(median(late.map(({ descriptors }) => descriptors)))} late`);
for (const problem of problems.slice(0, 20)) console.error(`PROBLEM: ${problem}`);
if (problems.length > 0) process.exitCode = 1;
await removeQuickServer();

function one<T>(choices: readonly T[]): T {
  return pick(choices.map((choice) => [1, choice]));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** A small seeded generator, uniform in `[0, 1)`. Source: "mulberry32" by Tommy Ettinger, public domain. */
function mulberry32(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296;
  };
}
