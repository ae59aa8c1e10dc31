import { afterAll, beforeAll } from "vitest";
import { type StandIn, startStandIn } from "../../stand-in/server.ts";
import { type SpawnedServer, spawnQuickServer } from "./server.ts";

/** A stand-in and a server that all tests of one group use, one after the other, because none of them leaves a trace. */
export function shareServer(): { readonly api: () => StandIn; readonly server: () => SpawnedServer } {
  let api: StandIn | undefined;
  let server: SpawnedServer | undefined;
  beforeAll(async () => {
    api = await startStandIn();
    server = await spawnQuickServer({ api, env: { MINIMAX_RPM: "0" } });
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await api?.[Symbol.asyncDispose]();
  });
  return { api: () => started(api), server: () => started(server) };
}

function started<T>(part: T | undefined): T {
  if (part === undefined) throw new Error("It is there only while tests run.");
  return part;
}
