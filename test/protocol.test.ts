import fc from "fast-check";
import { expect, test } from "vitest";
import { TOOL_NAME } from "../src/constants.ts";
import { startStandIn } from "../stand-in/server.ts";
import { anyText } from "./support/any-text.ts";
import { smallImage } from "./support/big-jpeg.ts";
import { begin, hold } from "./support/pending-call.ts";
import { outputOf, type SpawnedServer, spawnServer, STARTED } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { waitFor } from "./support/wait-for.ts";

const DROPPED = "Protocol error: a message of more than 72 MB was dropped\n";

const shared = shareServer();

async function answerTo(server: SpawnedServer, message: Readonly<Record<string, unknown>>): Promise<string> {
  const { length } = server.transport.stdout;
  server.transport.write(`${JSON.stringify({ jsonrpc: "2.0", id: "asked", ...message })}\n`);
  return waitFor("the answer", () =>
    server.transport.stdout
      .slice(length)
      .split("\n")
      .slice(0, -1)
      .find((line) => line.includes('"id":"asked"')),
  );
}

test("whatever stands in its lines, the next request is answered", async () => {
  await using server = await spawnServer({ api: { url: "http://127.0.0.1:8" } });
  const anyRequest = {
    jsonrpc: fc.constant("2.0"),
    id: fc.jsonValue(),
    method: fc.jsonValue(),
    params: fc.jsonValue(),
  };
  const line = fc.oneof(
    anyText(),
    fc.json(),
    fc.record(anyRequest).map((value) => JSON.stringify(value)),
  );

  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 20 }), async (lines) => {
      for (const text of lines) server.transport.write(`${text.replaceAll("\n", " ")}\n`);
      await server.client.ping();
    }),
    { numRuns: 50 },
  );
});

test("a request of 40 MB is answered", async () => {
  const { server } = shared.begin();

  const output = outputOf(await server.generate({ prompt: "a cat", no_parameter: "x".repeat(40_000_000) }));

  expect(output.saved_count).toBe(1);
});

test("a line above 72 MB costs a line on stderr, and a paid call goes on", async () => {
  const held = hold();
  await using api = await startStandIn({ createImage: smallImage, script: [held.behaviour] });
  await using server = await spawnServer({ api });
  const call = begin(server);
  await waitFor("the request", () => api.requests.length === 1);

  const piece = "x".repeat(1_000_000);
  for (let count = 0; count < 74; count++) server.transport.write(piece);
  server.transport.write("\n");
  await waitFor("the line", () => server.transport.stderr.split("\n").length === 3);
  held.release();

  expect(outputOf(await call.result).saved_count).toBe(1);
  expect(server.transport.stderr).toBe(`${STARTED}${DROPPED}`);
});

test("a huge line without an end and the end of stdin end the server", async () => {
  await using server = await spawnServer({ api: { url: "http://127.0.0.1:8" } });

  server.transport.process.stdin.end("x".repeat(74_000_000));

  expect(await server.exited).toEqual({ code: 0, signal: null });
  expect(server.transport.stderr).toBe(`${STARTED}${DROPPED}`);
});

test.each([
  ["an unknown method", { method: "no/such-method", params: {} }, "-32601"],
  ["a resource that is none", { method: "resources/read", params: { uri: "file:///etc/passwd" } }, "-32602"],
  [
    "an unknown tool",
    { method: "tools/call", params: { name: "another_tool", arguments: {} } },
    "another_tool not found",
  ],
])("%s is refused in words", async (_, message, words) => {
  const { server } = shared.begin();

  expect(await answerTo(server, message)).toContain(words);
});

test.each([
  ["params", "tools/list", { params: null }],
  ["a cursor", "tools/list", { params: { cursor: null } }],
  ["_meta", "tools/list", { params: { _meta: null } }],
  ["a progress token", "tools/list", { params: { _meta: { progressToken: null } } }],
  ["params of a ping", "ping", { params: null }],
])("null in place of %s is absent", async (_, method, rest) => {
  const { server } = shared.begin();

  expect(await answerTo(server, { method, ...rest })).toContain('"result":');
});

test("null in place of arguments is a call without any", async () => {
  const { server } = shared.begin();

  const answer = await answerTo(server, { method: "tools/call", params: { name: TOOL_NAME, arguments: null } });

  expect(answer).toContain("prompt: expected text of 1 to 1500 characters; got nothing");
});

test.each([
  ["arguments as JSON text", { method: "tools/call", params: { name: TOOL_NAME, arguments: '{"prompt":"x"}' } }],
  ["arguments as a list", { method: "tools/call", params: { name: TOOL_NAME, arguments: [1] } }],
  ["a call without a name", { method: "tools/call", params: {} }],
  ["params as text", { method: "tools/list", params: "x" }],
  ["_meta as a number", { method: "tools/list", params: { _meta: 7 } }],
  ["a progress token that is an object", { method: "tools/list", params: { _meta: { progressToken: {} } } }],
  ["a method that is a number", { method: 7 }],
])("%s is answered under its id, in words", async (_, message) => {
  const { api, server } = shared.begin();

  const answer = await answerTo(server, message);

  expect(answer).toContain('"error":');
  expect(answer).toContain("The request is not valid");
  expect(answer).toContain("Recovery: ");
  expect(answer).not.toMatch(/\\"code\\"|invalid_type/);
  expect(api.requests).toHaveLength(0);
});
