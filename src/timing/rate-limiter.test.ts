import { getEventListeners } from "node:events";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fastClock } from "../../test/support/fast-clock.ts";
import { type ManualClock, manualClock } from "../../test/support/manual-clock.ts";
import type { Clock } from "./clock.ts";
import { type Place, RateLimiter } from "./rate-limiter.ts";

const START_MS = 5_000;
const WINDOW_MS = 60_000;

interface Waiting {
  readonly place: Place;
  readonly turn: Promise<void>;
  readonly cancel: (reason?: unknown) => void;
  readonly waits: readonly Place[];
}

interface Queue {
  readonly clock: ManualClock;
  readonly rateLimiter: RateLimiter;
  readonly begun: readonly (readonly [string, number])[];
  readonly stand: (name: string, deadlineMs?: number) => Waiting;
}

function startQueue(limit: number): Queue {
  const clock = manualClock(START_MS);
  const rateLimiter = new RateLimiter(clock, limit, WINDOW_MS);
  const begun: [string, number][] = [];
  return {
    clock,
    rateLimiter,
    begun,
    stand: (name, deadlineMs = Infinity) => {
      const place = rateLimiter.join();
      const controller = new AbortController();
      const waits: Place[] = [];
      const onWait = (waiting: Place): void => {
        waits.push(waiting);
      };
      const turn = place.turn({ signal: controller.signal, deadlineMs, onWait }).then(() => {
        begun.push([name, clock.monotonicMs() - START_MS]);
      });
      turn.catch(() => undefined);
      return {
        place,
        turn,
        waits,
        cancel: (reason) => {
          controller.abort(reason);
        },
      };
    },
  };
}

describe("at most the limit begins in any window", () => {
  test("and the rest begins as soon as the window has moved on", async () => {
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

  test("where the window slides with each request instead of starting anew each minute", async () => {
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

  test("and nothing waits when requests come slowly enough", async () => {
    const { clock, begun, stand } = startQueue(2);

    for (let request = 0; request < 10; request += 1) {
      expect(stand(String(request)).waits).toEqual([]);
      await clock.advance(WINDOW_MS / 2);
    }

    expect(begun.map(([, atMs]) => atMs)).toEqual(Array.from({ length: 10 }, (_, index) => (index * WINDOW_MS) / 2));
  });

  test("also on a clock that wakes sleepers a little early", async () => {
    const clock = manualClock(START_MS);
    const early: Clock = { ...clock, sleep: (ms, signal) => clock.sleep(Math.max(1, ms - 3), signal) };
    const rateLimiter = new RateLimiter(early, 1, WINDOW_MS);
    const beginMs: number[] = [];
    const stand = async (): Promise<void> => {
      const { signal } = new AbortController();
      await rateLimiter.join().turn({ signal, deadlineMs: Infinity, onWait: () => undefined });
      beginMs.push(clock.monotonicMs() - START_MS);
    };
    const all = Promise.all([stand(), stand(), stand()]);

    await clock.advance(WINDOW_MS * 3);
    await all;

    expect(beginMs).toEqual([0, WINDOW_MS, WINDOW_MS * 2]);
  });

  test("unless there is no limit", async () => {
    const { clock, begun, stand } = startQueue(0);

    for (let request = 0; request < 50; request += 1) stand(String(request));
    await clock.advance(0);

    expect(begun.map(([name]) => name)).toEqual(Array.from({ length: 50 }, (_, index) => String(index)));
    expect(clock.sleepers()).toBe(0);
  });

  test("in real time, too", async () => {
    const clock = fastClock(1000);
    const rateLimiter = new RateLimiter(clock, 2, WINDOW_MS);
    const beginMs = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const signal = new AbortController().signal;
        await rateLimiter.join().turn({ signal, deadlineMs: Infinity, onWait: () => undefined });
        return clock.monotonicMs();
      }),
    );

    expect(beginMs).toEqual(beginMs.toSorted((left, right) => left - right));
    expect((beginMs[4] ?? 0) - (beginMs[0] ?? 0)).toBeGreaterThanOrEqual(WINDOW_MS * 2);
  });
});

describe("first come, first served", () => {
  test("also when the first one is not ready for its turn", async () => {
    const { clock, rateLimiter, begun, stand } = startQueue(0);
    const first = rateLimiter.join();
    stand("second");
    await clock.advance(WINDOW_MS);
    expect(begun).toEqual([]);

    await first.turn({ signal: new AbortController().signal, deadlineMs: Infinity, onWait: () => undefined });
    await clock.advance(0);

    expect(begun).toEqual([["second", WINDOW_MS]]);
  });

  test.each([
    ["at the head", 1],
    ["in the middle", 2],
    ["at the end", 4],
  ])("stays so when a place %s is left", async (_where, leaver) => {
    const { clock, begun, stand } = startQueue(1);
    const all = ["a", "b", "c", "d", "e"].map((name) => stand(name));
    await clock.advance(1);

    all[leaver]?.cancel();
    await clock.advance(WINDOW_MS * 5);

    const rest = ["a", "b", "c", "d", "e"].toSpliced(leaver, 1);
    expect(begun).toEqual(rest.map((name, index) => [name, index * WINDOW_MS]));
  });

  test("stays so when a place is left whose turn was never asked for", async () => {
    const { clock, rateLimiter, begun, stand } = startQueue(1);
    const [head, middle] = [rateLimiter.join(), rateLimiter.join()];
    stand("a");
    stand("b");
    middle.leave();
    await clock.advance(1);
    expect(begun).toEqual([]);

    head.leave();
    await clock.advance(WINDOW_MS * 2);

    expect(begun).toEqual([
      ["a", 1],
      ["b", WINDOW_MS + 1],
    ]);
  });

  test("and who left in the middle does not let the next one past the head", async () => {
    const { clock, rateLimiter, begun, stand } = startQueue(0);
    const head = rateLimiter.join();
    const middle = stand("middle");
    stand("last");

    middle.cancel();
    await clock.advance(WINDOW_MS);
    expect(begun).toEqual([]);

    head.leave();
    await clock.advance(0);
    expect(begun).toEqual([["last", WINDOW_MS]]);
  });

  test("and leaving twice, or after the turn, takes nobody else's place", async () => {
    const { clock, rateLimiter, begun, stand } = startQueue(1);
    const first = stand("a");
    const head = rateLimiter.join();
    const last = stand("b");
    await clock.advance(0);

    first.place.leave();
    first.place.leave();
    await clock.advance(WINDOW_MS * 2);

    expect(begun).toEqual([["a", 0]]);
    expect([head.ahead(), last.place.ahead()]).toEqual([0, 1]);
  });
});

describe("a cancelled place", () => {
  test.each([
    ["before its turn was asked for", 0, true],
    ["while others go first", 2, false],
    ["while it waits for the window", 1, false],
  ])("%s ends with the reason, and was never counted", async (_when, others, isEarly) => {
    const { clock, rateLimiter, begun, stand } = startQueue(1);
    const reason = new Error("the client cancelled");
    for (let other = 0; other < others; other += 1) stand("other");
    const place = rateLimiter.join();
    const controller = new AbortController();
    if (isEarly) controller.abort(reason);
    const turn = place.turn({ signal: controller.signal, deadlineMs: Infinity, onWait: () => undefined });
    turn.catch(() => undefined);
    stand("next");
    await clock.advance(1);

    controller.abort(reason);

    await expect(turn).rejects.toBe(reason);
    await clock.advance(WINDOW_MS * 3);
    expect(begun.at(-1)).toEqual(["next", others * WINDOW_MS]);
    expect(clock.sleepers()).toBe(0);
  });

  test("is rejected at once, however long the others take", async () => {
    const { rateLimiter, stand, clock } = startQueue(0);
    rateLimiter.join();
    const waiting = stand("waiting");
    await clock.advance(1);

    waiting.cancel("closing");

    await expect(waiting.turn).rejects.toBe("closing");
  });

  test("leaves nothing behind on its signal, and neither does one whose turn came", async () => {
    const { rateLimiter } = startQueue(0);
    const controller = new AbortController();
    const options = { signal: controller.signal, deadlineMs: Infinity, onWait: () => undefined };
    const head = rateLimiter.join();
    const served = rateLimiter.join().turn(options);
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(1);

    head.leave();
    await served;
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);

    rateLimiter.join();
    const cancelled = rateLimiter.join().turn(options);
    controller.abort("closing");
    await expect(cancelled).rejects.toBe("closing");
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
  });
});

describe("a turn that would come too late", () => {
  test("is refused at once with the time it would have taken, and its place is free for the next", async () => {
    const { clock, begun, stand } = startQueue(1);
    stand("a");
    const late = stand("b", START_MS + 50_000);
    const next = stand("c");

    await expect(late.turn).rejects.toHaveProperty("name", "QueueTimeoutError");
    await expect(late.turn).rejects.toThrow("turn would come in 60 s");
    expect(late.waits).toEqual([]);
    await clock.advance(0);
    expect(next.place.ahead()).toBe(0);
    await clock.advance(WINDOW_MS);
    expect(begun).toEqual([
      ["a", 0],
      ["c", WINDOW_MS],
    ]);
  });

  test.each([
    [
      "in the last millisecond is waited for",
      1,
      [
        ["a", 0],
        ["b", WINDOW_MS],
      ],
    ],
    ["at the very deadline is refused", 0, [["a", 0]]],
  ])("%s", async (_what, spareMs, expected) => {
    const { clock, begun, stand } = startQueue(1);
    stand("a");
    stand("b", START_MS + WINDOW_MS + spareMs);

    await clock.advance(WINDOW_MS * 2);

    expect(begun).toEqual(expected);
  });

  test("because of the others ahead is seen at once, too", async () => {
    const { stand } = startQueue(2);
    for (const name of ["a", "b", "c", "d"]) stand(name);

    const late = stand("e", START_MS + WINDOW_MS * 2);

    await expect(late.turn).rejects.toThrow("turn would come in 120 s");
  });

  test("because everybody was held back in the meantime is refused as soon as it is looked at", async () => {
    const { clock, rateLimiter, begun, stand } = startQueue(1);
    stand("a");
    const late = stand("b", START_MS + 90_000);
    stand("c");
    await clock.advance(1);

    rateLimiter.pauseUntil(START_MS + 100_000);
    await clock.advance(WINDOW_MS * 3);

    await expect(late.turn).rejects.toHaveProperty("name", "QueueTimeoutError");
    expect(late.waits).toHaveLength(1);
    expect(begun).toEqual([
      ["a", 0],
      ["c", 100_000],
    ]);
  });
});

describe("holding back", () => {
  test.each([0, 1, 10])("keeps everything from beginning before its end, with a limit of %i", async (limit) => {
    const { clock, rateLimiter, begun, stand } = startQueue(limit);
    rateLimiter.pauseUntil(START_MS + 30_000);
    const first = stand("a");

    await clock.advance(29_999);
    expect(begun).toEqual([]);
    expect(first.waits).toHaveLength(1);

    await clock.advance(1);
    expect(begun).toEqual([["a", 30_000]]);
  });

  test("reaches who waits already", async () => {
    const { clock, rateLimiter, begun, stand } = startQueue(1);
    stand("a");
    stand("b");
    await clock.advance(59_999);

    rateLimiter.pauseUntil(START_MS + 75_000);
    await clock.advance(WINDOW_MS);

    expect(begun).toEqual([
      ["a", 0],
      ["b", 75_000],
    ]);
  });

  test("is never shortened by a second, smaller one", async () => {
    const { clock, rateLimiter, begun, stand } = startQueue(0);
    rateLimiter.pauseUntil(START_MS + 30_000);
    rateLimiter.pauseUntil(START_MS + 10_000);
    stand("a");

    await clock.advance(WINDOW_MS);

    expect(begun).toEqual([["a", 30_000]]);
  });

  test("until a moment that has passed keeps nobody", async () => {
    const { clock, rateLimiter, begun, stand } = startQueue(0);
    rateLimiter.pauseUntil(START_MS - 1);

    expect(stand("a").waits).toEqual([]);
    await clock.advance(0);

    expect(begun).toEqual([["a", 0]]);
  });
});

describe("a place knows", () => {
  test("how many go first, and when its turn will probably be", () => {
    const { rateLimiter } = startQueue(2);
    const places = Array.from({ length: 5 }, () => rateLimiter.join());

    expect(places.map(({ ahead }) => ahead())).toEqual([0, 1, 2, 3, 4]);
    expect(places.map(({ turnMs }) => Math.max(turnMs(), START_MS))).toEqual([
      START_MS,
      START_MS,
      START_MS + WINDOW_MS,
      START_MS + WINDOW_MS,
      START_MS + WINDOW_MS * 2,
    ]);
  });

  test("both anew after somebody ahead has left", async () => {
    const { clock, stand } = startQueue(1);
    stand("a");
    const leaver = stand("b");
    const last = stand("c");
    await clock.advance(10_000);
    expect([last.place.ahead(), last.place.turnMs()]).toEqual([1, START_MS + WINDOW_MS * 2]);

    leaver.cancel();
    await clock.advance(0);

    expect([last.place.ahead(), last.place.turnMs()]).toEqual([0, START_MS + WINDOW_MS]);
  });

  test("that it is held back", () => {
    const { rateLimiter } = startQueue(1);
    const [first, second] = [rateLimiter.join(), rateLimiter.join()];

    rateLimiter.pauseUntil(START_MS + 30_000);

    expect(first.turnMs()).toBe(START_MS + 30_000);
    expect(second.turnMs()).toBe(START_MS + 30_000 + WINDOW_MS);
  });

  test.each([0, 5])("that it has to wait for one that is not ready yet, with a limit of %i", async (limit) => {
    const { clock, rateLimiter, begun, stand } = startQueue(limit);
    rateLimiter.join();

    const second = stand("b");
    await clock.advance(WINDOW_MS);

    expect(begun).toEqual([]);
    expect(second.waits).toEqual([second.place]);
  });

  test("that it has to wait, and says so once, however often it has to wait on", async () => {
    const { clock, rateLimiter, stand } = startQueue(1);
    const first = stand("a");
    const second = stand("b");
    const third = stand("c");
    await clock.advance(1);
    rateLimiter.pauseUntil(START_MS + WINDOW_MS + 5_000);

    await clock.advance(WINDOW_MS * 4);

    expect(first.waits).toEqual([]);
    expect(second.waits).toEqual([second.place]);
    expect(third.waits).toEqual([third.place]);
  });
});

describe("whatever comes and goes", () => {
  interface Visitor {
    readonly gapMs: number;
    readonly preparesMs: number;
    readonly cancelAfterMs: number | undefined;
    readonly holdsBackMs: number | undefined;
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
      preparesMs: fc.oneof(fc.constant(0), fc.nat({ max: 20_000 })),
      cancelAfterMs: fc.option(fc.nat({ max: 150_000 }), { nil: undefined }),
      holdsBackMs: fc.option(fc.nat({ max: 90_000 }), { nil: undefined, freq: 8 }),
      deadlineAfterMs: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 400_000 })),
    }),
    { minLength: 1, maxLength: 16 },
  );

  async function visit(
    { preparesMs, cancelAfterMs, deadlineAfterMs }: Visitor,
    index: number,
    { clock, rateLimiter, fates }: { clock: ManualClock; rateLimiter: RateLimiter; fates: Fate[] },
  ): Promise<void> {
    const place = rateLimiter.join();
    const deadlineMs = clock.monotonicMs() + deadlineAfterMs;
    let readyMs = clock.monotonicMs() + preparesMs;
    let hasBegun = false;
    const controller = new AbortController();
    if (cancelAfterMs !== undefined) {
      void clock.sleep(cancelAfterMs, new AbortController().signal).then(() => {
        controller.abort();
      });
    }
    try {
      await clock.sleep(preparesMs, controller.signal);
      readyMs = clock.monotonicMs();
      await place.turn({ signal: controller.signal, deadlineMs, onWait: () => undefined });
      hasBegun = true;
    } catch {
      hasBegun = false;
    } finally {
      place.leave();
      fates.push({ index, readyMs, goneMs: clock.monotonicMs(), hasBegun });
    }
  }

  async function goThrough(limit: number, crowd: readonly Visitor[]): Promise<Fate[]> {
    const clock = manualClock(START_MS);
    const rateLimiter = new RateLimiter(clock, limit, WINDOW_MS);
    const fates: Fate[] = [];
    const visits: Promise<void>[] = [];
    for (const [index, visitor] of crowd.entries()) {
      await clock.advance(visitor.gapMs);
      visits.push(visit(visitor, index, { clock, rateLimiter, fates }));
      if (visitor.holdsBackMs !== undefined) rateLimiter.pauseUntil(clock.monotonicMs() + visitor.holdsBackMs);
    }
    await clock.advance(WINDOW_MS * (crowd.length + 4));
    await Promise.all(visits);
    return fates;
  }

  test("no window holds more than the limit, and the order is kept", async () => {
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

  test("nobody waits longer than the limit and those ahead make it necessary", async () => {
    const patient = visitors.map((crowd) =>
      crowd.map((visitor) => ({ ...visitor, holdsBackMs: undefined, deadlineAfterMs: Infinity })),
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
        expect(fates.filter(({ index, hasBegun }) => !hasBegun && crowd[index]?.cancelAfterMs === undefined)).toEqual(
          [],
        );
      }),
      { numRuns: 150 },
    );
  });
});
