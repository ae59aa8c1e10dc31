import fc from "fast-check";
import { expect, test } from "vitest";
import { fastClock } from "../../test/support/fast-clock.ts";
import { type ManualClock, manualClock } from "../../test/support/manual-clock.ts";
import { waitFor } from "../../test/support/wait-for.ts";
import { Progress, type ProgressStep } from "./progress.ts";

const INTERVAL_MS = 5_000;
const A_CALL_MS = 230_000;
const AN_HOUR_MS = 3_600_000;

function startProgress(): {
  progress: Progress;
  clock: ManualClock;
  sent: (ProgressStep & { readonly atMs: number })[];
} {
  const clock = manualClock();
  const sent: (ProgressStep & { readonly atMs: number })[] = [];
  const progress = new Progress(clock, INTERVAL_MS, (step) => {
    sent.push({ ...step, atMs: clock.monotonicMs() });
    return Promise.resolve();
  });
  return { progress, clock, sent };
}

function expectRising(steps: readonly ProgressStep[]): void {
  let last = 0;
  for (const { progress, total } of steps) {
    expect(progress).toBeGreaterThan(last);
    expect(progress).toBeLessThanOrEqual(total);
    last = progress;
  }
}

test("progress says nothing while nothing has begun", async () => {
  const { clock, sent } = startProgress();

  await clock.advance(A_CALL_MS);

  expect(sent).toEqual([]);
});

test("progress is told at once, before anything else can happen", () => {
  const { progress, sent } = startProgress();

  progress.enter(() => "checking the request");

  expect(sent).toMatchObject([{ message: "checking the request", total: 1, atMs: 0 }]);
});

test("progress is told again every interval while nothing changes", async () => {
  const { progress, clock, sent } = startProgress();
  progress.enter((nowMs) => `generating, ${nowMs} ms`);

  await clock.advance(INTERVAL_MS * 3);

  expect(sent.map(({ message }) => message)).toEqual([
    "generating, 0 ms",
    "generating, 5000 ms",
    "generating, 10000 ms",
    "generating, 15000 ms",
  ]);
});

test("progress is told at once when something else begins, and that is what is repeated", async () => {
  const { progress, clock, sent } = startProgress();
  progress.enter(() => "generating");
  await clock.advance(1_000);

  progress.enter(() => "saving");
  await clock.advance(INTERVAL_MS);

  expect(sent.slice(0, 3)).toMatchObject([
    { message: "generating", atMs: 0 },
    { message: "saving", atMs: 1_000 },
    { message: "saving" },
  ]);
});

test("progress never leaves more than an interval between two messages", async () => {
  const { progress, clock, sent } = startProgress();
  progress.enter(() => "queued");
  for (const ms of [1_000, 4_999, 5_000, 5_001, 12_345, 0, 60_000]) {
    await clock.advance(ms);
    progress.enter(() => "something else");
  }

  const gaps = sent.map(({ atMs }, position) => atMs - (sent[position - 1]?.atMs ?? 0));

  expect(Math.max(...gaps)).toBeLessThanOrEqual(INTERVAL_MS);
});

test("progress keeps one timer, however often the activity changes", () => {
  const { progress, clock } = startProgress();

  for (let count = 0; count < 20; count += 1) progress.enter(() => "queued");

  expect(clock.sleepers()).toBe(1);
});

test("progress rises strictly and never passes the total during a call", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 20 }), async (pauses) => {
      const { progress, clock, sent } = startProgress();
      progress.enter(() => "queued");
      for (const ms of pauses) {
        await clock.advance(ms);
        progress.enter(() => "generating");
      }

      expect(sent.length).toBeGreaterThan(pauses.length);
      expectRising(sent);
    }),
    { numRuns: 50 },
  );
});

test("progress rises strictly and never passes the total for an hour", async () => {
  const { progress, clock, sent } = startProgress();
  progress.enter(() => "queued");

  await clock.advance(AN_HOUR_MS);

  expect(sent).toHaveLength(1 + AN_HOUR_MS / INTERVAL_MS);
  expectRising(sent);
});

test("progress is two thirds of the way when an answer usually comes, and a third after a third of that time", async () => {
  const { progress, clock, sent } = startProgress();
  progress.enter(() => "generating", { from: 0, to: 1, sinceMs: 0, usualMs: 20_000 });

  await clock.advance(20_000);

  expect(sent.at(-1)?.progress).toBeCloseTo(2 / 3, 5);
  expect(sent.find(({ atMs }) => atMs === 5_000)?.progress).toBeCloseTo(0.24, 2);
});

test("progress hardly moves during a wait, and goes on from there", async () => {
  const { progress, clock, sent } = startProgress();
  progress.enter(() => "generating", { from: 0, to: 1, sinceMs: 0, usualMs: 20_000 });
  await clock.advance(10_000);
  const before = sent.at(-1)?.progress ?? 0;

  progress.enter(() => "waiting");
  await clock.advance(60_000);
  const after = sent.at(-1)?.progress ?? 0;
  progress.enter(() => "generating", { from: 0, to: 1, sinceMs: clock.monotonicMs(), usualMs: 20_000 });
  await clock.advance(5_000);

  expect(after - before).toBeLessThan(0.01);
  expectRising(sent);
});

test("progress is nearly there once the answer is in, and still not full", async () => {
  const { progress, clock, sent } = startProgress();
  progress.enter(() => "generating", { from: 0, to: 1, sinceMs: 0, usualMs: 20_000 });
  await clock.advance(7_000);

  progress.enter(() => "saving", { from: 0.9, to: 1, sinceMs: 7_000, usualMs: 3_000 });
  await clock.advance(AN_HOUR_MS);

  expect(sent.find(({ message }) => message === "saving")?.progress).toBe(0.9);
  expect(sent.at(-1)?.progress).toBeLessThan(1);
  expectRising(sent);
});

test("progress keeps coming in real time, too", async () => {
  const sent: ProgressStep[] = [];
  const progress = new Progress(fastClock(1000), INTERVAL_MS, (step) => {
    sent.push(step);
    return Promise.resolve();
  });

  progress.enter(() => "generating");
  await waitFor("three messages", () => sent.length >= 3);
  progress[Symbol.dispose]();

  expectRising(sent);
});

test("progress that was stopped is silent, whatever is entered, and keeps no timer", async () => {
  const { progress, clock, sent } = startProgress();
  progress.enter(() => "generating");
  await clock.advance(INTERVAL_MS);
  expect(sent).toHaveLength(2);

  progress[Symbol.dispose]();
  progress.enter(() => "saving");
  await clock.advance(A_CALL_MS);

  expect(sent).toHaveLength(2);
  expect(clock.sleepers()).toBe(0);
});

test("progress that was stopped stays silent when nothing had begun before", async () => {
  const { progress, clock, sent } = startProgress();

  progress[Symbol.dispose]();
  progress[Symbol.dispose]();
  progress.enter(() => "generating");
  await clock.advance(A_CALL_MS);

  expect(sent).toEqual([]);
});

test("a client that cannot be reached does no harm, and is told again", async () => {
  const clock = manualClock();
  let tries = 0;
  const progress = new Progress(clock, INTERVAL_MS, () => {
    tries += 1;
    return Promise.reject(new Error("EPIPE"));
  });

  progress.enter(() => "generating");
  progress.enter(() => "saving");
  await clock.advance(INTERVAL_MS * 2);

  expect(tries).toBe(4);
});

test("a client that takes a message slowly does not hold up the next", async () => {
  const clock = manualClock();
  let sent = 0;
  const progress = new Progress(clock, INTERVAL_MS, () => {
    sent += 1;
    return new Promise(() => undefined);
  });

  progress.enter(() => "generating");
  await clock.advance(INTERVAL_MS * 2);

  expect(sent).toBe(3);
});
