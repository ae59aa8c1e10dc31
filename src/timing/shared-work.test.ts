import { expect, test } from "vitest";
import { deferred } from "../../test/support/deferred.ts";
import { SharedWork } from "./shared-work.ts";

const NEVER = new AbortController().signal;

test("work that is asked for while it runs is done once for all who ask, and another key does not wait", async () => {
  const shared = new SharedWork<string>(10);
  const first = deferred<string>();
  let runs = 0;
  const work = (): Promise<string> => {
    runs += 1;
    return first.promise;
  };

  const both = Promise.all([shared.run("a", NEVER, work), shared.run("a", NEVER, work)]);
  expect(await shared.run("b", NEVER, () => Promise.resolve("other"))).toBe("other");
  first.resolve("same");

  expect(await both).toEqual(["same", "same"]);
  expect(runs).toBe(1);
});

test("work that is asked for again when it is over is done again, also after a failure", async () => {
  const shared = new SharedWork<string>(10);

  await expect(shared.run("a", NEVER, () => Promise.reject(new Error("no")))).rejects.toThrow("no");

  expect(await shared.run("a", NEVER, () => Promise.resolve("yes"))).toBe("yes");
});

test("work of a call that is over is not begun", async () => {
  let hasBegun = false;
  const work = (): Promise<undefined> => {
    hasBegun = true;
    return Promise.resolve(undefined);
  };

  const run = new SharedWork(10).run("a", AbortSignal.abort(new Error("cancelled")), work);

  await expect(run).rejects.toThrow("cancelled");
  expect(hasBegun).toBe(false);
});

test.each(["resolves", "rejects"] as const)(
  "work that %s in the grace after its call is over ends the call with the reason, and the others with their result",
  async (end) => {
    const shared = new SharedWork<string>(10_000);
    const work = deferred<string>();
    const cancel = new AbortController();
    const cancelled = shared.run("a", cancel.signal, () => work.promise);
    const other = Promise.allSettled([shared.run("a", NEVER, () => work.promise)]);

    cancel.abort(new Error("cancelled"));
    if (end === "resolves") work.resolve("proved");
    else work.reject(new Error("no"));

    await expect(cancelled).rejects.toThrow("cancelled");
    expect(await other).toMatchObject([{ status: end === "resolves" ? "fulfilled" : "rejected" }]);
  },
);
