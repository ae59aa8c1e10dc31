import { readdir } from "node:fs/promises";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { fallSilent } from "../stand-in/behaviours.ts";
import { type StandIn, startStandIn } from "../stand-in/server.ts";
import { listening } from "./support/listening.ts";
import { callUntil, type Phase, PHASES } from "./support/phases.ts";
import { type SpawnedServer, spawnQuickServer, spawnServer } from "./support/server.ts";
import { waitFor } from "./support/wait-for.ts";

test.each(PHASES)(
  "cancelling a call while $name closes its connections, leaves no partial file, and the next call works",
  async (phase) => {
    await using api = await startStandIn(phase.api);
    await using server = await spawnQuickServer({ api, speed: phase.speed, env: { MINIMAX_RPM: "0" } });

    await cancelIn(server, phase, api);

    expect(api.requests).toHaveLength(1);
    await waitFor("closed connections", () => api.openExchanges() === 0);
    await expectNothingMore(server);
    expect(await server.generate({ prompt: "a dog" })).toMatchObject({ structuredContent: { saved_count: 1 } });
    expect(api.requests).toHaveLength(2);
  },
);

test("cancelling a call while connecting ends the call, and a connection that is established later is not used", async () => {
  await using api = await startStandIn();
  const received: Buffer[] = [];
  let connections = 0;
  await using tarpit = await listening(
    createServer((socket) => {
      connections += 1;
      socket.on("data", (bytes) => received.push(bytes));
    }),
  );
  await using server = await spawnServer({ api, env: { MINIMAX_API_HOST: `https://${tarpit.host}` } });

  await cancelIn(server, { args: {}, message: /^generating/ }, api, 0);

  await expectNothingMore(server);
  const isTlsHello = (bytes: Buffer): boolean => bytes[0] === 0x16;
  expect(connections).toBe(1);
  expect(received.filter((bytes) => !isTlsHello(bytes))).toEqual([]);
});

test("cancelling a call in the queue leaves its place to the next one", async () => {
  await using api = await startStandIn({ script: [fallSilent()] });
  await using server = await spawnServer({ api, env: { MINIMAX_RPM: "1" } });
  server.generate({ prompt: "first" }).catch(() => undefined);
  await waitFor("the first request", () => api.requests.length === 1);

  await cancelIn(server, { args: {}, message: /^waiting for a slot/ }, api);

  expect(api.requests).toHaveLength(1);
  await expectNothingMore(server);
});

test("cancelling a call that is over, or that never was, is harmless", async () => {
  await using api = await startStandIn();
  await using server = await spawnServer({ api });
  await server.generate({ prompt: "a cat" });
  for (const requestId of [1, 99, "nobody"]) {
    const notification = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId } };
    server.transport.write(`${JSON.stringify(notification)}\n`);
  }

  expect(await server.generate({ prompt: "a dog" })).toMatchObject({ structuredContent: { saved_count: 1 } });
  expect(await readdir(server.outputDir)).toHaveLength(2);
});

async function cancelIn(
  server: SpawnedServer,
  phase: Pick<Phase, "args" | "message">,
  api: StandIn,
  requests = 1,
): Promise<void> {
  const cancel = new AbortController();
  const { result } = await callUntil(phase, { server, api, requests, signal: cancel.signal });
  cancel.abort();
  await expect(result).rejects.toThrow();
}

async function expectNothingMore(server: SpawnedServer): Promise<void> {
  await server.client.ping();
  const isPartial = (name: string): boolean => !name.endsWith(".jpeg");
  await waitFor("an end to all writing", async () => !(await readdir(server.outputDir)).some(isPartial));
  const saved = await readdir(server.outputDir);
  await server.client.ping();
  expect(await readdir(server.outputDir)).toEqual(saved);
}
