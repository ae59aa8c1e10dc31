import fc from "fast-check";
import { expect, test } from "vitest";
import { startStandIn } from "../stand-in/server.ts";
import { anyText } from "./support/any-text.ts";
import { spawnServer } from "./support/server.ts";
import { waitFor } from "./support/wait-for.ts";

test("stdin may hold lines that are no JSON or no JSON-RPC; each is noted on stderr and the session goes on", async () => {
  await using api = await startStandIn();
  await using server = await spawnServer({ api });
  const lines = [
    "not json",
    "{",
    "[]",
    "null",
    '{"jsonrpc":"1.0"}',
    '{"jsonrpc":"2.0"}',
    '"text"',
    "\u0000\u0001",
    "{}",
  ];

  for (const line of lines) server.transport.write(`${line}\n`);

  await server.client.ping();
  const notes = server.transport.stderr.split("\n").slice(1, -1);
  expect(notes).toHaveLength(lines.length);
  for (const note of notes) expect(note).toMatch(/^Protocol error: .{1,310}$/);
});

test("stdin may hold anything at all in its lines: the next request is answered", async () => {
  await using api = await startStandIn();
  await using server = await spawnServer({ api });
  const line = fc.oneof(
    anyText(),
    fc.json(),
    fc
      .record({ jsonrpc: fc.constant("2.0"), id: fc.jsonValue(), method: fc.jsonValue(), params: fc.jsonValue() })
      .map((value) => JSON.stringify(value)),
  );

  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 20 }), async (lines) => {
      for (const text of lines) server.transport.write(`${text.replaceAll("\n", " ")}\n`);
      await server.client.ping();
    }),
    { numRuns: 50 },
  );
});

test("stdin may hold a request of 40 MB", async () => {
  await using api = await startStandIn();
  await using server = await spawnServer({ api });

  const result = await server.generate({ prompt: "a cat", negative_prompt: "x".repeat(40_000_000) });

  expect(result.structuredContent).toMatchObject({ saved_count: 1 });
});

test("stdin may ask for a method, a tool or a protocol that is not there", async () => {
  await using api = await startStandIn();
  await using server = await spawnServer({ api });
  for (const [id, method, params] of [
    [901, "server/discover", {}],
    [902, "resources/read", { uri: "file:///etc/passwd" }],
    [903, "tools/call", { name: "another_tool", arguments: {} }],
  ] as const) {
    server.transport.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
  }

  await waitFor("three answers", () => [901, 902, 903].every((id) => server.transport.stdout.includes(`"id":${id}`)));
  expect(server.transport.stdout.match(/-32601/g)).toHaveLength(2);
  expect(server.transport.stdout).toContain("another_tool not found");
});
