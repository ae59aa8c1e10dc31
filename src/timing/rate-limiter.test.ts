import fc from "fast-check";
import { expect, test } from "vitest";
import { fastClock } from "../../test/support/fast-clock.ts";
import { type ManualClock, manualClock } from "../../test/support/manual-clock.ts";
import type { Clock } from "./clock.ts";
import { RateLimiter, type Ticket } from "./rate-limiter.ts";

const START_MS = 5_000;
const WINDOW_MS = 60_000;
const NEVER = new AbortController().signal;

interface Waiting {
  readonly turn: Promise<void>;
  readonly cancel: (reason?: unknown) => void;
  /** What it was told of its place, each time it was told. */
  readonly tickets: readonly Ticket[];
}

interface Queue {
  readonly clock: ManualClock;
  readonly limiter: RateLimiter;
  /** Who began, and how many milliseconds after the start. */
  readonly begun: readonly (readonly [string, number])[];
  readonly stand: (name: string, deadlineMs?: number) => Waiting;
}

function startQueue(limit: number): Queue {
  const clock = manualClock(START_MS);
  const limiter = new RateLimiter(clock, limit, WINDOW_MS);
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

test("the window: at most the limit begins at once, and the rest as soon as the window has moved on", async () => {
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

test("the window: the window slides with each request instead of starting again each minute", async () => {
  const { clock, begun, stand } = startQueue(2);
  stand("a");
  await clock.advance(59_000);
  stand("b");
  stand("c");
  stand("d");

  await clock.advance(WINDOW_MS * 2);

  expect(begun).toEqual([
    ["a", 0],
    ["b", 59_000],
    ["c", WINDOW_MS],
    ["d", 59_000 + WINDOW_MS],
  ]);
});

test("the window: no request waits when requests come slowly enough", async () => {
  const { clock, begun, stand } = startQueue(2);

  for (let request = 0; request < 10; request += 1) {
    expect(stand(String(request)).tickets).toEqual([]);
    await clock.advance(WINDOW_MS / 2);
  }

  expect(begun.map(([, atMs]) => atMs)).toEqual(Array.from({ length: 10 }, (_, index) => (index * WINDOW_MS) / 2));
});

test("the window: a clock that wakes sleepers a little early lets no request begin too early", async () => {
  const clock = manualClock(START_MS);
  const early: Clock = { ...clock, sleep: (ms, signal) => clock.sleep(Math.max(1, ms - 3), signal) };
  const limiter = new RateLimiter(early, 1, WINDOW_MS);
  const begunMs: number[] = [];
  const stand = async (): Promise<void> => {
    await limiter.acquire({ signal: NEVER, deadlineMs: Infinity, onWait: () => undefined });
    begunMs.push(clock.monotonicMs() - START_MS);
  };
  const all = Promise.all([stand(), stand(), stand()]);

  await clock.advance(WINDOW_MS * 3);
  await all;

  expect(begunMs).toEqual([0, WINDOW_MS, WINDOW_MS * 2]);
});

test("the window: a limit of 0 lets everything begin at once, in order, without a wait", async () => {
  const { clock, begun, stand } = startQueue(0);

  for (let request = 0; request < 50; request += 1) stand(String(request));
  await clock.advance(0);

  expect(begun).toEqual(Array.from({ length: 50 }, (_, index) => [String(index), 0]));
  expect(clock.sleepers()).toBe(0);
});

test("the window: the limit holds on a clock that runs by itself, too", async () => {
  const clock = fastClock(1000);
  const limiter = new RateLimiter(clock, 2, WINDOW_MS);
  const begunMs = await Promise.all(
    Array.from({ length: 5 }, async () => {
      await limiter.acquire({ signal: NEVER, deadlineMs: Infinity, onWait: () => undefined });
      return clock.monotonicMs();
    }),
  );

  expect(begunMs).toEqual(begunMs.toSorted((left, right) => left - right));
  expect((begunMs[4] ?? 0) - (begunMs[0] ?? 0)).toBeGreaterThanOrEqual(WINDOW_MS * 2);
});

test.each([
  ["at the head", 1],
  ["in the middle", 2],
  ["at the end", 4],
])(
  "cancelling: a call that is cancelled %s of the queue changes nothing in the order of the others",
  async (_where, leaver) => {
    const { clock, begun, stand } = startQueue(1);
    const all = ["a", "b", "c", "d", "e"].map((name) => stand(name));
    await clock.advance(1);

    all[leaver]?.cancel();
    await clock.advance(WINDOW_MS * 5);

    const rest = ["a", "b", "c", "d", "e"].toSpliced(leaver, 1);
    expect(begun).toEqual(rest.map((name, index) => [name, index * WINDOW_MS]));
  },
);

test.each([
  ["before it asks for its slot", 0],
  ["while it waits for the window", 1],
  ["while others go first", 2],
])("cancelling: a call that is cancelled %s ends with the reason and takes no slot", async (when, others) => {
  const { clock, begun, limiter, stand } = startQueue(1);
  const reason = new Error("the client cancelled");
  for (let other = 0; other < others; other += 1) stand("other");
  const controller = new AbortController();
  if (when.startsWith("before")) controller.abort(reason);
  const turn = limiter.acquire({ signal: controller.signal, deadlineMs: Infinity, onWait: () => undefined });
  turn.catch(() => undefined);
  stand("next");
  await clock.advance(1);

  controller.abort(reason);

  await expect(turn).rejects.toBe(reason);
  await clock.advance(WINDOW_MS * 3);
  expect(begun.at(-1)).toEqual(["next", others * WINDOW_MS]);
  expect(clock.sleepers()).toBe(0);
});

test("cancelling: a call is cancelled at once, however long those ahead of it take", async () => {
  const { clock, stand } = startQueue(1);
  stand("a");
  stand("b");
  const waiting = stand("c");
  await clock.advance(1);

  waiting.cancel("closing");

  await expect(waiting.turn).rejects.toBe("closing");
});

test("deadlines: a slot that would come too late is refused at once with its time, and the place is free for the next", async () => {
  const { clock, begun, stand } = startQueue(1);
  stand("a");
  const late = stand("b", START_MS + 50_000);
  const next = stand("c");

  await expect(late.turn).rejects.toHaveProperty("name", "QueueTimeoutError");
  await expect(late.turn).rejects.toThrow("the next free slot is in 60 s");
  expect(late.tickets).toEqual([]);
  await clock.advance(0);
  expect(next.tickets[0]?.callsAhead()).toBe(0);
  await clock.advance(WINDOW_MS);
  expect(begun).toEqual([
    ["a", 0],
    ["c", WINDOW_MS],
  ]);
});

test.each([
  ["a millisecond before the deadline is waited for", 1, ["a", "b"]],
  ["at the very deadline is refused", 0, ["a"]],
])("deadlines: a slot %s", async (_what, spareMs, expected) => {
  const { clock, begun, stand } = startQueue(1);
  stand("a");
  stand("b", START_MS + WINDOW_MS + spareMs);

  await clock.advance(WINDOW_MS * 2);

  expect(begun.map(([name]) => name)).toEqual(expected);
});

test("deadlines: a slot that comes too late because of the calls ahead is refused at once", async () => {
  const { stand } = startQueue(2);
  for (const name of ["a", "b", "c", "d"]) stand(name);

  const late = stand("e", START_MS + WINDOW_MS * 2);

  await expect(late.turn).rejects.toThrow("the next free slot is in 120 s");
});

test("deadlines: a slot that a pause moves past the deadline is refused when its time comes", async () => {
  const { clock, limiter, begun, stand } = startQueue(1);
  stand("a");
  const late = stand("b", START_MS + 90_000);
  stand("c");
  await clock.advance(1);

  limiter.pauseUntil(START_MS + 100_000);
  await clock.advance(WINDOW_MS * 3);

  await expect(late.turn).rejects.toHaveProperty("name", "QueueTimeoutError");
  expect(late.tickets).toHaveLength(1);
  expect(begun).toEqual([
    ["a", 0],
    ["c", 100_000],
  ]);
});

test.each([0, 1, 10])(
  "pauses: a pause keeps everything from beginning before its end, with a limit of %i",
  async (limit) => {
    const { clock, limiter, begun, stand } = startQueue(limit);
    limiter.pauseUntil(START_MS + 30_000);
    const first = stand("a");

    await clock.advance(29_999);
    expect(begun).toEqual([]);
    expect(first.tickets).toHaveLength(1);

    await clock.advance(1);
    expect(begun).toEqual([["a", 30_000]]);
  },
);

test("pauses: a pause reaches calls that wait already", async () => {
  const { clock, limiter, begun, stand } = startQueue(1);
  stand("a");
  stand("b");
  await clock.advance(59_999);

  limiter.pauseUntil(START_MS + 75_000);
  await clock.advance(WINDOW_MS);

  expect(begun).toEqual([
    ["a", 0],
    ["b", 75_000],
  ]);
});

test("pauses: a pause is never shortened by a second, smaller one", async () => {
  const { clock, limiter, begun, stand } = startQueue(0);
  limiter.pauseUntil(START_MS + 30_000);
  limiter.pauseUntil(START_MS + 10_000);
  stand("a");

  await clock.advance(WINDOW_MS);

  expect(begun).toEqual([["a", 30_000]]);
});

test("pauses: a pause until a moment that has passed keeps nobody", async () => {
  const { clock, limiter, begun, stand } = startQueue(0);
  limiter.pauseUntil(START_MS - 1);

  expect(stand("a").tickets).toEqual([]);
  await clock.advance(0);

  expect(begun).toEqual([["a", 0]]);
});

const told = ({ tickets }: Waiting): readonly [number, number] | undefined => {
  const [ticket] = tickets;
  return ticket && [ticket.callsAhead(), ticket.startsAtMs() - START_MS];
};

test("tickets: a ticket says how many calls go first and when its slot will be free", () => {
  const { stand } = startQueue(2);
  const calls = ["a", "b", "c", "d", "e"].map((name) => stand(name));

  expect(calls.slice(2).map(told)).toEqual([
    [2, WINDOW_MS],
    [3, WINDOW_MS],
    [4, WINDOW_MS * 2],
  ]);
});

test("tickets: a ticket says both again after a call ahead was cancelled", async () => {
  const { clock, stand } = startQueue(1);
  stand("a");
  const leaver = stand("b");
  const last = stand("c");
  await clock.advance(10_000);
  expect(told(last)).toEqual([1, WINDOW_MS * 2]);

  leaver.cancel();
  await clock.advance(0);

  expect(told(last)).toEqual([0, WINDOW_MS]);
});

test("tickets: a ticket knows of a pause", () => {
  const { limiter, stand } = startQueue(1);
  limiter.pauseUntil(START_MS + 30_000);

  const [first, second] = [stand("a"), stand("b")];

  expect(told(first)).toEqual([0, 30_000]);
  expect(told(second)).toEqual([1, 30_000 + WINDOW_MS]);
});

test("tickets: a call gets its ticket once, however often it has to wait on, and none when its slot is free", async () => {
  const { clock, limiter, stand } = startQueue(1);
  const calls = [stand("a"), stand("b"), stand("c")];
  await clock.advance(1);
  limiter.pauseUntil(START_MS + WINDOW_MS + 5_000);

  await clock.advance(WINDOW_MS * 4);

  expect(calls.map(({ tickets }) => tickets.length)).toEqual([0, 1, 1]);
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

test("any crowd: whoever comes and goes, no window holds more than the limit, and calls begin in the order of readiness", async () => {
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

test("any crowd: whoever comes and goes, nobody waits longer than the limit and those ahead make it necessary", async () => {
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
