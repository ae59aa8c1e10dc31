import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";
import { expect, test } from "vitest";
import { name, version } from "../../package.json";
import { manualClock } from "../../test/support/manual-clock.ts";
import { metaOf } from "../../test/support/raw-requests.ts";
import { waitFor } from "../../test/support/wait-for.ts";
import { TOOL_NAME } from "../constants.ts";
import { offerView } from "../view/resources.ts";
import { RevisionTransport } from "./revision-transport.ts";
import { TASK_AFTER_MS, Tasks } from "./tasks.ts";

const UI = "io.modelcontextprotocol/ui";
const TASKS = "io.modelcontextprotocol/tasks";

/** A server whose tool makes progress once and answers when it is aborted, or at once for the prompt "now". */
async function setup() {
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
  const ask = async (
    id: number,
    method: string,
    params: Readonly<Record<string, unknown>>,
  ): Promise<JSONRPCMessage> => {
    await send({ jsonrpc: "2.0", id, method, params });
    return waitFor(`answer ${id}`, () => received.find((message) => "id" in message && message.id === id));
  };
  return { clock, received, reasons, send, ask, close: () => clientSide.close() };
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

test("discovery and lists have the form of the revision", async () => {
  const { ask } = await setup();
  const _meta = metaOf();
  const listed = {
    resultType: "complete",
    ttlMs: 300_000,
    cacheScope: "private",
    _meta: { "io.modelcontextprotocol/serverInfo": { name, version } },
  };

  expect(await ask(1, "server/discover", { _meta })).toMatchObject({
    result: {
      ...listed,
      supportedVersions: ["2026-07-28"],
      capabilities: { tools: {}, extensions: { [TASKS]: {} } },
      instructions: "Instructions.",
    },
  });
  const tools = await ask(2, "tools/list", { _meta });
  expect(tools).toMatchObject({ result: { ...listed, tools: [{ name: TOOL_NAME }] } });
  expect(JSON.parse(JSON.stringify(tools))).not.toHaveProperty("result.tools.0.execution");
  for (const [id, method] of ["resources/list", "resources/templates/list"].entries()) {
    expect(await ask(3 + id, method, { _meta })).toMatchObject({ error: { code: -32_601 } });
    expect(await ask(5 + id, method, { _meta: metaOf(UI) })).toMatchObject({ result: listed });
  }
});

const OTHER_REVISION = { ...metaOf(), "io.modelcontextprotocol/protocolVersion": "2099-01-01" };
const NO_CAPABILITIES = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };
const SUPPORTED = { supported: ["2026-07-28"], requested: "2099-01-01" };
const NEEDS_TASKS = { requiredCapabilities: { extensions: { [TASKS]: {} } } };

test.each([
  ["ping", {}, metaOf(), { code: -32_601, message: "Method not found" }],
  ["tools/call", { name: "other" }, metaOf(), { code: -32_602, message: "Unknown tool: other" }],
  ["tasks/get", { taskId: "a" }, metaOf(), { code: -32_021, data: NEEDS_TASKS }],
  ["tasks/get", { taskId: "a" }, metaOf(TASKS), { code: -32_602 }],
  ["resources/read", { uri: "x:" }, metaOf(), { code: -32_602 }],
  ["tools/list", {}, OTHER_REVISION, { code: -32_022, data: SUPPORTED }],
  ["tools/list", {}, NO_CAPABILITIES, { code: -32_602 }],
])("%s with %j is refused in the form of the revision (case %#)", async (method, params, _meta, error) => {
  const { ask } = await setup();

  expect(await ask(1, method, { ...params, _meta })).toMatchObject({ error });
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
