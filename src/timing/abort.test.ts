import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { deferred } from "../../test/support/deferred.ts";
import { manualClock } from "../../test/support/manual-clock.ts";
import { unlessAborted, WaitLimit, withGrace } from "./abort.ts";

const NEVER = new AbortController().signal;

function pending(): Promise<never> {
  return new Promise(() => undefined);
}

describe("unlessAborted", () => {
  test("settles as the promise does, and no longer listens then", async () => {
    const { signal } = new AbortController();
    const failure = new Error("it failed");

    expect(await unlessAborted(Promise.resolve("done"), signal)).toBe("done");
    await expect(unlessAborted(Promise.reject(failure), signal)).rejects.toBe(failure);

    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  test("rejects with the reason on an abort, before or after", async () => {
    const controller = new AbortController();
    const work = deferred<string>();
    const running = unlessAborted(work.promise, controller.signal);

    controller.abort("closing");

    await expect(running).rejects.toBe("closing");
    await expect(unlessAborted(work.promise, controller.signal)).rejects.toBe("closing");
    work.reject(new Error("a later rejection is swallowed"));
  });
});

describe("WaitLimit", () => {
  test("settles as each promise does, and stops its timer when disposed", async () => {
    const clock = manualClock();
    const failure = new Error("it failed");
    const limit = new WaitLimit(clock, 1_000, NEVER);

    expect(await limit.wait(Promise.resolve("done"))).toBe("done");
    await expect(limit.wait(Promise.reject(failure))).rejects.toBe(failure);
    expect(clock.sleepers()).toBe(1);

    limit[Symbol.dispose]();
    expect(clock.sleepers()).toBe(0);
  });

  test.each([
    [0, 1_000],
    [600, 2_000],
    [1_500, 2_500],
  ])("a wait begun after %i ms is over at %i ms", async (beginsMs, endsMs) => {
    const clock = manualClock();
    using limit = new WaitLimit(clock, 1_000, NEVER);
    await limit.wait(Promise.resolve());
    await clock.advance(beginsMs);
    const results: unknown[] = [];
    void limit.wait(pending()).then((result) => results.push(result));

    await clock.advance(endsMs - beginsMs - 1);
    expect(results).toEqual([]);
    await clock.advance(1);

    expect(results).toEqual([undefined]);
  });

  test("rejects with the reason on abort, and keeps no timer", async () => {
    const clock = manualClock();
    const controller = new AbortController();
    using limit = new WaitLimit(clock, 1_000, controller.signal);
    const running = limit.wait(pending());

    controller.abort("closing");

    await expect(running).rejects.toBe("closing");
    expect(clock.sleepers()).toBe(0);
  });
});

describe("withGrace", () => {
  test("throws what the work throws", async () => {
    const failure = new Error("it failed");

    await expect(withGrace(Promise.reject(failure), NEVER, 1)).rejects.toBe(failure);
  });

  test("lets work finish after an abort", async () => {
    const work = deferred<string>();
    const running = withGrace(work.promise, AbortSignal.abort("closing"), 10_000);

    setImmediate(() => {
      work.resolve("cleaned up");
    });

    expect(await running).toBe("cleaned up");
  });

  test("leaves hung work alone after an abort", async () => {
    await expect(withGrace(pending(), AbortSignal.abort("closing"), 1)).rejects.toBe("closing");
  });
});
