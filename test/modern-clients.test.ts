import { readdir } from "node:fs/promises";
import { resolve } from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { expect, test } from "vitest";
import { fallSilent } from "../stand-in/behaviours.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";
import { waitFor } from "./support/wait-for.ts";

const TOOL = "minimax_image_generate";
const MODES = [
  ["pinned to 2026-07-28", { pin: "2026-07-28" }, "modern"],
  ["in its automatic mode", "auto", "modern"],
  ["in its default mode", "legacy", "legacy"],
] as const;

type Mode = (typeof MODES)[number][1];

async function connect(api: { readonly url: string }, mode: Mode) {
  const directory = await temporaryDirectory();
  const client = new Client({ name: "test", version: "1.0.0" }, { versionNegotiation: { mode } });
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [resolve("dist", "index.js")],
      env: { MINIMAX_API_KEY: STAND_IN_KEY, MINIMAX_API_HOST: api.url, MINIMAX_OUTPUT_DIR: directory.path },
      cwd: directory.path,
      stderr: "ignore",
    }),
  );
  return {
    client,
    outputDirectory: directory.path,
    async [Symbol.asyncDispose]() {
      await client.close();
      await directory[Symbol.asyncDispose]();
    },
  };
}

test.each(MODES)("the SDK's new client %s is told what the server is", async (_name, mode, era) => {
  await using api = await startStandIn();
  await using server = await connect(api, mode);
  const { client } = server;

  expect(client.getProtocolEra()).toBe(era);
  expect(client.getServerVersion()).toMatchObject({ name: "minimax-image-mcp" });
  expect(client.getInstructions()).toContain(TOOL);
  expect(client.getServerCapabilities()?.resources).toBeUndefined();
  expect((await client.listTools()).tools).toMatchObject([{ name: TOOL, outputSchema: { type: "object" } }]);
});

test.each(MODES)("the SDK's new client %s calls with progress", async (_name, mode) => {
  await using api = await startStandIn();
  await using server = await connect(api, mode);
  const seen: number[] = [];

  const result = await server.client.callTool(
    { name: TOOL, arguments: { prompt: "a cat", n: 2 } },
    { onprogress: ({ progress }) => seen.push(progress) },
  );
  const refused = await server.client.callTool({ name: TOOL, arguments: { n: 2 } });

  expect(result).toMatchObject({ structuredContent: { saved_count: 2 } });
  expect(seen.length).toBeGreaterThan(1);
  expect(await readdir(server.outputDirectory)).toHaveLength(2);
  expect(refused).toMatchObject({ isError: true });
});

test.each(MODES)("the SDK's new client %s cancels", async (_name, mode) => {
  await using api = await startStandIn({ script: [fallSilent()] });
  await using server = await connect(api, mode);
  const controller = new AbortController();
  const call = server.client.callTool({ name: TOOL, arguments: { prompt: "a cat" } }, { signal: controller.signal });
  call.catch(() => undefined);
  await waitFor("the request", () => api.requests.length === 1);

  controller.abort("AbortError: user-cancel");

  await expect(call).rejects.toThrow();
  await waitFor("the closed connection", () => api.openExchanges() === 0);
  expect((await server.client.listTools()).tools).toHaveLength(1);
  expect(await readdir(server.outputDirectory)).toEqual([]);
});
