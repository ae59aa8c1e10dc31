import { expect, test } from "vitest";
import { fallSilent } from "../stand-in/behaviours.ts";
import { startStandIn } from "../stand-in/server.ts";
import { runServer, type SpawnedServer, spawnServer } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { waitFor } from "./support/wait-for.ts";

const shared = shareServer();

interface Heard {
  /** Whole lines of stdout. */
  readonly said: () => string[];
  /** Whole lines of stderr. */
  readonly noted: () => string[];
}

/** What a server writes from now on. */
function listenTo({ transport }: SpawnedServer): Heard {
  const { length: said } = transport.stdout;
  const { length: noted } = transport.stderr;
  return {
    said: () => transport.stdout.slice(said).split("\n").slice(0, -1),
    noted: () => transport.stderr.slice(noted).split("\n").slice(0, -1),
  };
}

test.each([
  ["a line that is no JSON", "not json", false],
  ["a line of control characters", "\u0000\u0001", false],
  ["an empty line", "", false],
  ["a request without an id", '{"jsonrpc":"2.0","method":"ping"}', false],
  ["a result under the id null", '{"jsonrpc":"2.0","id":null,"result":{}}', false],
  ["an error under the id null", '{"jsonrpc":"2.0","id":null,"error":{"code":1}}', false],
  ["a list of requests", '[{"jsonrpc":"2.0","id":1,"method":"ping"}]', true],
  ["null", "null", true],
  ["a text", '"text"', true],
  ["an object without a method", '{"jsonrpc":"2.0"}', true],
  ["the id null", '{"jsonrpc":"2.0","id":null,"method":"ping"}', true],
  ["an id that is an object", '{"jsonrpc":"2.0","id":{},"method":"ping"}', true],
])("%s is noted on stderr, and a request refused", async (_what, line, isRefused) => {
  const { server } = shared.begin();
  const { said, noted } = listenTo(server);

  server.transport.write(`${line}\n`);

  await waitFor("the note", () => noted().length > 0);
  await server.client.ping();
  expect(noted()).toEqual([expect.stringMatching(/^Protocol error: .{1,310}$/)]);
  const refusals = said().filter((answer) => answer.endsWith(',"id":null}'));
  expect(refusals).toEqual(isRefused ? [expect.stringContaining('"code":-32600')] : []);
});

const ODD_IDS = ["0", "-1", '""', '"1"', "1.5", "9007199254740993", "-12345678901234567890", "1e400", '"\\""'];

test.each(ODD_IDS)("a request is answered under its id, however odd: %s", async (id) => {
  const { server } = shared.begin();
  const { said } = listenTo(server);

  server.transport.write(`{"jsonrpc":"2.0","id":${id},"method":"tools/list"}\n`);

  await waitFor("the answer", () => said().some((line) => line.includes('"tools":[') && line.endsWith(`,"id":${id}}`)));
});

test("a call can be cancelled by its id, however odd, and is not answered", async () => {
  await using api = await startStandIn({ otherwise: fallSilent() });
  await using server = await spawnServer({ api, env: { MINIMAX_RPM: "0" } });
  const { said } = listenTo(server);
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
  expect(said()).toHaveLength(1);
});

test.each([
  ["a byte order mark", "\ufeff", "2025-11-25"],
  ["a revision of the future", "", "2099-01-01"],
])("initialize with %s is answered", async (_what, mark, protocolVersion) => {
  const params = { protocolVersion, capabilities: {}, clientInfo: { name: "a", version: "1" } };
  const initialize = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params });

  const { stdout } = await runServer({
    env: { MINIMAX_API_KEY: "sk-api-0123456789" },
    input: `${mark}${initialize}\n`,
  });

  expect(stdout).toContain('"protocolVersion":"2025-11-25"');
});
