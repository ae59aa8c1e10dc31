import fc from "fast-check";
import { expect, test } from "vitest";
import { TOOL_NAME } from "../src/constants.ts";
import { startStandIn } from "../stand-in/server.ts";
import { anyText } from "./support/any-text.ts";
import { smallImage } from "./support/big-jpeg.ts";
import { begin, hold } from "./support/pending-call.ts";
import { answerTo, write } from "./support/raw-requests.ts";
import { outputOf, spawnServer, STARTED } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { waitFor } from "./support/wait-for.ts";

const shared = shareServer();

test("whatever stands in its lines, the next request is answered", async () => {
  await using server = await spawnServer({ api: { url: "http://127.0.0.1:8" } });
  const [id, method, params] = [fc.jsonValue(), fc.jsonValue(), fc.jsonValue()];
  const anyRequest = fc.record({ jsonrpc: fc.constant("2.0"), id, method, params });
  const line = fc.oneof(
    anyText(),
    fc.json(),
    anyRequest.map((value) => JSON.stringify(value)),
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
  expect(server.transport.stderr).toBe(`${STARTED}Protocol error: a message of more than 72 MB was dropped\n`);
});

test.each([
  ["params", "tools/list", { params: null }],
  ["a cursor", "tools/list", { params: { cursor: null } }],
  ["_meta", "tools/list", { params: { _meta: null } }],
  ["a progress token", "tools/list", { params: { _meta: { progressToken: null } } }],
  ["arguments", "tools/call", { params: { name: TOOL_NAME, arguments: null } }],
])("null in place of %s is absent", async (what, method, rest) => {
  const { server } = shared.begin();

  write(server, { id: what, method, ...rest });

  expect(await answerTo(server, what)).toHaveProperty("result");
});

test.each([
  ["an unknown method", { method: "no/such-method", params: {} }, "Method not found"],
  ["an unknown tool", { method: "tools/call", params: { name: "x", arguments: {} } }, "Tool x not found"],
  ["arguments as text", { method: "tools/call", params: { name: TOOL_NAME, arguments: '{"prompt":"x"}' } }, undefined],
  ["a call without a name", { method: "tools/call", params: {} }, undefined],
  ["_meta as a number", { method: "tools/list", params: { _meta: 7 } }, undefined],
  ["an odd progress token", { method: "tools/list", params: { _meta: { progressToken: {} } } }, undefined],
  ["a method that is a number", { method: 7 }, undefined],
])("%s is refused under its id, in words", async (what, message, words) => {
  const { api, server } = shared.begin();

  write(server, { id: what, ...message });

  const answer = JSON.stringify(await answerTo(server, what));
  expect(answer).toContain(words ?? "The request is not valid");
  expect(answer.includes("Recovery: ")).toBe(words === undefined);
  expect(answer).not.toMatch(/\\"code\\"|invalid_type/);
  expect(api.requests).toHaveLength(0);
});
