import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { instantClock } from "../../test/support/instant-clock.ts";
import {
  ConnectionError,
  DeadlineExceededError,
  EmptyResponseError,
  HttpError,
  ImageError,
  MiniMaxApiError,
  OutputDirectoryError,
  RetriesExhaustedError,
  UnknownOutcomeError,
  UserFacingError,
} from "../errors.ts";
import { systemClock } from "./clock.ts";
import { DEFAULT_POLICY, fullJitter, retry, type RetryWait, type Timing } from "./retry.ts";

const NO_DEADLINE_MS = Infinity;
const START_MS = 5_000;

interface Journey {
  readonly outcome: { readonly value: string } | { readonly error: unknown };
  readonly calls: number;
  readonly sleeps: readonly number[];
  readonly waits: readonly RetryWait[];
}

async function travel({
  failures,
  random = () => 0.5,
  policy = DEFAULT_POLICY,
  deadlineMs = NO_DEADLINE_MS,
}: { failures: readonly unknown[] } & Partial<Timing> & { deadlineMs?: number }): Promise<Journey> {
  const clock = instantClock({ originMs: START_MS });
  const waits: RetryWait[] = [];
  let calls = 0;
  const operation = (): Promise<string> =>
    new Promise((resolve) => {
      calls += 1;
      if (calls <= failures.length) throw failures[calls - 1];
      resolve("images");
    });
  const options = {
    signal: new AbortController().signal,
    deadlineMs,
    onWait: (wait: RetryWait) => {
      waits.push(wait);
    },
  };
  const outcome = await retry(operation, { clock, random, policy }, options).then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  return { outcome, calls, sleeps: clock.sleeps, waits };
}

function passing(retryAfterMs = 0): UserFacingError {
  return new UserFacingError("It rains.", { retryAfterMs });
}

function lasting(count: number, error: unknown): unknown[] {
  return Array.from({ length: count }, () => error);
}

const policies = fc.record({
  retries: fc.constant(3),
  baseMs: fc.integer({ min: 1, max: 100_000 }),
  capMs: fc.integer({ min: 1, max: 1_000_000 }),
});
const attempts = fc.integer({ min: 0, max: 100 });
const chances = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test("full jitter is never negative, never the cap or more, never the doubled base or more", () => {
  fc.assert(
    fc.property(attempts, policies, chances, (attempt, policy, chance) => {
      const ms = fullJitter(attempt, policy, () => chance);

      expect(ms).toBeGreaterThanOrEqual(0);
      expect(ms).toBeLessThan(policy.capMs);
      expect(ms).toBeLessThan(policy.baseMs * 2 ** attempt);
    }),
    { numRuns: 300 },
  );
});

test("full jitter covers its whole range evenly: it is as far into the range as chance is into [0, 1)", () => {
  fc.assert(
    fc.property(attempts, policies, chances, (attempt, policy, chance) => {
      const bound = fullJitter(attempt, policy, () => 0.5) * 2;

      expect([policy.capMs, policy.baseMs * 2 ** attempt]).toContain(bound);
      expect(fullJitter(attempt, policy, () => chance)).toBeCloseTo(bound * chance);
    }),
    { numRuns: 300 },
  );
});

test.each([
  [0, 500],
  [1, 1_000],
  [2, 2_000],
  [4, 8_000],
  [5, 15_000],
  [1_000, 15_000],
])("full jitter before retry %i is %i ms on average under the default policy", (attempt, ms) => {
  expect(fullJitter(attempt, DEFAULT_POLICY, () => 0.5)).toBe(ms);
});

test("full jitter asks for chance once", () => {
  let asked = 0;

  fullJitter(3, DEFAULT_POLICY, () => {
    asked += 1;
    return 0;
  });

  expect(asked).toBe(1);
});

test("what succeeds at once is not retried", async () => {
  const { outcome, calls, sleeps, waits } = await travel({ failures: [] });

  expect(outcome).toEqual({ value: "images" });
  expect([calls, sleeps, waits]).toEqual([1, [], []]);
});

test.each([1, 2, 3])("what succeeds after %i failures is returned, with nothing retried afterwards", async (count) => {
  const { outcome, calls } = await travel({ failures: lasting(count, passing()) });

  expect(outcome).toEqual({ value: "images" });
  expect(calls).toBe(count + 1);
});

test.each<[string, unknown]>([
  ["no connection", new ConnectionError("api.minimax.io", "ECONNREFUSED")],
  ...[408, 429, 500, 502, 503].map((status): [string, unknown] => [`HTTP ${status}`, httpError(status)]),
  ...[1000, 1024, 1033, 1039, 1041, 1002, 2045].map((code): [string, unknown] => [`code ${code}`, apiError(code)]),
  ["an image that may come the next time", new ImageError("The link broke.", { retryAfterMs: 0 })],
])("what may be retried: %s is retried", async (_name, error) => {
  const { outcome, calls } = await travel({ failures: [error] });

  expect(outcome).toEqual({ value: "images" });
  expect(calls).toBe(2);
});

test.each([
  ["code 1002", apiError(1002), 60_000],
  ["code 2045", apiError(2045), 30_000],
  ["code 1000", apiError(1000), 0],
  ["a connection failure", new ConnectionError("api.minimax.io", "ECONNRESET"), 0],
  ["HTTP 503 with Retry-After", httpError(503, 7_000), 7_000],
  ["code 1002 with a longer Retry-After", apiError(1002, 90_000), 90_000],
  ["code 1002 with a shorter Retry-After", apiError(1002, 5_000), 60_000],
])("what may be retried: %s is waited out for its least time plus jitter", async (_name, error, leastMs) => {
  const { sleeps } = await travel({ failures: lasting(3, error) });

  expect(sleeps).toEqual([leastMs + 500, leastMs + 1_000, leastMs + 2_000]);
});

test("what may be retried is waited for at least as long as asked and less than the cap longer, whatever chance says", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: 100_000 }),
      fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 6, maxLength: 6 }),
      fc.record({
        retries: fc.nat({ max: 6 }),
        baseMs: fc.integer({ min: 1, max: 9_999 }),
        capMs: fc.constant(5_000),
      }),
      async (leastMs, chances, policy) => {
        const dice = [...chances];
        const failures = lasting(policy.retries, passing(leastMs));

        const { outcome, sleeps } = await travel({ failures, policy, random: () => dice.shift() ?? 0 });

        expect(outcome).toEqual({ value: "images" });
        expect(sleeps).toHaveLength(policy.retries);
        for (const [attempt, ms] of sleeps.entries()) {
          expect(ms).toBeGreaterThanOrEqual(leastMs);
          expect(ms).toBeLessThanOrEqual(leastMs + Math.min(policy.capMs, policy.baseMs * 2 ** attempt));
        }
      },
    ),
    { numRuns: 100 },
  );
});

test("what may be retried is announced before each wait, with the coming try and the end of the wait", async () => {
  const error = passing(10_000);

  const { waits } = await travel({ failures: lasting(3, error) });

  expect(waits).toEqual([
    { error, nextAttempt: 2, attempts: 4, untilMs: START_MS + 10_500 },
    { error, nextAttempt: 3, attempts: 4, untilMs: START_MS + 10_500 + 11_000 },
    { error, nextAttempt: 4, attempts: 4, untilMs: START_MS + 10_500 + 11_000 + 12_000 },
  ]);
});

test("what may be retried is judged again after each attempt", async () => {
  const refusal = apiError(1004);

  const { outcome, calls, sleeps } = await travel({ failures: [apiError(1002), passing(), refusal] });

  expect(outcome).toEqual({ error: refusal });
  expect(calls).toBe(3);
  expect(sleeps).toEqual([60_500, 1_000]);
});

test.each<[string, unknown]>([
  ["an unknown outcome", new UnknownOutcomeError("no answer came")],
  ["code 1001", apiError(1001)],
  ...[1004, 1008, 1026, 1027, 1042, 2013, 2038, 2049, 2056, 2061, 9999].map((code): [string, unknown] => [
    `code ${code}`,
    apiError(code),
  ]),
  ...[400, 401, 403, 404, 422, 501, 504].map((status): [string, unknown] => [`HTTP ${status}`, httpError(status)]),
  ["code 1004 with Retry-After", apiError(1004, 1_000)],
  ["an answer without images", new EmptyResponseError("4", undefined)],
  ["a used up budget", new DeadlineExceededError(230_000)],
  ["a directory that cannot be written", new OutputDirectoryError("No.")],
  ["having given up before", new RetriesExhaustedError(passing(), 4)],
  ["a defect", new TypeError("x is not a function")],
  ["an error that only looks the part", Object.assign(new Error("no"), { details: { retryAfterMs: 0 } })],
  ["a thrown text", "no"],
  ["undefined", undefined],
])("what must not be retried: %s is thrown as it is, after one attempt", async (_name, error) => {
  const { outcome, calls, waits } = await travel({ failures: [error] });

  expect(outcome).toHaveProperty("error");
  expect("error" in outcome && Object.is(outcome.error, error)).toBe(true);
  expect(calls).toBe(1);
  expect(waits).toEqual([]);
});

test.each([0, 1, 3, 5])("%i retries mean one attempt more, and the error says how many there were", async (retries) => {
  const cause = apiError(1002);

  const { outcome, calls, waits } = await travel({
    failures: lasting(10, cause),
    policy: { ...DEFAULT_POLICY, retries },
  });

  expect(calls).toBe(retries + 1);
  expect(waits).toHaveLength(retries);
  expect(outcome).toHaveProperty("error.name", "RetriesExhaustedError");
  expect(outcome).toHaveProperty("error.message", `${cause.message} Tried ${retries + 1} times.`);
  expect(outcome).toHaveProperty("error.cause", cause);
});

test("the code, the hint and the trace id of the last failure stay, and nobody retries it again", async () => {
  const last = new UserFacingError("It pours.", {
    code: 1033,
    traceId: "trace-2",
    recovery: "Take an umbrella.",
    retryAfterMs: 0,
  });

  const { outcome } = await travel({ failures: [passing(), passing(), passing(), last] });

  expect(outcome).toHaveProperty("error.details", {
    code: 1033,
    traceId: "trace-2",
    recovery: "Take an umbrella.",
    cause: last,
    retryAfterMs: undefined,
  });
});

test("a wait that does not fit into the time that is left is not begun: the error says when the next attempt would have been", async () => {
  const cause = apiError(1002);

  const { outcome, calls, sleeps, waits } = await travel({ failures: [cause], deadlineMs: START_MS + 60_499 });

  expect([calls, sleeps, waits]).toEqual([1, [], []]);
  expect(outcome).toHaveProperty("error.name", "RetriesExhaustedError");
  expect(outcome).toHaveProperty(
    "error.message",
    expect.stringContaining("The next attempt was due in 61 s, after this call's deadline"),
  );
  expect(outcome).toHaveProperty("error.cause", cause);
});

test("a wait that does not fit into the time that is left is not begun when it would end on the very millisecond, because the attempt behind it would have no time", async () => {
  const { outcome, calls, sleeps } = await travel({ failures: [apiError(1002)], deadlineMs: START_MS + 60_500 });

  expect([calls, sleeps]).toEqual([1, []]);
  expect(outcome).toHaveProperty("error.name", "RetriesExhaustedError");
});

test("a wait that does not fit into the time that is left is begun when it ends in time", async () => {
  const { outcome } = await travel({ failures: [apiError(1002)], deadlineMs: START_MS + 60_501 });

  expect(outcome).toEqual({ value: "images" });
});

test("a wait that does not fit into the time that is left is measured from the end of the attempt before it, not from the start of the call", async () => {
  const { calls, sleeps } = await travel({ failures: lasting(4, apiError(1002)), deadlineMs: START_MS + 150_000 });

  expect(calls).toBe(3);
  expect(sleeps).toEqual([60_500, 61_000]);
});

test("a wait that does not fit into the time that is left never takes the call past its end, whatever comes", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat({ max: 70_000 }), { maxLength: 6 }),
      fc.nat({ max: 200_000 }),
      async (leastWaits, budgetMs) => {
        const { calls, sleeps } = await travel({
          failures: leastWaits.map((ms) => passing(ms)),
          deadlineMs: START_MS + budgetMs,
        });

        const slept = sleeps.reduce((sum, ms) => sum + ms, 0);
        expect(slept).toBeLessThanOrEqual(budgetMs);
        expect(calls).toBe(sleeps.length + 1);
      },
    ),
    { numRuns: 100 },
  );
});

test.each([
  ["an error", new Error("the client cancelled")],
  ["a used up budget", new DeadlineExceededError(230_000)],
  ["a text", "closing"],
])("an abort during a wait ends it with the reason, here %s, and nothing is retried", async (_kind, reason) => {
  const controller = new AbortController();
  let calls = 0;
  const running = retry(
    () => {
      calls += 1;
      return Promise.reject(apiError(1002));
    },
    { clock: systemClock, random: () => 0.5, policy: DEFAULT_POLICY },
    {
      signal: controller.signal,
      deadlineMs: NO_DEADLINE_MS,
      onWait: () => {
        void nextTurn().then(() => {
          controller.abort(reason);
        });
      },
    },
  );

  await expect(running).rejects.toBe(reason);
  expect(calls).toBe(1);
});

test("an abort before a wait keeps it from being begun", async () => {
  const reason = new Error("the client cancelled");
  const clock = instantClock({ originMs: START_MS });

  const running = retry(
    () => Promise.reject(passing()),
    { clock, random: () => 0.5, policy: DEFAULT_POLICY },
    { signal: AbortSignal.abort(reason), deadlineMs: NO_DEADLINE_MS, onWait: () => undefined },
  );

  await expect(running).rejects.toBe(reason);
  expect(clock.sleeps).toEqual([]);
});

test("the default policy waits at most 1, 2 and 4 seconds, and no policy more than 30", () => {
  const bounds = [0, 1, 2].map((attempt) => fullJitter(attempt, DEFAULT_POLICY, () => 1));

  expect(DEFAULT_POLICY.retries).toBe(3);
  expect(bounds).toEqual([1_000, 2_000, 4_000]);
  expect(fullJitter(20, DEFAULT_POLICY, () => 1)).toBe(30_000);
});

function apiError(code: number, retryAfterMs = 0): MiniMaxApiError {
  return new MiniMaxApiError(code, "", { retryAfterMs });
}

function httpError(status: number, retryAfterMs = 0): HttpError {
  return new HttpError(status, { host: "api.minimax.io", retryAfterMs });
}
