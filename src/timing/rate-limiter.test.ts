import fc from "fast-check";
import { expect, test } from "vitest";
import { type ManualClock, manualClock } from "../../test/support/manual-clock.ts";
import type { Clock } from "./clock.ts";
import { RateLimiter, type Ticket } from "./rate-limiter.ts";

const START_MS = 5_000;
const WINDOW_MS = 60_000;

interface Waiting {
  readonly turn: Promise<void>;
  readonly controller: AbortController;
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
  const stand = (name: string, deadlineMs = Infinity): Waiting => {
    const controller = new AbortController();
    const tickets: Ticket[] = [];
    const onWait = (ticket: Ticket): number => tickets.push(ticket);
    const turn = limiter.acquire({ signal: controller.signal, deadlineMs, onWait }).then(() => {
      begun.push([name, clock.monotonicMs() - START_MS]);
    });
    turn.catch(() => undefined);
    return { turn, controller, tickets };
  };
  return { clock, limiter, begun, stand };
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

test("a call that leaves the queue ends at once and takes no slot", async () => {
  const { clock, begun, stand } = startQueue(1);
  stand("a");
  const leaver = stand("b");
  stand("c");
  await clock.advance(1);

  leaver.controller.abort("closing");

  await expect(leaver.turn).rejects.toBe("closing");
  await clock.advance(WINDOW_MS);
  expect(begun).toEqual([
    ["a", 0],
    ["c", WINDOW_MS],
  ]);
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

test("a slot at the deadline is refused at once, and its place is free", async () => {
  const { clock, begun, stand } = startQueue(2);
  for (const name of ["a", "b", "c", "d"]) stand(name);
  const late = stand("late", START_MS + WINDOW_MS * 2);
  stand("next", START_MS + WINDOW_MS * 2 + 1);

  await expect(late.turn).rejects.toHaveProperty("name", "QueueTimeoutError");
  await expect(late.turn).rejects.toThrow("the next free slot is in 120 s");
  expect(late.tickets).toEqual([]);
  await clock.advance(WINDOW_MS * 2);
  expect(begun.at(-1)).toEqual(["next", WINDOW_MS * 2]);
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

test.each([
  [0, 30_000],
  [1, 30_000 + WINDOW_MS],
])("nothing begins before the end of a pause, with a limit of %i", async (limit, secondMs) => {
  const { clock, limiter, begun, stand } = startQueue(limit);
  limiter.pauseUntil(START_MS + 30_000);
  limiter.pauseUntil(START_MS + 10_000);

  expect([stand("a"), stand("b")].map(told)).toEqual([
    [0, 30_000],
    [1, secondMs],
  ]);

  await clock.advance(secondMs);
  expect(begun).toEqual([
    ["a", 30_000],
    ["b", secondMs],
  ]);
});

test("a pause reaches calls that wait already, which get no second ticket", async () => {
  const { clock, limiter, begun, stand } = startQueue(1);
  const calls = [stand("a"), stand("b"), stand("c")];
  await clock.advance(50_000);

  limiter.pauseUntil(START_MS + 75_000);
  await clock.advance(25_000 + WINDOW_MS * 2);
  calls.push(stand("d"));
  await clock.advance(0);

  expect(begun.map(([, atMs]) => atMs)).toEqual([0, 75_000, 75_000 + WINDOW_MS, 75_000 + WINDOW_MS * 2]);
  expect(calls.map(({ tickets }) => tickets.length)).toEqual([0, 1, 1, 0]);
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

  calls[2]?.controller.abort();
  await clock.advance(0);

  expect(calls.slice(3).map(told)).toEqual([
    [0, WINDOW_MS],
    [1, WINDOW_MS],
  ]);
});

test("any crowd begins in order, each call as soon as the limit allows", async () => {
  const tens = (most: number): fc.Arbitrary<number> => fc.nat({ max: most / 10 }).map((count) => count * 10);
  const visitor = fc.record({ gapMs: tens(50_000), staysMs: fc.option(tens(150_000), { nil: Infinity }) });
  const crowds = fc.array(visitor, { minLength: 1, maxLength: 16 });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), crowds, async (limit, crowd) => {
      const { clock, begun, stand } = startQueue(limit);
      const expected: [string, number][] = [];
      let frontIsGoneMs = 0;
      for (const [index, { gapMs, staysMs }] of crowd.entries()) {
        await clock.advance(gapMs);
        const { controller } = stand(String(index));
        const readyMs = clock.monotonicMs() - START_MS;
        const leavesMs = readyMs + staysMs + 5;
        void clock.sleep(staysMs + 5, new AbortController().signal).then(() => {
          controller.abort();
        });
        const slotMs = (expected.at(-limit)?.[1] ?? -WINDOW_MS) + WINDOW_MS;
        const beginsMs = Math.max(readyMs, frontIsGoneMs, slotMs);
        if (beginsMs < leavesMs) expected.push([String(index), beginsMs]);
        frontIsGoneMs = Math.max(frontIsGoneMs, Math.min(beginsMs, leavesMs));
      }

      await clock.advance(WINDOW_MS * (crowd.length + 1));

      expect(begun).toEqual(expected);
    }),
    { numRuns: 150 },
  );
});
