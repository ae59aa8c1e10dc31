import { expect, test } from "vitest";
import { deferred } from "../../test/support/deferred.ts";
import { Lanes } from "./lanes.ts";

const NEVER = new AbortController().signal;

test("work in one lane runs one after another, also after a failure, and another lane does not wait", async () => {
  const lanes = new Lanes(10);
  const order: string[] = [];
  const first = deferred<string>();

  const failing = lanes.run("a", NEVER, () => first.promise);
  const second = lanes.run("a", NEVER, () => Promise.resolve(order.push("second")));
  await lanes.run("b", NEVER, () => Promise.resolve(order.push("other")));
  order.push("failed");
  first.reject(new Error("no"));

  await expect(failing).rejects.toThrow("no");
  await second;
  expect(order).toEqual(["other", "failed", "second"]);
});

test("work whose call is over before its turn is not begun", async () => {
  const lanes = new Lanes(10);
  const first = deferred<undefined>();
  const stuck = lanes.run("a", NEVER, () => first.promise);
  const cancel = new AbortController();
  let hasBegun = false;

  const waiting = lanes.run("a", cancel.signal, () => {
    hasBegun = true;
    return Promise.resolve();
  });
  cancel.abort(new Error("cancelled"));

  await expect(waiting).rejects.toThrow("cancelled");
  first.resolve(undefined);
  await stuck;
  await lanes.run("a", NEVER, () => Promise.resolve());
  expect(hasBegun).toBe(false);
});

test("work that finishes in the grace after its call is over gives its result", async () => {
  const cancel = new AbortController();
  const work = deferred<string>();

  const begun = deferred<undefined>();
  const running = new Lanes(10_000).run("a", cancel.signal, () => {
    begun.resolve(undefined);
    return work.promise;
  });
  await begun.promise;
  cancel.abort(new Error("cancelled"));
  work.resolve("saved");

  expect(await running).toBe("saved");
});
