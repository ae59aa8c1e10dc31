import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { answer } from "../stand-in/behaviours.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { bigJpeg } from "../test/support/big-jpeg.ts";
import { Program } from "./program.ts";

const PROGRAMS = { server: resolve("dist", "index.js"), floor: resolve("bench", "floor.js") };
const REPORT_PEAK_MEMORY = ["--import", new URL("report-peak-memory.js", import.meta.url).href];
const NODE_MAJOR = Number(process.versions.node.split(".")[0]);
const START_GOAL = NODE_MAJOR < 22 ? 3 : 2.3;
const BATCHES = 4;
const WARM_UP_ROUNDS = 5;
const BURST_CALLS = 32;

type Name = keyof typeof PROGRAMS;
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
const start: Start = (name, nodeOptions) => new Program(PROGRAMS[name], env, nodeOptions);

try {
  console.log(
    `Node ${process.versions.node}, ${process.platform} ${process.arch}; medians of interleaved rounds, ratios within a round\n`,
  );
  console.log("| What | Server | Floor | Ratio | Goal |\n| --- | --- | --- | --- | --- |");
  for (const measurement of [
    startUp(),
    calls("a call, 1 image of 300 kB", { images: 1, rounds: 60 }),
    calls("a call, 9 images of 300 kB", { images: 9, rounds: 30 }),
    calls(`${BURST_CALLS} calls at once, 1 image of 300 kB each`, {
      images: 1,
      rounds: 10,
      atOnce: BURST_CALLS,
    }),
    peakMemory("peak memory, 9 images of 300 kB", { imageBytes: 300_000, goal: 1.2 }),
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
  return { what: "start, until `initialize` is answered", unit: "ms", goal: START_GOAL, rounds: 10, sample };
}

function calls(
  what: string,
  { images, rounds, atOnce = 1 }: { images: number; rounds: number; atOnce?: number },
): Measurement {
  let programs: Readonly<Record<Name, Program>>;
  const begin = async (): Promise<void> => {
    programs = { server: start("server"), floor: start("floor") };
    await Promise.all(Object.values(programs).map((program) => program.initialize()));
  };
  const sample = async (name: Name): Promise<number> => {
    const startedAt = performance.now();
    await Promise.all(Array.from({ length: atOnce }, () => programs[name].call(images)));
    const took = performance.now() - startedAt;
    await emptyDirectory();
    return took;
  };
  const end = async (): Promise<void> => {
    await Promise.all(Object.values(programs).map((program) => program.end()));
  };
  return { what, unit: "ms", goal: 1.2, rounds, images, imageBytes: 300_000, begin, sample, end };
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
  const pictures = Array.from({ length: images }, () => bigJpeg(imageBytes).toString("base64"));
  body = JSON.stringify({
    id: "0123456789abcdef0123456789abcdef",
    data: { image_base64: pictures },
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
  const figures = (["server", "floor"] as const).map(
    (name) => `${median(rounds.map((round) => round[name])).toFixed(1)} ${unit}`,
  );
  const ratio = median(rounds.map(({ server, floor }) => server / floor));
  return `| ${[what, ...figures, ratio.toFixed(2), `≤ ${goal}`].join(" | ")} |`;
}

/** One batch, in which the programs take turns in going first. */
async function roundsOf({ rounds, begin, sample, end }: Measurement): Promise<Record<Name, number>[]> {
  const done: Record<Name, number>[] = [];
  await begin?.();
  for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1) {
    const figures: Record<Name, number> = { server: 0, floor: 0 };
    const order: readonly Name[] = round % 2 === 0 ? ["server", "floor"] : ["floor", "server"];
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
