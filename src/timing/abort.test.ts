import { expect, test } from "vitest";
import { deferred } from "../../test/support/deferred.ts";
import { unlessStuck } from "./abort.ts";

test.each([
  ["an error", new Error("cancelled")],
  ["a text", "AbortError: user-cancel"],
  ["nothing", undefined],
])("work that finishes in the grace after an abort whose reason is %s gives its result", async (_what, reason) => {
  const cancel = new AbortController();
  const work = deferred<string>();
  const running = unlessStuck(work.promise, cancel.signal, 10_000);

  cancel.abort(reason);
  setImmediate(() => {
    work.resolve("cleaned up");
  });

  expect(await running).toBe("cleaned up");
});

test("work that does not finish in the grace is left alone with the abort's reason", async () => {
  const cancel = new AbortController();
  const running = unlessStuck(deferred<string>().promise, cancel.signal, 1);

  cancel.abort("AbortError: user-cancel");

  await expect(running).rejects.toBe("AbortError: user-cancel");
});
