import { expect, test } from "vitest";
import { fallSilent } from "../stand-in/behaviours.ts";
import { startStandIn } from "../stand-in/server.ts";
import { runServer, type SpawnedServer, spawnServer } from "./support/server.ts";
import { waitFor } from "./support/wait-for.ts";

test("a line that is no JSON costs a line on stderr", async () => {
  await using api = await startStandIn();
  await using server = await spawnServer({ api });
  const lines = ["not json", "{", "\u0000\u0001", ""];

  for (const line of lines) server.transport.write(`${line}\n`);

  await waitFor("the notes", () => notesOf(server).length === lines.length);
  await server.client.ping();
  expect(refusalsOf(server)).toHaveLength(0);
});

test.each([
  ["an empty list", "[]"],
  ["a list of requests", '[{"jsonrpc":"2.0","id":1,"method":"ping"}]'],
  ["null", "null"],
  ["a text", '"text"'],
  ["an empty object", "{}"],
  ["another version of JSON-RPC", '{"jsonrpc":"1.0"}'],
  ["a method that is a number", '{"jsonrpc":"2.0","method":7}'],
  ["the id null", '{"jsonrpc":"2.0","id":null,"method":"ping"}'],
  ["an id that is an object", '{"jsonrpc":"2.0","id":{},"method":"ping"}'],
])("%s is refused under the id null and noted on stderr", async (_what, line) => {
  await using api = await startStandIn();
  await using server = await spawnServer({ api });

  server.transport.write(`${line}\n`);

  await waitFor("the note", () => notesOf(server).length === 1);
  await server.client.ping();
  expect(refusalsOf(server)).toStrictEqual([expect.stringContaining('"code":-32600')]);
});

test.each(['{"jsonrpc":"2.0","id":null,"result":{}}', '{"jsonrpc":"2.0","id":null,"error":{"code":1}}'])(
  "an answer is never answered: %s",
  async (line) => {
    await using api = await startStandIn();
    await using server = await spawnServer({ api });

    server.transport.write(`${line}\n`);

    await server.client.ping();
    expect(notesOf(server)).toHaveLength(1);
    expect(refusalsOf(server)).toHaveLength(0);
  },
);

const ODD_IDS = ["0", "-1", '""', '"1"', "1.5", "9007199254740993", "-12345678901234567890", "1e400", '"\\""'];

test("a request is answered under its id, however odd", async () => {
  await using api = await startStandIn();
  await using server = await spawnServer({ api });

  for (const id of ODD_IDS) server.transport.write(`{"jsonrpc":"2.0","id":${id},"method":"tools/list"}\n`);

  for (const id of ODD_IDS) await waitFor(id, () => answersTo(server, id, '"tools":').length === 1);
});

test("a call can be cancelled by its id, however odd, and is not answered", async () => {
  await using api = await startStandIn({ otherwise: fallSilent() });
  await using server = await spawnServer({ api, env: { MINIMAX_RPM: "0" } });
  const params = JSON.stringify({ name: "minimax_image_generate", arguments: { prompt: "a cat" } });
  for (const id of ODD_IDS) {
    server.transport.write(`{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":${params}}\n`);
  }
  await waitFor("the requests", () => api.openExchanges() === ODD_IDS.length);

  for (const [index, id] of ODD_IDS.entries()) {
    server.transport.write(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id}}}\n`);
    await waitFor(`the end of ${id}`, () => api.openExchanges() === ODD_IDS.length - index - 1);
  }
  await server.client.ping();
  for (const id of ODD_IDS) expect(answersTo(server, id, '"content":')).toHaveLength(0);
});

test("a byte order mark in front of initialize is dropped", async () => {
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "a", version: "1" } };
  const initialize = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params });

  const { stdout } = await runServer({ env: { MINIMAX_API_KEY: "sk-api-0123456789" }, input: `\ufeff${initialize}\n` });

  expect(stdout).toContain('"protocolVersion":"2025-11-25"');
});

function answersTo(server: SpawnedServer, id: string, part: string): string[] {
  return server.transport.stdout.split("\n").filter((line) => line.includes(part) && line.endsWith(`,"id":${id}}`));
}

function notesOf(server: SpawnedServer): string[] {
  const notes = server.transport.stderr.split("\n").slice(1, -1);
  for (const note of notes) expect(note).toMatch(/^Protocol error: .{1,310}$/);
  return notes;
}

function refusalsOf(server: SpawnedServer): string[] {
  return server.transport.stdout.split("\n").filter((line) => line.endsWith(',"id":null}'));
}
