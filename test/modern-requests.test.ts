import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fallSilent } from "../stand-in/behaviours.ts";
import { startStandIn } from "../stand-in/server.ts";
import { bigJpeg } from "./support/big-jpeg.ts";
import { answerTo, ask, messagesOf, metaOf, REVISION, write } from "./support/raw-requests.ts";
import { spawnServer } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { waitFor } from "./support/wait-for.ts";

const shared = shareServer();
const UI = "io.modelcontextprotocol/ui";
const TASKS = "io.modelcontextprotocol/tasks";
const CAT = { name: "minimax_image_generate", arguments: { prompt: "a cat" } };
const PRIVATE = { resultType: "complete", cacheScope: "private" };
const SERVER_INFO = { "io.modelcontextprotocol/serverInfo": { name: "minimax-image-mcp" } };

test("server/discover says what initialize says, and the tasks", async () => {
  const { server } = shared.begin();

  const { result } = await ask(server, "server/discover", { _meta: metaOf() });

  expect(result).toStrictEqual({
    supportedVersions: [REVISION],
    capabilities: { tools: {}, extensions: { [TASKS]: {} } },
    instructions: server.client.getInstructions(),
    ttlMs: 300_000,
    ...PRIVATE,
    _meta: { "io.modelcontextprotocol/serverInfo": server.client.getServerVersion() },
  });
});

test("server/discover offers the view to a request that announces it", async () => {
  const { server } = shared.begin();

  const { result } = await ask(server, "server/discover", { _meta: metaOf(UI) });

  expect(result?.["capabilities"]).toStrictEqual({
    tools: {},
    resources: {},
    extensions: { [UI]: {}, [TASKS]: {} },
  });
});

test.each(["2099-01-01", "2025-11-25"])("the revision %s is refused with those that are served", async (requested) => {
  const { server } = shared.begin();
  const _meta = { ...metaOf(), "io.modelcontextprotocol/protocolVersion": requested };

  for (const method of ["server/discover", "tools/list"]) {
    const { error } = await ask(server, method, { _meta });
    expect(error).toMatchObject({ code: -32022, data: { supported: [REVISION], requested } });
  }
});

test.each([
  ["no _meta", {}],
  ["no capabilities", { _meta: { "io.modelcontextprotocol/protocolVersion": REVISION } }],
  ["no revision", { _meta: { "io.modelcontextprotocol/clientCapabilities": {} } }],
  ["a revision that is no text", { _meta: { ...metaOf(), "io.modelcontextprotocol/protocolVersion": 7 } }],
  ["capabilities that are no object", { _meta: { ...metaOf(), "io.modelcontextprotocol/clientCapabilities": [] } }],
])("server/discover with %s is refused", async (_what, params) => {
  const { server } = shared.begin();

  expect((await ask(server, "server/discover", params)).error).toMatchObject({ code: -32602 });
});

test.each([
  "initialize",
  "ping",
  "logging/setLevel",
  "resources/subscribe",
  "subscriptions/listen",
  "prompts/list",
  "tasks/list",
  "tasks/result",
  "resources/list",
  "resources/templates/list",
])("the revision has no %s here", async (method) => {
  const { server } = shared.begin();

  expect((await ask(server, method, { _meta: metaOf(TASKS) })).error).toMatchObject({ code: -32601 });
});

test("the list of tools is the older one without what the revision dropped", async () => {
  const { server } = shared.begin();

  const { result } = await ask(server, "tools/list", { _meta: metaOf() });

  const { tools } = await server.client.listTools();
  const expected = tools.map(({ execution, ...tool }) => (execution === undefined ? {} : tool));
  expect(result).toMatchObject({ tools: expected, ttlMs: 300_000, ...PRIVATE, _meta: SERVER_INFO });
  expect(JSON.stringify(result)).not.toContain('"execution"');
});

test("the view's resources are listed for a request that announces it", async () => {
  const { server } = shared.begin();

  const lists = ["resources/list", "resources/templates/list"].map((method) =>
    ask(server, method, { _meta: metaOf(UI) }),
  );

  for (const { result } of await Promise.all(lists)) expect(result).toMatchObject({ ttlMs: 300_000, ...PRIVATE });
});

test("the view and an image are read also without an announcement", async () => {
  const { server } = shared.begin();
  const path = join(server.outputDir, "a.jpeg");
  await writeFile(path, bigJpeg(2000));

  for (const uri of ["ui://minimax-image/images", `minimax-image:///${encodeURIComponent(path)}`]) {
    const { result } = await ask(server, "resources/read", { uri, _meta: metaOf() });
    expect(result).toMatchObject({ contents: [{ uri }], ttlMs: 0, ...PRIVATE, _meta: SERVER_INFO });
  }
  const uri = "file:///etc/passwd";
  const { error } = await ask(server, "resources/read", { uri, _meta: metaOf() });
  expect(error).toMatchObject({ code: -32602, data: { uri } });
});

test("an unknown tool is an error of the protocol", async () => {
  const { server } = shared.begin();

  const { error } = await ask(server, "tools/call", { name: "another_tool", arguments: {}, _meta: metaOf() });

  expect(error).toStrictEqual({ code: -32602, message: "Unknown tool: another_tool" });
});

test("a call is answered in the form of the revision, with progress", async () => {
  await using api = await startStandIn();
  await using server = await spawnServer({ api });

  const { result } = await ask(server, "tools/call", { ...CAT, _meta: { ...metaOf(), progressToken: 0 } });

  expect(result).toMatchObject({ resultType: "complete", structuredContent: { saved_count: 1 }, _meta: SERVER_INFO });
  expect(result).not.toHaveProperty("ttlMs");
  const progress = messagesOf(server).filter(({ method }) => method === "notifications/progress");
  expect(progress.length).toBeGreaterThan(1);
  for (const notification of progress) expect(notification).toMatchObject({ params: { progressToken: 0 } });
});

test.each([[], [TASKS]])("a call that asked for no progress gets none, announcing %j", async (...extensions) => {
  await using api = await startStandIn();
  await using server = await spawnServer({ api });

  const { result } = await ask(server, "tools/call", { ...CAT, _meta: metaOf(...extensions) });

  expect(result).toMatchObject({ resultType: "complete" });
  expect(messagesOf(server).filter(({ method }) => method !== undefined)).toEqual([]);
});

test("how the revision before asked for tasks is ignored", async () => {
  await using api = await startStandIn();
  await using server = await spawnServer({ api });

  const { result } = await ask(server, "tools/call", { ...CAT, task: { ttl: 60_000 }, _meta: metaOf() });

  expect(result).toMatchObject({ resultType: "complete", structuredContent: { saved_count: 1 } });
});

test("a cancelled call is stopped and not answered", async () => {
  await using api = await startStandIn({ script: [fallSilent()] });
  await using server = await spawnServer({ api });
  write(server, { id: "call", method: "tools/call", params: { ...CAT, _meta: metaOf(TASKS) } });
  await waitFor("the request", () => api.requests.length === 1);

  write(server, { method: "notifications/cancelled", params: { requestId: "call", _meta: metaOf() } });

  await waitFor("the closed connection", () => api.openExchanges() === 0);
  await ask(server, "tools/list", { _meta: metaOf() });
  expect(messagesOf(server).filter(({ id }) => id === "call")).toEqual([]);
});

test("both revisions are served in one process, at the same time", async () => {
  await using api = await startStandIn({ generationMs: 300 });
  await using server = await spawnServer({ api, capabilities: { extensions: { [UI]: {} } } });

  write(server, { id: "modern", method: "tools/call", params: { ...CAT, _meta: metaOf() } });
  const older = await server.generate({ prompt: "a dog" });
  const { result } = await answerTo(server, "modern");

  expect(result).toMatchObject({ resultType: "complete", structuredContent: { saved_count: 1 } });
  expect(older).toMatchObject({ structuredContent: { saved_count: 1 } });
  expect(older).not.toHaveProperty("resultType");
  expect((await server.client.listResources()).resources).toHaveLength(1);
  expect((await ask(server, "resources/list", { _meta: metaOf() })).error).toMatchObject({ code: -32601 });
  await server.client.ping();
});
