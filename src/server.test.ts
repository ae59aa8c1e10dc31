import { expect, test } from "vitest";
import { fallSilent, refuse } from "../stand-in/behaviours.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { smallImage } from "../test/support/big-jpeg.ts";
import { fastClock } from "../test/support/fast-clock.ts";
import { manualClock } from "../test/support/manual-clock.ts";
import { begin } from "../test/support/pending-call.ts";
import { outputOf, startServer, textOf } from "../test/support/server.ts";
import { waitFor } from "../test/support/wait-for.ts";

const UNEXPECTED = "Something unexpected went wrong inside this server; its log (stderr) has the details.";

/** A value of time or chance, except at first: then it fails. */
function failingAtFirst(value: () => number): () => number {
  let isFirst = true;
  return () => {
    if (!isFirst) return value();
    isFirst = false;
    throw new Error(`bad header Bearer ${STAND_IN_KEY}\n    at x`);
  };
}

const clock = fastClock(1000);

test.each([
  ["the work", { random: failingAtFirst(() => 0) }],
  ["the beginning", { clock: { ...clock, monotonicMs: failingAtFirst(() => clock.monotonicMs()) } }],
])("a defect in %s costs one line in the log and no later call", async (_where, timing) => {
  await using api = await startStandIn({ createImage: smallImage, script: [refuse(1024)] });
  const logged: string[] = [];
  await using server = await startServer({ api, ...timing, log: (line) => logged.push(line) });

  const result = await server.generate({ prompt: "a cat" });
  expect(result).toEqual({ content: [{ type: "text", text: UNEXPECTED }], isError: true });
  expect(logged).toEqual([expect.stringMatching(/^Unexpected error: bad header [^\n]+$/)]);

  expect(outputOf(await server.generate({ prompt: "a dog" })).saved_count).toBe(1);
});

test("nothing more is told of a call that was answered", async () => {
  await using api = await startStandIn({ createImage: smallImage });
  const stopped = manualClock();
  await using server = await startServer({ api, clock: stopped });

  expect(outputOf(await server.generate({ prompt: "a cat" })).saved_count).toBe(1);

  expect(stopped.sleepers()).toBe(0);
});

test("refusals and cancellations are not logged", async () => {
  await using api = await startStandIn({ script: [refuse(1026), fallSilent()] });
  const logged: string[] = [];
  await using server = await startServer({ api, log: (line) => logged.push(line) });

  expect(textOf(await server.generate({ n: 0 }))).toContain("- n: expected an integer from 1 to 9");
  expect(textOf(await server.generate({ prompt: "a cat" }))).toContain("Status code: 1026");
  const call = begin(server);
  await waitFor("the request", () => api.requests.length === 2);
  call.cancel();
  await expect(call.result).rejects.toThrow();
  await waitFor("the closed connection", () => api.openExchanges() === 0);
  await server.client.ping();

  expect(logged).toEqual([]);
});
