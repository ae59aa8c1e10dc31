import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { answer } from "../stand-in/behaviours.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { bigJpeg } from "../test/support/big-jpeg.ts";
import { Program } from "./program.ts";

const [before] = process.argv.slice(2);
const PROGRAMS = {
  server: resolve("dist", "index.js"),
  baseline: resolve("bench", "baseline.js"),
  ...(before === undefined ? {} : { before: resolve(before) }),
};
const REPORT_PEAK_MEMORY = ["--import", new URL("report-peak-memory.js", import.meta.url).href];
const BATCHES = 4;
const WARM_UP_ROUNDS = 5;
const BURST_CALLS = 32;

type Name = "server" | "baseline" | "before";
type Start = (name: Name, nodeOptions?: readonly string[]) => Program;

interface Measurement {
  readonly what: string;
  readonly unit: "ms" | "MB";
  readonly goal: number;
  /** In each batch. */
  readonly rounds: number;
  readonly images?: number;
  readonly imageBytes?: number;
  /** Starts what the samples of one batch share. */
  readonly begin?: () => Promise<void>;
  readonly sample: (name: Name) => Promise<number>;
  readonly end?: () => Promise<void>;
}

let body = "";
const directory = await mkdtemp(join(tmpdir(), "minimax-image-bench-"));
await using api = await startStandIn({ otherwise: (exchange) => answer(body)(exchange) });
const env = {
  MINIMAX_API_KEY: STAND_IN_KEY,
  MINIMAX_API_HOST: api.url,
  MINIMAX_OUTPUT_DIR: directory,
  MINIMAX_RPM: "0",
};
const start: Start = (name, nodeOptions) => new Program(PROGRAMS[name] ?? name, env, nodeOptions);
const names: readonly Name[] = before === undefined ? ["server", "baseline"] : ["server", "baseline", "before"];

try {
  console.log(
    `Node ${process.versions.node}, ${process.platform} ${process.arch}; medians of interleaved rounds, ratios within a round.\n` +
      "Takes about four minutes on two cores; each row appears when it is measured.\n",
  );
  const columns = ["What", ...names, ...names.slice(1).map((name) => `server ÷ ${name}`), "Goal"];
  console.log(`| ${columns.join(" | ")} |\n| ${columns.map(() => "---").join(" | ")} |`);
  for (const measurement of [
    startUp(),
    calls("a call, 1 image of 300 kB", { images: 1, rounds: 60, goal: 1.3 }),
    calls("a call, 9 images of 300 kB", { images: 9, rounds: 30, goal: 1.3 }),
    calls(`${BURST_CALLS} calls at once, 4 images of 300 kB each`, {
      images: 4,
      rounds: 5,
      atOnce: BURST_CALLS,
      goal: 1.5,
    }),
    peakMemory("peak memory, 9 images of 300 kB", { imageBytes: 300_000, goal: 1 }),
    peakMemory("peak memory, 9 images of 3 MB", { imageBytes: 3_000_000, goal: 1 }),
  ]) {
    console.log(await row(measurement));
  }
} finally {
  await rm(directory, { recursive: true, force: true });
}

function startUp(): Measurement {
  const sample = async (name: Name): Promise<number> => {
    const startedAt = performance.now();
    const program = start(name);
    await program.initialize();
    const took = performance.now() - startedAt;
    await program.end();
    return took;
  };
  return { what: "start, until `initialize` is answered", unit: "ms", goal: 2.7, rounds: 10, sample };
}

function calls(
  what: string,
  { images, rounds, goal, atOnce = 1 }: { images: number; rounds: number; goal: number; atOnce?: number },
): Measurement {
  const programs = new Map<Name, Program>();
  const callOn = async (name: Name): Promise<void> => {
    const program = programs.get(name);
    if (program === undefined) throw new Error(`${name} is not running.`);
    await program.call(images);
  };
  const begin = async (): Promise<void> => {
    for (const name of names) programs.set(name, start(name));
    await Promise.all([...programs.values()].map((program) => program.initialize()));
  };
  const sample = async (name: Name): Promise<number> => {
    const startedAt = performance.now();
    await Promise.all(Array.from({ length: atOnce }, () => callOn(name)));
    const took = performance.now() - startedAt;
    await emptyDirectory();
    return took;
  };
  const end = async (): Promise<void> => {
    await Promise.all([...programs.values()].map((program) => program.end()));
  };
  return { what, unit: "ms", goal, rounds, images, imageBytes: 300_000, begin, sample, end };
}

function peakMemory(what: string, { imageBytes, goal }: { imageBytes: number; goal: number }): Measurement {
  const sample = async (name: Name): Promise<number> => {
    const program = start(name, REPORT_PEAK_MEMORY);
    await program.initialize();
    await program.call(9);
    const kilobytes = /peak memory in kB: (\d+)/.exec(await program.end())?.[1];
    await emptyDirectory();
    return Number(kilobytes) / 1000;
  };
  return { what, unit: "MB", goal, rounds: 2, images: 9, imageBytes, sample };
}

function deliver(images: number, imageBytes: number): void {
  const encoded = Array.from({ length: images }, () => bigJpeg(imageBytes).toString("base64"));
  body = JSON.stringify({
    id: "0123456789abcdef0123456789abcdef",
    data: { image_base64: encoded },
    metadata: { failed_count: "0", success_count: String(images) },
    base_resp: { status_code: 0, status_msg: "success" },
  });
}

async function emptyDirectory(): Promise<void> {
  const names = await readdir(directory);
  await Promise.all(names.map((name) => rm(join(directory, name))));
}

async function row(measurement: Measurement): Promise<string> {
  const { what, unit, goal, images = 0, imageBytes = 0 } = measurement;
  deliver(images, imageBytes);
  const rounds: Record<Name, number>[] = [];
  for (let batch = 0; batch < BATCHES; batch += 1) rounds.push(...(await roundsOf(measurement)));
  const figures = names.map((name) => `${median(rounds.map((round) => round[name])).toFixed(1)} ${unit}`);
  const ratios = names.slice(1).map((name) => median(rounds.map((round) => round.server / round[name])).toFixed(2));
  const verdict = Number(ratios[0]) <= goal ? `≤ ${goal}` : `≤ ${goal}, missed`;
  return `| ${[what, ...figures, ...ratios, verdict].join(" | ")} |`;
}

/** One batch, in which the programs take turns in going first. */
async function roundsOf({ rounds, begin, sample, end }: Measurement): Promise<Record<Name, number>[]> {
  const done: Record<Name, number>[] = [];
  await begin?.();
  for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1) {
    const figures: Record<Name, number> = { server: 0, baseline: 0, before: 0 };
    const order = round % 2 === 0 ? names : names.toReversed();
    for (const name of order) figures[name] = await sample(name);
    if (round >= 0) done.push(figures);
  }
  await end?.();
  return done;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle) - 1] ?? NaN)) / 2;
}
