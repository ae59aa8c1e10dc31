import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { deferred } from "../../test/support/deferred.ts";
import { manualClock } from "../../test/support/manual-clock.ts";
import { unlessAborted, withGrace, within } from "./abort.ts";

const REASONS = [
  ["an error", new Error("cancelled")],
  ["a text", "AbortError: user-cancel"],
  ["nothing", undefined],
] as const;
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

  test("rejects with the reason as soon as the signal aborts", async () => {
    const controller = new AbortController();
    const work = deferred<string>();
    const running = unlessAborted(work.promise, controller.signal);

    controller.abort("closing");

    await expect(running).rejects.toBe("closing");
    work.reject(new Error("a later rejection is swallowed"));
  });

  test("rejects at once when the signal has aborted before", async () => {
    await expect(unlessAborted(pending(), AbortSignal.abort("closing"))).rejects.toBe("closing");
  });
});

describe("within", () => {
  test("settles as the promise does, and keeps no timer", async () => {
    const clock = manualClock();
    const failure = new Error("it failed");

    expect(await within(Promise.resolve("done"), 1_000, { clock, signal: NEVER })).toBe("done");
    await expect(within(Promise.reject(failure), 1_000, { clock, signal: NEVER })).rejects.toBe(failure);

    expect(clock.sleepers()).toBe(0);
  });

  test("gives undefined once the time is up", async () => {
    const clock = manualClock();
    const results: unknown[] = [];
    void within(pending(), 1_000, { clock, signal: NEVER }).then((result) => results.push(result));

    await clock.advance(999);
    expect(results).toEqual([]);
    await clock.advance(1);

    expect(results).toEqual([undefined]);
  });

  test("rejects with the reason on abort, and keeps no timer", async () => {
    const clock = manualClock();
    const controller = new AbortController();
    const running = within(pending(), 1_000, { clock, signal: controller.signal });

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

  test.each(REASONS)("lets work finish after an abort with %s", async (_what, reason) => {
    const cancel = new AbortController();
    const work = deferred<string>();
    const running = withGrace(work.promise, cancel.signal, 10_000);

    cancel.abort(reason);
    setImmediate(() => {
      work.resolve("cleaned up");
    });

    expect(await running).toBe("cleaned up");
  });

  test.each(REASONS)("leaves hung work alone after an abort with %s", async (_what, reason) => {
    const cancel = new AbortController();
    const running = withGrace(pending(), cancel.signal, 1);

    cancel.abort(reason);

    await expect(running).rejects.toBe(cancel.signal.reason);
  });
});
