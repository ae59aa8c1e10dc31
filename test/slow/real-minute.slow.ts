import { readdir } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { refuse } from "../../stand-in/behaviours.ts";
import { startStandIn } from "../../stand-in/server.ts";
import { type SeenProgress, spawnServer } from "../support/server.ts";

describe.concurrent(
  "the built server on the real clock, with a client that gives up after 60 s without progress",
  () => {
    test("lets 25 calls at once succeed against an API that allows 10 a minute", async () => {
      await using api = await startStandIn({ requestsPerMinute: 10, generationMs: 2000 });
      await using server = await spawnServer({ api });

      const results = await Promise.all(Array.from({ length: 25 }, () => server.generate({ prompt: "a cat" })));

      for (const result of results) expect(result.structuredContent).toMatchObject({ saved_count: 1 });
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
      expect(result.structuredContent).toMatchObject({ saved_count: 1 });
      expect(api.requests).toHaveLength(2);
      const gaps = seen.slice(1).map(({ atMs }, index) => atMs - (seen[index]?.atMs ?? 0));
      expect(Math.max(...gaps)).toBeLessThan(6000);
    });
  },
);
