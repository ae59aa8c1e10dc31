import { expect, test } from "vitest";
import { refuse } from "../stand-in/behaviours.ts";
import { startStandIn } from "../stand-in/server.ts";
import { smallImage } from "./support/big-jpeg.ts";
import { manualClock } from "./support/manual-clock.ts";
import { begin } from "./support/pending-call.ts";
import { outputOf, spawnServer, startServer, textOf } from "./support/server.ts";
import { waitFor } from "./support/wait-for.ts";

const CAT = { prompt: "a cat" };
const WINDOW_MS = 61_000;

test("25 calls at once are sent 10 a minute, and all succeed", async () => {
  await using api = await startStandIn({ createImage: smallImage });
  const clock = manualClock();
  await using server = await startServer({ api, clock, requestsPerMinute: 10 });
  const calls = Array.from({ length: 25 }, () => begin(server));

  for (const sent of [10, 20, 25]) {
    await waitFor(`${sent} requests`, () => api.requests.length === sent);
    await clock.advance(WINDOW_MS - 1);
    await server.client.ping();
    expect(api.requests).toHaveLength(sent);
    await clock.advance(1);
  }

  for (const { result } of calls) expect(outputOf(await result).saved_count).toBe(1);
  expect(api.requests).toHaveLength(25);
});

test("a rate limit seen by one call holds back the others", async () => {
  await using api = await startStandIn({ script: [refuse(1002)], createImage: smallImage });
  const clock = manualClock();
  await using server = await startServer({ api, clock });
  const first = begin(server);
  await first.reaches(/Attempt 2 of 4/);

  const second = begin(server, { prompt: "the other" });
  await second.reaches(/^waiting/);
  await clock.advance(59_000);
  await server.client.ping();
  expect(api.requests).toHaveLength(1);

  await clock.advance(30_000);
  expect(outputOf(await second.result).saved_count).toBe(1);
  expect(outputOf(await first.result).saved_count).toBe(1);
});

test("without MINIMAX_RPM the eleventh call waits", async () => {
  await using api = await startStandIn({ createImage: smallImage });
  await using server = await spawnServer({ api });
  const calls = Array.from({ length: 10 }, () => begin(server));
  await waitFor("ten requests", () => api.requests.length === 10);

  await begin(server).reaches(/^waiting for a slot.*, about (?:5\d|6[01]) s/);

  await Promise.all(calls.map(({ result }) => result));

  expect(api.requests).toHaveLength(10);
});

test("a call whose turn would come too late is refused, unsent", async () => {
  await using api = await startStandIn({ createImage: smallImage });
  await using server = await spawnServer({ api, env: { MINIMAX_TIMEOUT_MS: "40000", MINIMAX_RPM: "1" } });

  const first = await server.generate(CAT);
  const second = await server.generate(CAT);

  expect(outputOf(first).saved_count).toBe(1);
  expect(textOf(second)).toMatch(/the next free slot is in \d\d s/);
  expect(textOf(second)).toContain("Nothing was sent or billed");
  expect(api.requests).toHaveLength(1);
});
