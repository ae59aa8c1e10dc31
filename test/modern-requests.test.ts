import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startStandIn } from "../stand-in/server.ts";
import { bigJpeg } from "./support/big-jpeg.ts";
import { answerTo, ask, messagesOf, metaOf, REVISION, write } from "./support/raw-requests.ts";
import { spawnServer } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";

const shared = shareServer();
const UI = "io.modelcontextprotocol/ui";
const TASKS = "io.modelcontextprotocol/tasks";
const VERSION = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";
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

test("a request that announces the view is offered its resources", async () => {
  const { server } = shared.begin();

  const { result } = await ask(server, "server/discover", { _meta: metaOf(UI) });

  expect(result?.["capabilities"]).toStrictEqual({ tools: {}, resources: {}, extensions: { [UI]: {}, [TASKS]: {} } });
  for (const method of ["resources/list", "resources/templates/list"]) {
    expect((await ask(server, method, { _meta: metaOf(UI) })).result).toMatchObject({ ttlMs: 300_000, ...PRIVATE });
  }
});

test.each([
  ["no _meta", undefined],
  ["no capabilities", { [VERSION]: REVISION }],
  ["no revision", { [CAPABILITIES]: {} }],
  ["a revision that is no text", { ...metaOf(), [VERSION]: 7 }],
  ["capabilities that are no object", { ...metaOf(), [CAPABILITIES]: [] }],
])("server/discover with %s is refused", async (_what, _meta) => {
  const { server } = shared.begin();

  expect((await ask(server, "server/discover", { _meta })).error).toMatchObject({ code: -32602 });
});

test.each([
  ["tools/list", "2025-11-25"],
  ["server/discover", "2099-01-01"],
])("%s of another revision is refused with those that are served", async (method, requested) => {
  const { server } = shared.begin();

  const { error } = await ask(server, method, { _meta: { ...metaOf(), [VERSION]: requested } });

  expect(error).toMatchObject({ code: -32022, data: { supported: [REVISION], requested } });
});

test.each([
  "initialize",
  "logging/setLevel",
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

test.each([
  ["with progress", { _meta: { ...metaOf(), progressToken: 0 } }, true],
  ["without progress", { _meta: metaOf() }, false],
  ["that announces tasks", { _meta: metaOf(TASKS) }, false],
  ["that asks for tasks as before", { task: { ttl: 60_000 }, _meta: metaOf() }, false],
])("a call %s is answered in the form of the revision", async (_how, params, hasProgress) => {
  const { server } = shared.begin();
  const { length: before } = messagesOf(server);

  const { result } = await ask(server, "tools/call", { ...CAT, ...params });

  expect(result).toMatchObject({ resultType: "complete", structuredContent: { saved_count: 1 }, _meta: SERVER_INFO });
  expect(result).not.toHaveProperty("ttlMs");
  const progress = messagesOf(server).slice(before, -1);
  expect(progress.length > 0).toBe(hasProgress);
  for (const notification of progress) {
    expect(notification).toMatchObject({ method: "notifications/progress", params: { progressToken: 0 } });
  }
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
});
