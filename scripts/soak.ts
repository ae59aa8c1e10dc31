import { readdir } from "node:fs/promises";
import process from "node:process";
import { CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { toolOutputSchema } from "../src/schemas.ts";
import * as fault from "../stand-in/behaviours.ts";
import * as link from "../stand-in/object-store.ts";
import { startStandIn } from "../stand-in/server.ts";
import { bigJpeg } from "../test/support/big-jpeg.ts";
import { setup as buildQuickServer } from "../test/support/build-quick-server.ts";
import { processFigures } from "../test/support/process-figures.ts";
import { spawnQuickServer, textOf } from "../test/support/server.ts";
import { waitFor } from "../test/support/wait-for.ts";

const CALLS = 3000;
const CALLS_AT_ONCE = 8;
const LIMIT_MS = 8 * 60_000;
const SPEED = 300;
const SAMPLE_EVERY = 50;
const GROWTH_LIMIT_BYTES = 40_000_000;
const DESCRIPTOR_GROWTH_LIMIT = 20;

const seed = Number(process.env["SOAK_SEED"] ?? Date.now() % 1_000_000);
const random = mulberry32(seed);
const pick = <T>(choices: readonly [number, T][]): T => {
  let rest = random() * choices.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, choice] of choices) if ((rest -= weight) < 0) return choice;
  throw new Error("There is nothing to choose from.");
};
const pictures = [2_000, 50_000, 300_000].map(bigJpeg);
const picture = (): Buffer => pick(pictures.map((bytes) => [1, bytes]));

const requestFaults: readonly [number, fault.Behaviour][] = [
  [60, fault.succeed()],
  [5, fault.succeed({ withheld: 1 })],
  [4, fault.deliver([picture(), "not base64!"])],
  [3, fault.hangUp()],
  [3, fault.breakOff({ after: '{"data":{"image_base64":["/9j/', then: "close" })],
  [1, fault.breakOff({ after: '{"data":', then: "silence" })],
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
];
const linkFaults: readonly [number, link.LinkBehaviour][] = [
  [80, link.linkServes()],
  [8, link.linkStatus(503)],
  [4, link.linkStatus(403)],
  [5, link.linkBreaksOff("close")],
  [0.2, link.linkBreaksOff("silence")],
];

const tally = { saved: 0, failedImages: 0, errors: 0, maybeBilled: 0, cancelled: 0 };
const problems: string[] = [];

await buildQuickServer();
await using api = await startStandIn({
  draw: () => Promise.resolve(picture()),
  otherwise: (exchange) => pick(requestFaults)(exchange),
  linkOtherwise: (exchange) => {
    pick(linkFaults)(exchange);
  },
});
await using server = await spawnQuickServer({
  api,
  speed: SPEED,
  env: { MINIMAX_RPM: "0", MINIMAX_TIMEOUT_MS: "300000" },
});
const pid = server.transport.process.pid ?? 0;
const startedAt = performance.now();
const samples: ReturnType<typeof processFigures>[] = [];
let started = 0;
let answered = 0;

async function work(): Promise<void> {
  while (started < CALLS && performance.now() - startedAt < LIMIT_MS) {
    started += 1;
    if (started % SAMPLE_EVERY === 0) samples.push(processFigures(pid));
    await call(started);
    answered += 1;
  }
}

async function call(number: number): Promise<void> {
  const cancel = new AbortController();
  const isCancelled = random() < 0.08;
  if (isCancelled) {
    setTimeout(() => {
      cancel.abort();
    }, random() * 60);
  }
  const args = {
    prompt: `soak ${number}`,
    n: 1 + Math.floor(random() * 3),
    response_format: random() < 0.4 ? "url" : "base64",
  };
  try {
    judge(await server.generate(args, { signal: cancel.signal, onProgress: () => undefined }));
  } catch (error) {
    if (isCancelled) tally.cancelled += 1;
    else problems.push(`call ${number} was not answered: ${String(error)}`);
  }
}

function judge(result: ReturnType<typeof CallToolResultSchema.parse>): void {
  const text = textOf(result);
  if (result.isError === true) {
    const nothingSaved = /^Saved 0 of (\d+) image/.exec(text)?.[1];
    tally.errors += 1;
    tally.failedImages += Number(nothingSaved ?? 0);
    if (text.includes("may have been made and billed")) tally.maybeBilled += 1;
    if (text.includes("unexpected")) problems.push(text);
    return;
  }
  const output = toolOutputSchema.parse(result.structuredContent);
  const failed = output.failures?.length ?? 0;
  tally.saved += output.saved_count;
  tally.failedImages += failed;
  if (output.saved_count + failed !== output.image_count) problems.push(`an image is unaccounted for: ${text}`);
}

await Promise.all(Array.from({ length: CALLS_AT_ONCE }, work));
await waitFor("the last cancelled calls to clean up", async () =>
  (await readdir(server.outputDir)).every((name) => name.endsWith(".jpeg")),
);
await waitFor("every exchange to be over", () => api.openExchanges() === 0);
samples.push(processFigures(pid));

const files = (await readdir(server.outputDir)).length;
const quarter = Math.max(1, Math.floor(samples.length / 4));
const early = samples.slice(quarter, 2 * quarter);
const late = samples.slice(-quarter);
const growth = {
  memoryBytes: median(late.map(({ memoryBytes }) => memoryBytes)) - median(early.map(({ memoryBytes }) => memoryBytes)),
  descriptors: median(late.map(({ descriptors }) => descriptors)) - median(early.map(({ descriptors }) => descriptors)),
};
if (answered < CALLS) problems.push(`only ${answered} of ${CALLS} calls were made in time`);
if (files < tally.saved) problems.push(`${tally.saved} images were reported as saved, but there are ${files} files`);
if (growth.memoryBytes > GROWTH_LIMIT_BYTES) problems.push("memory grew");
if (growth.descriptors > DESCRIPTOR_GROWTH_LIMIT) problems.push("descriptors grew");
if (server.transport.stderr.split("\n").length > 2) problems.push(`stderr: ${server.transport.stderr}`);

console.log(`seed                ${seed} (set SOAK_SEED to repeat it)
calls answered      ${answered} of ${started} in ${String(Math.round((performance.now() - startedAt) / 1000))} s
upstream requests   ${api.requests.length}, downloads ${api.downloads.length}
images saved        ${tally.saved}, reported as failed ${tally.failedImages}
calls that failed   ${tally.errors}, of them possibly billed ${tally.maybeBilled}
calls cancelled     ${tally.cancelled}
files on disk       ${files}, temporary files 0
memory              ${String(Math.round(median(early.map(({ memoryBytes }) => memoryBytes)) / 1e6))} MB early, ${String(Math.round(median(late.map(({ memoryBytes }) => memoryBytes)) / 1e6))} MB late
descriptors         ${String(median(early.map(({ descriptors }) => descriptors)))} early, ${String(median(late.map(({ descriptors }) => descriptors)))} late`);
for (const problem of problems.slice(0, 20)) console.error(`PROBLEM: ${problem}`);
if (problems.length > 0) process.exitCode = 1;

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
