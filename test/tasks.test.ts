import { readdir } from "node:fs/promises";
import { expect, test } from "vitest";
import { z } from "zod";
import { name, version } from "../package.json";
import { refuse } from "../stand-in/behaviours.ts";
import { type StandIn, startStandIn } from "../stand-in/server.ts";
import { hold } from "./support/pending-call.ts";
import { answerTo, ask, messagesOf, metaOf, write } from "./support/raw-requests.ts";
import { type SpawnedServer, spawnServer } from "./support/server.ts";
import { waitFor } from "./support/wait-for.ts";

const TASKS = "io.modelcontextprotocol/tasks";
const CAT = { name: "minimax_image_generate", arguments: { prompt: "a cat" } };
const SERVER = { name, version };
const ACKNOWLEDGED = { resultType: "complete", _meta: { "io.modelcontextprotocol/serverInfo": SERVER } };
const FROM_EARLIER = /earlier identical call .* no new request/;

const taskSchema = z.looseObject({ taskId: z.string(), status: z.string(), statusMessage: z.string().optional() });
type Task = z.infer<typeof taskSchema>;

/** On its clock 30 s are 1 s, and a call may take 10 s. */
function startServer(api: StandIn): Promise<SpawnedServer> {
  return spawnServer({ api, speed: 30, env: { MINIMAX_TIMEOUT_MS: "300000", MINIMAX_RPM: "0" } });
}

/** Makes a call that lasts, and waits for the task. */
async function beginTask(server: SpawnedServer, meta: Readonly<Record<string, unknown>> = {}): Promise<Task> {
  const { result } = await ask(server, "tools/call", { ...CAT, _meta: { ...metaOf(TASKS), ...meta } });
  expect(result).toMatchObject({ resultType: "task", status: "working" });
  return taskSchema.parse(result);
}

async function fetchTask(server: SpawnedServer, { taskId }: Task): Promise<Task> {
  const { result } = await ask(server, "tasks/get", { taskId, _meta: metaOf(TASKS) });
  expect(result).toMatchObject({ resultType: "complete", taskId });
  return taskSchema.parse(result);
}

function fetchEnded(server: SpawnedServer, task: Task): Promise<Task> {
  return waitFor("the end of the task", async () => {
    const fetched = await fetchTask(server, task);
    return fetched.status !== "working" && fetched;
  });
}

async function filesOf(server: SpawnedServer, count: number): Promise<void> {
  await waitFor(`${String(count)} files`, async () => {
    const names = await readdir(server.outputDir);
    return names.length === count && names.every((name) => name.endsWith(".jpeg"));
  });
}

test("a call that lasts becomes a task, which completes with the result", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour] });
  await using server = await startServer(api);

  const task = await beginTask(server);

  expect(task).toMatchObject({ ttlMs: 900_000, pollIntervalMs: 2000 });
  expect(task.statusMessage).toMatch(/^generating/);
  expect(await fetchTask(server, task)).toMatchObject({ status: "working", createdAt: task["createdAt"] });
  held.release();
  const ended = await fetchEnded(server, task);
  expect(ended).toMatchObject({
    status: "completed",
    result: { resultType: "complete", structuredContent: { saved_count: 1 }, content: [{ type: "text" }] },
  });
  expect(await fetchTask(server, task)).toStrictEqual(ended);
  expect(api.requests).toHaveLength(1);
});

test("a task that was fetched is received: the same call is a new one", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour] });
  await using server = await startServer(api);
  const task = await beginTask(server);
  held.release();
  await fetchEnded(server, task);

  const again = await server.generate(CAT.arguments);

  expect(JSON.stringify(again)).not.toMatch(FROM_EARLIER);
  expect(api.requests).toHaveLength(2);
});

test("a task that is never fetched is handed to the same call, unpaid", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour] });
  await using server = await startServer(api);
  await beginTask(server);
  held.release();
  await filesOf(server, 1);
  await server.generate({ prompt: "a dog" });

  const again = await server.generate(CAT.arguments);

  expect(JSON.stringify(again)).toMatch(FROM_EARLIER);
  expect(api.requests).toHaveLength(2);
  expect(JSON.stringify(await server.generate(CAT.arguments))).not.toMatch(FROM_EARLIER);
  expect(api.requests).toHaveLength(3);
});

test("a task that runs is not the same call made again", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour] });
  await using server = await startServer(api);
  const task = await beginTask(server);

  const again = await server.generate(CAT.arguments);

  expect(JSON.stringify(again)).not.toMatch(FROM_EARLIER);
  expect(api.requests).toHaveLength(2);
  held.release();
  expect(await fetchEnded(server, task)).toMatchObject({ status: "completed" });
});

test("a task that nobody asked for in 55 s is joined by the same call", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour], otherwise: held.behaviour });
  await using server = await startServer(api);
  const task = await beginTask(server);
  const begunAtMs = performance.now();
  await waitFor("55 s of the server's clock", () => performance.now() - begunAtMs > 56_000 / 30);

  const again = server.generate(CAT.arguments);
  await server.client.ping();
  held.release();

  expect(JSON.stringify(await again)).toMatch(FROM_EARLIER);
  expect(api.requests).toHaveLength(1);
  expect(await fetchEnded(server, task)).toMatchObject({ status: "completed" });
});

test("a task takes over the words of progress from the notifications", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour] });
  await using server = await startServer(api);

  const task = await beginTask(server, { progressToken: "p" });

  const before = progressOf(server);
  expect(before).toBeGreaterThan(5);
  await waitFor("other words", async () => (await fetchTask(server, task)).statusMessage !== task.statusMessage);
  held.release();
  await fetchEnded(server, task);
  expect(progressOf(server)).toBe(before);
});

test("a task whose call is refused completes with the refusal", async () => {
  const held = hold(refuse(1026));
  await using api = await startStandIn({ script: [held.behaviour] });
  await using server = await startServer(api);
  const task = await beginTask(server);

  held.release();

  expect(await fetchEnded(server, task)).toMatchObject({ status: "completed", result: { isError: true } });
});

test("a task that is cancelled is a person's stop", async () => {
  await using api = await startStandIn({ script: [hold().behaviour] });
  await using server = await startServer(api);
  const task = await beginTask(server);

  const { result } = await ask(server, "tasks/cancel", { taskId: task.taskId, _meta: metaOf(TASKS) });

  expect(result).toStrictEqual(ACKNOWLEDGED);
  await waitFor("the closed connection", () => api.openExchanges() === 0);
  expect(await fetchTask(server, task)).toMatchObject({ status: "cancelled" });
  expect(await readdir(server.outputDir)).toEqual([]);
  expect(JSON.stringify(await server.generate(CAT.arguments))).not.toMatch(FROM_EARLIER);
  expect(api.requests).toHaveLength(2);
});

test("a task that has ended stays as it is when it is updated or cancelled", async () => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour] });
  await using server = await startServer(api);
  const task = await beginTask(server);
  held.release();
  const ended = await fetchEnded(server, task);

  for (const method of ["tasks/update", "tasks/cancel"]) {
    const { result } = await ask(server, method, { taskId: task.taskId, inputResponses: {}, _meta: metaOf(TASKS) });
    expect(result).toStrictEqual(ACKNOWLEDGED);
  }

  expect(await fetchTask(server, task)).toStrictEqual(ended);
});

test.each(["tasks/get", "tasks/update", "tasks/cancel"])("%s of no task is refused in words", async (method) => {
  await using api = await startStandIn();
  await using server = await startServer(api);

  const unknown = await ask(server, method, { taskId: "none", _meta: metaOf(TASKS) });
  const unannounced = await ask(server, method, { taskId: "none", _meta: metaOf() });

  expect(unknown.error).toMatchObject({ code: -32602 });
  expect(unknown.error?.message).toContain("no such task");
  expect(unannounced.error).toMatchObject({
    code: -32021,
    data: { requiredCapabilities: { extensions: { [TASKS]: {} } } },
  });
});

test("a call that is cancelled before its time never becomes a task", async () => {
  await using api = await startStandIn({ script: [hold().behaviour] });
  await using server = await startServer(api);
  write(server, { id: "call", method: "tools/call", params: { ...CAT, _meta: metaOf(TASKS) } });
  await waitFor("the request", () => api.requests.length === 1);

  write(server, { method: "notifications/cancelled", params: { requestId: "call" } });

  await waitFor("the closed connection", () => api.openExchanges() === 0);
  const begunAtMs = performance.now();
  await waitFor("30 s of the server's clock", () => performance.now() - begunAtMs > 40_000 / 30);
  await server.client.ping();
  expect(messagesOf(server).filter(({ id }) => id === "call")).toEqual([]);
});

test.each([
  ["of the revision", metaOf()],
  ["of an older one", {}],
])("a client %s that does not take tasks waits for the result", async (_which, _meta) => {
  const held = hold();
  await using api = await startStandIn({ script: [held.behaviour] });
  await using server = await startServer(api);
  write(server, { id: "call", method: "tools/call", params: { ...CAT, _meta } });
  await waitFor("the request", () => api.requests.length === 1);
  const begunAtMs = performance.now();
  await waitFor("40 s of the server's clock", () => performance.now() - begunAtMs > 40_000 / 30);

  held.release();

  expect((await answerTo(server, "call")).result).toMatchObject({ structuredContent: { saved_count: 1 } });
});

test("a server that ends meanwhile takes its tasks with it, in order", async () => {
  await using api = await startStandIn({ script: [hold().behaviour] });
  await using server = await startServer(api);
  const task = await beginTask(server);

  server.transport.process.stdin.end();

  expect(await server.exited).toEqual({ code: 0, signal: null });
  await waitFor("the closed connection", () => api.openExchanges() === 0);
  await using next = await startServer(api);
  const { error } = await ask(next, "tasks/get", { taskId: task.taskId, _meta: metaOf(TASKS) });
  expect(error).toMatchObject({ code: -32602 });
});

function progressOf(server: SpawnedServer): number {
  return messagesOf(server).filter(({ method }) => method === "notifications/progress").length;
}
