import fc from "fast-check";
import { expect, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { HttpError, MiniMaxApiError, UnknownOutcomeError, UserFacingError } from "../errors.ts";
import { DEFAULT_POLICY, fullJitter, retry, type RetryWait, type Timing } from "./retry.ts";

const START_MS = 5_000;

interface Journey {
  readonly outcome: { readonly value: string } | { readonly error: unknown };
  readonly attempts: number;
  /** The length of each wait, in milliseconds. */
  readonly waitsMs: readonly number[];
  readonly waits: readonly RetryWait[];
}

interface TravelOptions extends Partial<Omit<Timing, "clock">> {
  readonly failures: readonly unknown[];
  readonly deadlineMs?: number;
  readonly cancel?: { readonly atWait: number; readonly reason: unknown };
}

/** Retries an operation that fails so often, on a clock that moves on during each wait. */
async function travel({ failures, deadlineMs = Infinity, cancel, ...timing }: TravelOptions): Promise<Journey> {
  const clock = manualClock(START_MS);
  const controller = new AbortController();
  const waits: RetryWait[] = [];
  const waitsMs: number[] = [];
  let attempts = 0;
  const operation = (): Promise<string> =>
    new Promise((resolve) => {
      attempts += 1;
      if (attempts <= failures.length) throw failures[attempts - 1];
      resolve("images");
    });
  const onWait = (wait: RetryWait): void => {
    waits.push(wait);
    const ms = wait.untilMs - clock.monotonicMs();
    waitsMs.push(ms);
    if (cancel?.atWait === waits.length) controller.abort(cancel.reason);
    else void clock.advance(ms);
  };
  const outcome = await retry(
    operation,
    { clock, random: () => 0.5, policy: DEFAULT_POLICY, ...timing },
    { signal: controller.signal, deadlineMs, onWait },
  ).then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  return { outcome, attempts, waitsMs, waits };
}

function passing(retryAfterMs = 0): UserFacingError {
  return new UserFacingError("It rains.", { retryAfterMs });
}

function lasting(count: number, error: unknown): unknown[] {
  return Array.from({ length: count }, () => error);
}

function apiError(code: number, retryAfterMs = 0): MiniMaxApiError {
  return new MiniMaxApiError(code, "", { retryAfterMs });
}

const chances = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test("full jitter lies as far in its range as chance does in [0, 1)", () => {
  const policies = fc.record({
    retries: fc.constant(3),
    baseMs: fc.integer({ min: 1, max: 100_000 }),
    capMs: fc.integer({ min: 1, max: 1_000_000 }),
  });
  fc.assert(
    fc.property(fc.nat({ max: 100 }), policies, chances, (attempt, policy, chance) => {
      const bound = Math.min(policy.capMs, policy.baseMs * 2 ** attempt);
      const ms = fullJitter(attempt, policy, () => chance);

      expect(ms).toBeCloseTo(bound * chance);
      expect(ms).toBeLessThan(bound);
    }),
  );
});

test("the default policy waits at most 1, 2 and 4 seconds, and none over 30", () => {
  const bounds = [0, 1, 2, 20].map((attempt) => fullJitter(attempt, DEFAULT_POLICY, () => 1));

  expect(DEFAULT_POLICY.retries).toBe(3);
  expect(bounds).toEqual([1_000, 2_000, 4_000, 30_000]);
});

test.each([0, 1, 2, 3])("%i failures that pass are retried, and nothing after them", async (count) => {
  const { outcome, attempts, waits } = await travel({ failures: lasting(count, passing()) });

  expect(outcome).toEqual({ value: "images" });
  expect([attempts, waits.length]).toEqual([count + 1, count]);
});

test.each([
  ["no least wait", passing(), 0],
  ["HTTP 503 with Retry-After", new HttpError(503, { host: "h", retryAfterMs: 7_000 }), 7_000],
  ["code 1002", apiError(1002), 60_000],
  ["code 2045", apiError(2045), 30_000],
])("each wait is the least wait plus jitter: %s", async (_what, error, leastMs) => {
  const { waitsMs } = await travel({ failures: lasting(3, error) });

  expect(waitsMs).toEqual([leastMs + 500, leastMs + 1_000, leastMs + 2_000]);
});

test("a wait is announced with the coming attempt and its end", async () => {
  const error = passing(10_000);

  const { waits } = await travel({ failures: lasting(3, error) });

  expect(waits).toEqual([
    { error, nextAttempt: 2, attempts: 4, untilMs: START_MS + 10_500 },
    { error, nextAttempt: 3, attempts: 4, untilMs: START_MS + 10_500 + 11_000 },
    { error, nextAttempt: 4, attempts: 4, untilMs: START_MS + 10_500 + 11_000 + 12_000 },
  ]);
});

test("every failure is judged by itself", async () => {
  const refusal = apiError(1004);

  const { outcome, waitsMs } = await travel({ failures: [apiError(1002), passing(), refusal] });

  expect(outcome).toEqual({ error: refusal });
  expect(waitsMs).toEqual([60_500, 1_000]);
});

test.each<[string, unknown]>([
  ["a refusal", apiError(1004, 1_000)],
  ["an unknown outcome", new UnknownOutcomeError("no response came")],
  ["an error that only looks retryable", Object.assign(new Error("no"), { details: { retryAfterMs: 0 } })],
  ["a bug", new TypeError("x is not a function")],
  ["a text", "no"],
  ["undefined", undefined],
])("%s is thrown as it is, after one attempt", async (_name, error) => {
  const { outcome, attempts, waits } = await travel({ failures: [error] });

  expect(outcome).toStrictEqual({ error });
  expect([attempts, waits.length]).toEqual([1, 0]);
});

test.each([0, 1, 3, 5])("gives up after %i retries with the last failure", async (retries) => {
  const cause = new UserFacingError("It pours.", { code: 1033, traceId: "t", advice: "Wait.", retryAfterMs: 0 });

  const { outcome, attempts } = await travel({
    failures: [...lasting(retries, passing()), cause],
    policy: { ...DEFAULT_POLICY, retries },
  });

  expect(attempts).toBe(retries + 1);
  expect(outcome).toMatchObject({
    error: {
      name: "RetriesExhaustedError",
      message: `It pours. Tried ${retries + 1} times.`,
      cause,
      details: { code: 1033, traceId: "t", advice: "Wait.", retryAfterMs: undefined },
    },
  });
});

test.each([
  ["ends in time", 60_501, 2],
  ["would end at the deadline", 60_500, 1],
  ["would end after it", 60_499, 1],
])("a wait that %s is judged by its end", async (_when, spareMs, expected) => {
  const { attempts, outcome } = await travel({ failures: [apiError(1002)], deadlineMs: START_MS + spareMs });

  expect(attempts).toBe(expected);
  if (expected === 1) {
    expect(outcome).toHaveProperty("error.name", "RetriesExhaustedError");
    expect(outcome).toHaveProperty("error.message", expect.stringContaining("The next attempt was due in 61 s"));
  }
});

test("no wait takes a call past its deadline", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat({ max: 70_000 }), { maxLength: 6 }),
      fc.nat({ max: 200_000 }),
      async (leastWaits, budgetMs) => {
        const { attempts, waitsMs } = await travel({
          failures: leastWaits.map((ms) => passing(ms)),
          deadlineMs: START_MS + budgetMs,
        });

        expect(waitsMs.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(budgetMs);
        expect(attempts).toBe(waitsMs.length + 1);
      },
    ),
  );
});

test.each([
  ["an error", new Error("the client cancelled")],
  ["a text", "closing"],
])("a wait that is aborted ends with the reason: %s", async (_kind, reason) => {
  const { outcome, attempts } = await travel({ failures: lasting(2, passing()), cancel: { atWait: 2, reason } });

  expect(outcome).toEqual({ error: reason });
  expect(attempts).toBe(2);
});
