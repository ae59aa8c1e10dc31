import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";
import { expect, test } from "vitest";
import { type ManualClock, manualClock } from "../../test/support/manual-clock.ts";
import { metaOf } from "../../test/support/raw-requests.ts";
import { waitFor } from "../../test/support/wait-for.ts";
import { TOOL_NAME } from "../constants.ts";
import { offerView } from "../view/resources.ts";
import { RevisionTransport } from "./revision-transport.ts";
import { TASK_AFTER_MS, Tasks } from "./tasks.ts";

const TASKS = "io.modelcontextprotocol/tasks";

interface Setup {
  readonly clock: ManualClock;
  readonly received: JSONRPCMessage[];
  readonly ask: (id: number, method: string, params: Readonly<Record<string, unknown>>) => Promise<JSONRPCMessage>;
  readonly send: (message: JSONRPCMessage) => Promise<void>;
  readonly reasons: unknown[];
  readonly close: () => Promise<void>;
}

/** A server whose tool makes progress once and answers when it is aborted, or at once for the prompt "now". */
async function setup(): Promise<Setup> {
  const clock = manualClock();
  const tasks = new Tasks(clock);
  const mcp = new McpServer({ name: "test", version: "1.0.0" });
  const reasons: unknown[] = [];
  mcp.registerTool(TOOL_NAME, {}, async ({ signal, sendNotification, _meta }) => {
    if (_meta?.progressToken !== undefined) {
      const params = { progressToken: _meta.progressToken, progress: 1, message: "generating" };
      await sendNotification({ method: "notifications/progress", params });
    }
    if (_meta?.["now"] === true) return { content: [{ type: "text", text: "done" }] };
    await new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => {
        reasons.push(signal.reason);
        resolve();
      });
    });
    return { content: [] };
  });
  const introduce = offerView(mcp, "Instructions.", () => Promise.reject(new Error("no image")));
  const [clientSide, serverSide] = InMemoryTransport.createLinkedPair();
  await mcp.connect(new RevisionTransport(serverSide, introduce, tasks));
  const received: JSONRPCMessage[] = [];
  clientSide.onmessage = (message) => {
    received.push(message);
  };
  const send = (message: JSONRPCMessage): Promise<void> => clientSide.send(message);
  return {
    clock,
    received,
    send,
    reasons,
    ask: async (id, method, params) => {
      await send({ jsonrpc: "2.0", id, method, params });
      return waitFor(`answer ${id}`, () => received.find((message) => "id" in message && message.id === id));
    },
    close: () => clientSide.close(),
  };
}

test("a request of an older revision passes untouched, both ways", async () => {
  const { ask } = await setup();

  expect(await ask(1, "ping", {})).toStrictEqual({ jsonrpc: "2.0", id: 1, result: {} });
  expect(await ask(2, "tools/call", { name: TOOL_NAME, _meta: { now: true } })).toStrictEqual({
    jsonrpc: "2.0",
    id: 2,
    result: { content: [{ type: "text", text: "done" }] },
  });
});

test("discovery, lists and refusals have the form of the revision", async () => {
  const { ask } = await setup();
  const _meta = metaOf();

  expect(await ask(1, "server/discover", { _meta })).toMatchObject({ result: { supportedVersions: ["2026-07-28"] } });
  expect(await ask(2, "tools/list", { _meta })).toMatchObject({ result: { resultType: "complete", ttlMs: 300_000 } });
  expect(await ask(3, "resources/list", { _meta })).toMatchObject({ error: { code: -32_601 } });
  expect(await ask(4, "resources/list", { _meta: metaOf("io.modelcontextprotocol/ui") })).toHaveProperty("result");
  expect(await ask(5, "ping", { _meta })).toMatchObject({ error: { code: -32_601 } });
  expect(await ask(6, "tools/call", { name: "other", _meta })).toMatchObject({ error: { code: -32_602 } });
  expect(await ask(7, "tasks/get", { taskId: "a", _meta })).toMatchObject({ error: { code: -32_021 } });
  expect(await ask(8, "tasks/get", { taskId: "a", _meta: metaOf(TASKS) })).toMatchObject({ error: { code: -32_602 } });
  expect(await ask(9, "resources/read", { uri: "x:", _meta })).toMatchObject({ error: { code: -32_602 } });
  const other = { ...metaOf(), "io.modelcontextprotocol/protocolVersion": "2099-01-01" };
  expect(await ask(10, "tools/list", { _meta: other })).toMatchObject({ error: { code: -32_022 } });
  const lacking = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };
  expect(await ask(11, "tools/list", { _meta: lacking })).toMatchObject({ error: { code: -32_602 } });
});

test("a call that is over soon is answered in one turn", async () => {
  const { ask, clock } = await setup();

  expect(await ask(1, "tools/call", { name: TOOL_NAME, _meta: { ...metaOf(TASKS), now: true } })).toMatchObject({
    result: { resultType: "complete", content: [{ text: "done" }] },
  });
  expect(clock.sleepers()).toBe(0);
});

test("a task is handed out, fetched and cancelled", async () => {
  const { ask, clock, received, reasons } = await setup();
  const answer = ask(1, "tools/call", { name: TOOL_NAME, _meta: metaOf(TASKS) });
  await waitFor("the wait", () => clock.sleepers() === 1);
  await clock.advance(TASK_AFTER_MS);
  expect(await answer).toMatchObject({ result: { resultType: "task", statusMessage: "generating" } });
  const taskId = JSON.stringify(await answer).replace(/.*"taskId":"([^"]+)".*/, "$1");
  const params = { taskId, _meta: metaOf(TASKS) };

  expect(await ask(2, "tasks/get", params)).toMatchObject({ result: { resultType: "complete", status: "working" } });
  expect(await ask(3, "tasks/update", params)).toMatchObject({ result: { resultType: "complete" } });
  expect(await ask(4, "tasks/cancel", params)).toMatchObject({ result: { resultType: "complete" } });
  expect(await ask(5, "tasks/get", params)).toMatchObject({ result: { status: "cancelled" } });

  expect(reasons).toEqual(["tasks/cancel"]);
  expect(received.filter((message) => "method" in message)).toEqual([]);
});

test("progress goes to a client that asked for it", async () => {
  const { send, received, clock } = await setup();

  const _meta = { ...metaOf(TASKS), progressToken: 0 };
  await send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: TOOL_NAME, _meta } });

  await waitFor("progress", () => received.length === 1);
  expect(received).toMatchObject([{ method: "notifications/progress", params: { progressToken: 0 } }]);
  await send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } });
  expect(clock.sleepers()).toBe(0);
});

test("the end of the connection ends the waits", async () => {
  const { send, close, clock } = await setup();
  await send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: TOOL_NAME, _meta: metaOf(TASKS) } });
  expect(clock.sleepers()).toBe(1);

  await close();

  expect(clock.sleepers()).toBe(0);
});
