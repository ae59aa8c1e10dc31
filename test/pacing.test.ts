import { expect, test } from "vitest";
import { refuse } from "../stand-in/behaviours.ts";
import { startStandIn } from "../stand-in/server.ts";
import { bigJpeg } from "./support/big-jpeg.ts";
import { type SeenProgress, spawnQuickServer, textOf } from "./support/server.ts";
import { waitFor } from "./support/wait-for.ts";

const SPEED = 25;
const SCALED_MINUTE_MS = 40_000 / SPEED;
const LONG = { MINIMAX_TIMEOUT_MS: "300000" };
const tiny = { prompt: "a cat" };

test("pacing lets 25 calls at once succeed where 10 a minute are allowed, without one refusal", async () => {
  await using api = await startStandIn({ requestsPerMinute: 10, minuteMs: SCALED_MINUTE_MS, createImage });
  await using server = await spawnQuickServer({ api, speed: SPEED, env: LONG });

  const results = await Promise.all(Array.from({ length: 25 }, () => server.generate(tiny)));

  for (const result of results) expect(result.structuredContent).toMatchObject({ saved_count: 1 });
  expect(api.requests).toHaveLength(25);
});

test("pacing is first come, first served, and says how many go first", async () => {
  await using api = await startStandIn({ createImage });
  await using server = await spawnQuickServer({ api, speed: SPEED, env: { ...LONG, MINIMAX_RPM: "1" } });
  const seen: SeenProgress[] = [];
  const prompts = ["first", "second", "third"];

  await Promise.all(
    prompts.map((prompt) => server.generate({ prompt }, { onProgress: (progress) => seen.push(progress) })),
  );

  expect(api.requests.map(({ body }) => body)).toMatchObject(prompts.map((prompt) => ({ prompt })));
  const messages = seen.map(({ message }) => message ?? "");
  expect(messages).toContainEqual(expect.stringMatching(/waiting for a slot.*, [12] calls? ahead, about \d+ s/));
  expect(messages).toContainEqual(expect.stringMatching(/waiting for a slot.*, 0 calls ahead, about \d+ s/));
});

test("pacing lets a rate limit seen by one call hold back the others", async () => {
  await using api = await startStandIn({ script: [refuse(1002)], createImage });
  await using server = await spawnQuickServer({ api, speed: SPEED, env: { ...LONG, MINIMAX_RPM: "0" } });
  let limited = false;
  const first = server.generate(tiny, {
    onProgress: ({ message }) => {
      limited ||= message?.includes("Attempt 2 of 4") === true;
    },
  });
  await waitFor("the rate limit", () => limited);
  const startedAt = performance.now();

  await server.generate({ prompt: "the other" });

  expect((performance.now() - startedAt) * SPEED).toBeGreaterThan(40_000);
  expect(await first).toMatchObject({ structuredContent: { saved_count: 1 } });
});

test("pacing refuses a call whose turn would come too late, and nothing is sent for it", async () => {
  await using api = await startStandIn({ createImage });
  await using server = await spawnQuickServer({
    api,
    speed: 5,
    env: { MINIMAX_TIMEOUT_MS: "40000", MINIMAX_RPM: "1" },
  });

  const [first, second] = await Promise.all([server.generate(tiny), server.generate(tiny)]);

  expect(first.structuredContent).toMatchObject({ saved_count: 1 });
  expect(textOf(second)).toMatch(/the next free slot is in \d\d s/);
  expect(textOf(second)).toContain("Nothing was sent or billed");
  expect(api.requests).toHaveLength(1);
});

test("pacing can be turned off", async () => {
  await using api = await startStandIn({ createImage });
  await using server = await spawnQuickServer({ api, speed: 1, env: { MINIMAX_RPM: "0" } });

  await Promise.all(Array.from({ length: 30 }, () => server.generate(tiny)));

  expect(api.requests).toHaveLength(30);
});

function createImage(): Promise<Buffer> {
  return Promise.resolve(bigJpeg(2000));
}
