import fc from "fast-check";
import { expect, test } from "vitest";
import { type ManualClock, manualClock } from "../../test/support/manual-clock.ts";
import { type Activity, Progress, type ProgressStep } from "./progress.ts";

const INTERVAL_MS = 5_000;
const BUDGET_MS = 300_000;
const AN_HOUR_MS = 3_600_000;

type SentStep = ProgressStep & { readonly atMs: number };

function startProgress(budgetMs = BUDGET_MS): { progress: Progress; clock: ManualClock; sent: SentStep[] } {
  const clock = manualClock();
  const sent: SentStep[] = [];
  const progress = new Progress(clock, budgetMs, (step) => {
    sent.push({ ...step, atMs: clock.monotonicMs() });
    return Promise.resolve();
  });
  return { progress, clock, sent };
}

const saying =
  (text: string): Activity =>
  () =>
    text;

test("an activity is told at once, and again every interval", async () => {
  const { progress, clock, sent } = startProgress();
  progress.report((nowMs) => `generating, ${nowMs} ms`);
  expect(sent).toEqual([{ progress: 1, total: 100, message: "generating, 0 ms", atMs: 0 }]);
  await clock.advance(INTERVAL_MS + 1_000);

  progress.report(saying("saving"));
  await clock.advance(INTERVAL_MS);

  expect(sent.slice(1)).toMatchObject([
    { message: "generating, 5000 ms" },
    { message: "saving", atMs: INTERVAL_MS + 1_000 },
    { message: "saving", atMs: INTERVAL_MS * 2 },
  ]);
  expect(clock.sleepers()).toBe(1);
});

test("every step of a call is whole, and rises beyond its time, too", async () => {
  const change = fc.record({
    atMs: fc.nat({ max: BUDGET_MS }),
    usualMs: fc.constantFrom(undefined, 1, 3_000, 20_000),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 12, maxLength: 12 }), async (changes) => {
      const { progress, clock, sent } = startProgress();
      progress.report(saying("checking the request"), 1);
      for (const { atMs, usualMs } of changes.toSorted((left, right) => left.atMs - right.atMs)) {
        await clock.advance(atMs - clock.monotonicMs());
        progress.report(saying("something else"), usualMs);
      }
      await clock.advance(BUDGET_MS - clock.monotonicMs());
      expect(sent).toHaveLength(1 + changes.length + BUDGET_MS / INTERVAL_MS);
      expect(sent.filter((step) => !Number.isInteger(step.progress))).toEqual([]);

      await clock.advance(120_000);
      for (const [index, step] of sent.entries()) {
        expect(step.progress).toBeGreaterThan(sent[index - 1]?.progress ?? 0);
        expect(step.progress).toBeLessThan(step.total);
      }
    }),
    { numRuns: 50 },
  );
});

test("progress is halfway to the total after the usual time", async () => {
  const { progress, clock, sent } = startProgress(100_000);
  progress.report(saying("generating"), 20_000);
  await clock.advance(20_000);
  expect(sent.map((step) => step.progress)).toEqual([1, 15, 29, 40, 50]);

  progress.report(saying("saving"), 10_000);
  await clock.advance(INTERVAL_MS);

  expect(sent.map((step) => step.progress).slice(-2)).toEqual([51, 64]);
});

test("progress hardly moves during a wait", async () => {
  const { progress, clock, sent } = startProgress();
  progress.report(saying("generating"), 20_000);
  await clock.advance(10_000);
  const before = sent.at(-1)?.progress ?? 0;

  progress.report(saying("waiting"));
  await clock.advance(INTERVAL_MS * 3);

  expect(sent.at(-1)?.progress).toBe(before + 4);
});

test("progress that is disposed of is silent, and keeps no timer", async () => {
  const { progress, clock, sent } = startProgress();
  progress.report(saying("generating"));

  progress[Symbol.dispose]();
  progress.report(saying("saving"));
  await clock.advance(AN_HOUR_MS);

  expect(sent).toHaveLength(1);
  expect(clock.sleepers()).toBe(0);
});

test.each<readonly [string, () => Promise<void>]>([
  ["cannot be reached", () => Promise.reject(new Error("EPIPE"))],
  ["takes a message slowly", () => new Promise(() => undefined)],
])("a client that %s is told again", async (_what, send) => {
  const clock = manualClock();
  let tries = 0;
  const progress = new Progress(clock, BUDGET_MS, () => {
    tries += 1;
    return send();
  });

  progress.report(saying("generating"));
  progress.report(saying("saving"));
  await clock.advance(INTERVAL_MS * 2);

  expect(tries).toBe(4);
});
