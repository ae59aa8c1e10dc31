import fc from "fast-check";
import { expect, test } from "vitest";
import { type ManualClock, manualClock } from "../../test/support/manual-clock.ts";
import type { Clock } from "./clock.ts";
import { RateLimiter, type Ticket } from "./rate-limiter.ts";

const START_MS = 5_000;
const WINDOW_MS = 60_000;

interface Waiting {
  readonly turn: Promise<void>;
  readonly cancel: (reason?: unknown) => void;
  /** Every ticket that it was given. */
  readonly tickets: readonly Ticket[];
}

interface Queue {
  readonly clock: ManualClock;
  readonly limiter: RateLimiter;
  /** Which calls have begun, each so many milliseconds after the start. */
  readonly begun: readonly (readonly [string, number])[];
  readonly stand: (name: string, deadlineMs?: number) => Waiting;
}

/** @param late - how much longer each sleep takes than it was told, in milliseconds */
function startQueue(limit: number, { late = 0 } = {}): Queue {
  const clock = manualClock(START_MS);
  const shifted: Clock = { ...clock, sleep: (ms, signal) => clock.sleep(Math.max(1, ms + late), signal) };
  const limiter = new RateLimiter(shifted, limit, WINDOW_MS);
  const begun: [string, number][] = [];
  return {
    clock,
    limiter,
    begun,
    stand: (name, deadlineMs = Infinity) => {
      const controller = new AbortController();
      const tickets: Ticket[] = [];
      const onWait = (ticket: Ticket): void => {
        tickets.push(ticket);
      };
      const turn = limiter.acquire({ signal: controller.signal, deadlineMs, onWait }).then(() => {
        begun.push([name, clock.monotonicMs() - START_MS]);
      });
      turn.catch(() => undefined);
      return {
        turn,
        tickets,
        cancel: (reason) => {
          controller.abort(reason);
        },
      };
    },
  };
}

function told({ tickets: [ticket] }: Waiting): readonly [number, number] | undefined {
  return ticket && [ticket.callsAhead(), ticket.startsAtMs() - START_MS];
}

test("at most the limit begins at once, the rest as the window moves on", async () => {
  const { clock, begun, stand } = startQueue(2);
  for (const name of ["a", "b", "c", "d", "e"]) stand(name);

  await clock.advance(WINDOW_MS * 3);

  expect(begun).toEqual([
    ["a", 0],
    ["b", 0],
    ["c", WINDOW_MS],
    ["d", WINDOW_MS],
    ["e", WINDOW_MS * 2],
  ]);
});

test("a clock that wakes sleepers early lets no request begin early", async () => {
  const { clock, begun, stand } = startQueue(1, { late: -3 });
  for (const name of ["a", "b", "c"]) stand(name);

  await clock.advance(WINDOW_MS * 3);

  expect(begun.map(([, atMs]) => atMs)).toEqual([0, WINDOW_MS, WINDOW_MS * 2]);
});

test.each([
  ["at the head", 1],
  ["in the middle", 2],
  ["at the end", 4],
])("a call that leaves %s of the queue ends at once and takes no slot", async (_where, leaver) => {
  const { clock, begun, stand } = startQueue(1);
  const names = ["a", "b", "c", "d", "e"];
  const all = names.map((name) => stand(name));
  await clock.advance(1);

  all[leaver]?.cancel("closing");

  await expect(all[leaver]?.turn).rejects.toBe("closing");
  await clock.advance(WINDOW_MS * 5);
  expect(begun).toEqual(names.toSpliced(leaver, 1).map((name, index) => [name, index * WINDOW_MS]));
  expect(clock.sleepers()).toBe(0);
});

test("a call that was cancelled before it asks takes no slot", async () => {
  const { clock, begun, limiter, stand } = startQueue(1);

  const turn = limiter.acquire({ signal: AbortSignal.abort("gone"), deadlineMs: Infinity, onWait: () => undefined });
  stand("next");

  await expect(turn).rejects.toBe("gone");
  await clock.advance(1);
  expect(begun).toEqual([["next", 0]]);
});

test("a slot that would come too late is refused, and its place is free", async () => {
  const { clock, begun, stand } = startQueue(1);
  stand("a");
  const late = stand("b", START_MS + 50_000);
  const next = stand("c");

  await expect(late.turn).rejects.toHaveProperty("name", "QueueTimeoutError");
  await expect(late.turn).rejects.toThrow("the next free slot is in 60 s");
  expect(late.tickets).toEqual([]);
  await clock.advance(0);
  expect(told(next)).toEqual([0, WINDOW_MS]);
  await clock.advance(WINDOW_MS);
  expect(begun).toEqual([
    ["a", 0],
    ["c", WINDOW_MS],
  ]);
});

test.each([
  ["a millisecond before the deadline is waited for", 1, ["a", "b"]],
  ["at the deadline is refused", 0, ["a"]],
])("a slot %s", async (_what, spareMs, expected) => {
  const { clock, begun, stand } = startQueue(1);
  stand("a");
  stand("b", START_MS + WINDOW_MS + spareMs);

  await clock.advance(WINDOW_MS * 2);

  expect(begun.map(([name]) => name)).toEqual(expected);
});

test("the calls ahead count when a slot is judged too late", async () => {
  const { stand } = startQueue(2);
  for (const name of ["a", "b", "c", "d"]) stand(name);

  const late = stand("e", START_MS + WINDOW_MS * 2);

  await expect(late.turn).rejects.toThrow("the next free slot is in 120 s");
});

test("a slot that a pause moves past the deadline is refused then", async () => {
  const { clock, limiter, begun, stand } = startQueue(1);
  stand("a");
  const late = stand("b", START_MS + 90_000);
  stand("c");
  await clock.advance(1);

  limiter.pauseUntil(START_MS + 100_000);
  await clock.advance(WINDOW_MS * 3);

  await expect(late.turn).rejects.toThrow("MiniMax asked for a pause: the next request may be sent in 40 s");
  expect(begun).toEqual([
    ["a", 0],
    ["c", 100_000],
  ]);
});

test.each([
  ["waited for its slot", 1, 230_000],
  ["waited to try again", 0, 0],
])("a call is refused when the process was suspended while it %s", async (_what, limit, leftMs) => {
  const { clock, stand } = startQueue(limit, { late: 300_000 });
  stand("a");
  const late = stand("b", START_MS + leftMs);

  await clock.advance(WINDOW_MS * 10);

  await expect(late.turn).rejects.toThrow("The call ran out of time before its request could be sent.");
});

test.each([0, 1, 10])("nothing begins before the end of a pause, with a limit of %i", async (limit) => {
  const { clock, limiter, begun, stand } = startQueue(limit);
  limiter.pauseUntil(START_MS + 30_000);
  limiter.pauseUntil(START_MS + 10_000);
  const first = stand("a");

  await clock.advance(29_999);
  expect(begun).toEqual([]);
  expect(first.tickets).toHaveLength(1);
  await clock.advance(1);

  expect(begun).toEqual([["a", 30_000]]);
});

test("a pause reaches calls that wait already, which get no second ticket", async () => {
  const { clock, limiter, begun, stand } = startQueue(1);
  const calls = [stand("a"), stand("b"), stand("c")];
  await clock.advance(59_999);

  limiter.pauseUntil(START_MS + 75_000);
  await clock.advance(WINDOW_MS * 3);

  expect(begun.map(([, atMs]) => atMs)).toEqual([0, 75_000, 75_000 + WINDOW_MS]);
  expect(calls.map(({ tickets }) => tickets.length)).toEqual([0, 1, 1]);
});

test("a ticket tells the calls ahead and when its slot will be free", async () => {
  const { clock, stand } = startQueue(2);
  const calls = ["a", "b", "c", "d", "e"].map((name) => stand(name));
  expect(calls.slice(2).map(told)).toEqual([
    [2, WINDOW_MS],
    [3, WINDOW_MS],
    [4, WINDOW_MS * 2],
  ]);
  await clock.advance(10_000);

  calls[2]?.cancel();
  await clock.advance(0);

  expect(calls.slice(3).map(told)).toEqual([
    [0, WINDOW_MS],
    [1, WINDOW_MS],
  ]);
});

test("a ticket knows of a pause", () => {
  const { limiter, stand } = startQueue(1);
  limiter.pauseUntil(START_MS + 30_000);

  expect([stand("a"), stand("b")].map(told)).toEqual([
    [0, 30_000],
    [1, 30_000 + WINDOW_MS],
  ]);
});

interface Visitor {
  readonly gapMs: number;
  readonly cancelAfterMs: number | undefined;
  readonly pauseMs: number | undefined;
  readonly deadlineAfterMs: number;
}

interface Fate {
  readonly index: number;
  readonly readyMs: number;
  readonly goneMs: number;
  readonly hasBegun: boolean;
}

const visitors: fc.Arbitrary<Visitor[]> = fc.array(
  fc.record({
    gapMs: fc.oneof(fc.constant(0), fc.nat({ max: 50_000 })),
    cancelAfterMs: fc.option(fc.nat({ max: 150_000 }), { nil: undefined }),
    pauseMs: fc.option(fc.nat({ max: 90_000 }), { nil: undefined, freq: 8 }),
    deadlineAfterMs: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 400_000 })),
  }),
  { minLength: 1, maxLength: 16 },
);

async function visit(
  { cancelAfterMs, deadlineAfterMs }: Visitor,
  index: number,
  { clock, limiter, fates }: { clock: ManualClock; limiter: RateLimiter; fates: Fate[] },
): Promise<void> {
  const readyMs = clock.monotonicMs();
  const deadlineMs = readyMs + deadlineAfterMs;
  const controller = new AbortController();
  if (cancelAfterMs !== undefined) {
    void clock.sleep(cancelAfterMs, new AbortController().signal).then(() => {
      controller.abort();
    });
  }
  let hasBegun = true;
  try {
    await limiter.acquire({ signal: controller.signal, deadlineMs, onWait: () => undefined });
  } catch {
    hasBegun = false;
  }
  fates.push({ index, readyMs, goneMs: clock.monotonicMs(), hasBegun });
}

async function goThrough(limit: number, crowd: readonly Visitor[]): Promise<Fate[]> {
  const clock = manualClock(START_MS);
  const limiter = new RateLimiter(clock, limit, WINDOW_MS);
  const fates: Fate[] = [];
  const visits: Promise<void>[] = [];
  for (const [index, visitor] of crowd.entries()) {
    await clock.advance(visitor.gapMs);
    visits.push(visit(visitor, index, { clock, limiter, fates }));
    if (visitor.pauseMs !== undefined) limiter.pauseUntil(clock.monotonicMs() + visitor.pauseMs);
  }
  await clock.advance(WINDOW_MS * (crowd.length + 4));
  await Promise.all(visits);
  return fates;
}

test("any crowd begins in order, and no window holds more than the limit", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), visitors, async (limit, crowd) => {
      const fates = await goThrough(limit, crowd);

      const begun = fates.filter(({ hasBegun }) => hasBegun);
      const order = begun.map(({ index }) => index);
      expect(order).toEqual(order.toSorted((left, right) => left - right));
      for (const [position, { goneMs }] of begun.entries()) {
        expect((begun[position + limit]?.goneMs ?? Infinity) - goneMs).toBeGreaterThanOrEqual(WINDOW_MS);
      }
      expect(fates).toHaveLength(crowd.length);
    }),
    { numRuns: 150 },
  );
});

test("any crowd waits no longer than the limit and those ahead demand", async () => {
  const patient = visitors.map((crowd) =>
    crowd.map((visitor) => ({ ...visitor, pauseMs: undefined, deadlineAfterMs: Infinity })),
  );
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 4 }), patient, async (limit, crowd) => {
      const fates = await goThrough(limit, crowd);

      const begun = fates.filter(({ hasBegun }) => hasBegun);
      for (const [position, { index, readyMs, goneMs }] of begun.entries()) {
        const goneAhead = fates.filter((other) => other.index < index).map((other) => other.goneMs);
        const windowMs = limit === 0 ? 0 : (begun[position - limit]?.goneMs ?? -WINDOW_MS) + WINDOW_MS;
        expect(goneMs).toBe(Math.max(readyMs, windowMs, ...goneAhead));
      }
      const refused = fates.filter(({ index, hasBegun }) => !hasBegun && crowd[index]?.cancelAfterMs === undefined);
      expect(refused).toEqual([]);
    }),
    { numRuns: 150 },
  );
});
