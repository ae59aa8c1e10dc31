import { readdir } from "node:fs/promises";
import { expect, test } from "vitest";
import { startStandIn } from "../stand-in/server.ts";
import { smallImage } from "./support/big-jpeg.ts";
import { begin } from "./support/pending-call.ts";
import { PHASES } from "./support/phases.ts";
import { outputOf, spawnServer } from "./support/server.ts";
import { waitFor } from "./support/wait-for.ts";

test.concurrent.each(PHASES)("cancelling while $name leaves nothing behind", async (phase) => {
  await using api = await startStandIn({ createImage: smallImage, ...phase.api });
  await using server = await spawnServer({ api, speed: 20, env: { MINIMAX_RPM: "0" } });
  const call = begin(server, phase.args);
  await call.reaches(phase.message);
  await waitFor("the request", () => api.requests.length === 1);

  call.cancel();

  await expect(call.result).rejects.toThrow();
  await waitFor("closed connections", () => api.openExchanges() === 0);
  await server.client.ping();
  const isPartial = (name: string): boolean => !name.endsWith(".jpeg");
  await waitFor("an end to all writing", async () => !(await readdir(server.outputDir)).some(isPartial));
  const { length: saved } = await readdir(server.outputDir);
  expect(api.requests).toHaveLength(1);
  expect(outputOf(await server.generate({ prompt: "a dog" })).saved_count).toBe(1);
  expect(api.requests).toHaveLength(2);
  expect(await readdir(server.outputDir)).toHaveLength(saved + 1);
});

test("cancelling what is over or never was is harmless", async () => {
  await using api = await startStandIn({ createImage: smallImage });
  await using server = await spawnServer({ api });
  await server.generate({ prompt: "a cat" });
  for (const reason of [undefined, "McpError: MCP error -32001: Request timed out"]) {
    for (const requestId of [1, 99, "never"]) {
      await server.client.notification({ method: "notifications/cancelled", params: { requestId, reason } });
    }
  }

  expect(outputOf(await server.generate({ prompt: "a cat" }))).not.toHaveProperty("warnings");
  expect(await readdir(server.outputDir)).toHaveLength(2);
  expect(api.requests).toHaveLength(2);
});
