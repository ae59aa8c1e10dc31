import { expect, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { UnknownOutcomeError, UserFacingError } from "../errors.ts";
import { type BackoffPolicy, DEFAULT_POLICY, retry, type RetryWait } from "./retry.ts";

const START_MS = 5_000;
const RAIN = new UserFacingError("It rains.", { code: 1033, traceId: "t", advice: "Wait.", retryAfterMs: 10_000 });

interface Journey {
  readonly outcome: { readonly value: string } | { readonly error: unknown };
  readonly attempts: number;
  readonly waits: readonly RetryWait[];
}

interface TravelOptions {
  readonly chance?: number;
  readonly policy?: BackoffPolicy;
  readonly deadlineMs?: number;
  /** Cancels the second wait. */
  readonly cancelReason?: unknown;
}

/** Retries an operation that fails so, one time after the other, on a clock that moves on during each wait. */
async function travel(failures: readonly unknown[], options: TravelOptions = {}): Promise<Journey> {
  const { chance = 0.5, policy = DEFAULT_POLICY, deadlineMs = Infinity, cancelReason } = options;
  const clock = manualClock(START_MS);
  const controller = new AbortController();
  const waits: RetryWait[] = [];
  let attempts = 0;
  const operation = (): Promise<string> =>
    new Promise((resolve) => {
      attempts += 1;
      if (attempts <= failures.length) throw failures[attempts - 1];
      resolve("images");
    });
  const onWait = (wait: RetryWait): void => {
    waits.push(wait);
    if (cancelReason !== undefined && waits.length === 2) controller.abort(cancelReason);
    else void clock.advance(wait.untilMs - clock.monotonicMs());
  };
  const outcome = await retry(
    operation,
    { clock, random: () => chance, policy },
    { signal: controller.signal, deadlineMs, onWait },
  ).then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  return { outcome, attempts, waits };
}

test("each wait is announced, and lasts the least wait plus jitter", async () => {
  const { outcome, attempts, waits } = await travel([RAIN, RAIN, RAIN]);

  expect(outcome).toEqual({ value: "images" });
  expect(attempts).toBe(4);
  expect(waits).toEqual([
    { error: RAIN, nextAttempt: 2, attempts: 4, untilMs: START_MS + 10_500 },
    { error: RAIN, nextAttempt: 3, attempts: 4, untilMs: START_MS + 10_500 + 11_000 },
    { error: RAIN, nextAttempt: 4, attempts: 4, untilMs: START_MS + 10_500 + 11_000 + 12_000 },
  ]);
});

test("jitter doubles with each attempt, and never exceeds 30 seconds", async () => {
  const shower = new UserFacingError("A shower.", { retryAfterMs: 0 });
  const policy = { ...DEFAULT_POLICY, retries: 6 };

  const { waits } = await travel(Array<unknown>(6).fill(shower), { policy, chance: 1 });

  const ends = [START_MS, ...waits.map(({ untilMs }) => untilMs)];
  expect(waits.map(({ untilMs }, index) => untilMs - (ends[index] ?? 0))).toEqual([
    1_000, 2_000, 4_000, 8_000, 16_000, 30_000,
  ]);
});

test.each<[string, unknown]>([
  ["a refusal", new UserFacingError("No.")],
  ["an unknown outcome", new UnknownOutcomeError("no response came")],
  ["an error that only looks retryable", Object.assign(new Error("no"), { details: { retryAfterMs: 0 } })],
  ["undefined", undefined],
])("%s is thrown as it is, and ends the retries", async (_name, error) => {
  const { outcome, attempts } = await travel([RAIN, error]);

  expect(outcome).toStrictEqual({ error });
  expect(attempts).toBe(2);
});

test.each([0, 3])("gives up after %i retries with the last failure", async (retries) => {
  const { outcome, attempts } = await travel(Array<unknown>(9).fill(RAIN), { policy: { ...DEFAULT_POLICY, retries } });

  expect(attempts).toBe(retries + 1);
  expect(outcome).toMatchObject({
    error: {
      name: "RetriesExhaustedError",
      message: `It rains. Tried ${retries + 1} times.`,
      cause: RAIN,
      details: { code: 1033, traceId: "t", advice: "Wait.", retryAfterMs: undefined },
    },
  });
});

test("a wait that ends before the deadline is begun", async () => {
  expect(await travel([RAIN, RAIN], { deadlineMs: START_MS + 21_501 })).toMatchObject({ attempts: 3 });
});

test("a wait that would end at the deadline is not begun", async () => {
  const { outcome, attempts, waits } = await travel([RAIN, RAIN], { deadlineMs: START_MS + 21_500 });

  expect([attempts, waits.length]).toEqual([2, 1]);
  expect(outcome).toMatchObject({
    error: {
      name: "RetriesExhaustedError",
      message: "It rains. The next attempt was due in 11 s, after this call's deadline.",
    },
  });
});

test.each([new Error("the client cancelled"), "closing"])(
  "an aborted wait ends with the reason: %s",
  async (reason) => {
    expect(await travel([RAIN, RAIN], { cancelReason: reason })).toMatchObject({
      outcome: { error: reason },
      attempts: 2,
    });
  },
);
