import { readdir } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { refuse } from "../../stand-in/behaviours.ts";
import { startStandIn } from "../../stand-in/server.ts";
import { outputOf, type SeenProgress, spawnServer } from "../support/server.ts";

describe.concurrent("the built server on the real clock", () => {
  test("lets 25 calls succeed at once where 10 a minute are allowed", async () => {
    await using api = await startStandIn({ requestsPerMinute: 10, generationMs: 2000 });
    await using server = await spawnServer({ api });

    const results = await Promise.all(Array.from({ length: 25 }, () => server.generate({ prompt: "a cat" })));

    for (const result of results) expect(outputOf(result).saved_count).toBe(1);
    expect(api.requests).toHaveLength(25);
    expect(await readdir(server.outputDir)).toHaveLength(25);
  });

  test("waits out a rate limit for its minute, and says so every five seconds", async () => {
    await using api = await startStandIn({ script: [refuse(1002)] });
    await using server = await spawnServer({ api });
    const seen: (SeenProgress & { readonly atMs: number })[] = [];
    const startedAt = performance.now();

    const result = await server.generate(
      { prompt: "a cat" },
      { onProgress: (progress) => seen.push({ ...progress, atMs: performance.now() - startedAt }) },
    );

    expect(performance.now() - startedAt).toBeGreaterThan(60_000);
    expect(outputOf(result).saved_count).toBe(1);
    expect(api.requests).toHaveLength(2);
    const gaps = seen.slice(1).map(({ atMs }, index) => atMs - (seen[index]?.atMs ?? 0));
    expect(Math.max(...gaps)).toBeLessThan(6000);
  });
});
