import { readdir } from "node:fs/promises";
import { expect, test } from "vitest";
import { z } from "zod";
import { name, version } from "../package.json";
import { type StandIn, startStandIn } from "../stand-in/server.ts";
import { smallImage } from "./support/big-jpeg.ts";
import { hold, images } from "./support/pending-call.ts";
import { answerTo, ask, messagesOf, metaOf, write } from "./support/raw-requests.ts";
import { type SpawnedServer, spawnServer } from "./support/server.ts";
import { waitFor } from "./support/wait-for.ts";

const TASKS = "io.modelcontextprotocol/tasks";
const CAT = { name: "minimax_image_generate", arguments: { prompt: "a cat" } };
const SERVER = { name, version };
const ACKNOWLEDGED = { resultType: "complete", _meta: { "io.modelcontextprotocol/serverInfo": SERVER } };
const SPEED = 30;

const taskSchema = z.looseObject({ taskId: z.string(), status: z.string(), statusMessage: z.string().optional() });
type Task = z.infer<typeof taskSchema>;

/** A server on whose clock 30 s are 1 s, and a stand-in whose first request is held until it is released. */
interface Stage extends AsyncDisposable {
  readonly api: StandIn;
  readonly server: SpawnedServer;
  readonly release: () => void;
}

async function stage(): Promise<Stage> {
  const { behaviour, release } = hold();
  const api = await startStandIn({ createImage: smallImage, script: [behaviour] });
  const env = { MINIMAX_TIMEOUT_MS: "300000", MINIMAX_RPM: "0" };
  const server = await spawnServer({ api, speed: SPEED, env });
  return {
    api,
    server,
    release,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
    },
  };
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

/** Waits until so much time has passed on the server's clock. */
async function passing(seconds: number): Promise<void> {
  const begunAtMs = performance.now();
  await waitFor(`${seconds} s`, () => performance.now() - begunAtMs > (seconds * 1000) / SPEED);
}

/** Makes the call of the tasks, and tells whether it was handed the result of an earlier one. */
async function isHandedOver({ generate }: SpawnedServer): Promise<boolean> {
  return /earlier identical call .* no new request/.test(JSON.stringify(await generate(CAT.arguments)));
}

test("a call that lasts becomes a task, which completes with the result", async () => {
  await using parts = await stage();
  const { api, server, release } = parts;

  const task = await beginTask(server);

  expect(task).toMatchObject({ ttlMs: 900_000, pollIntervalMs: 2000 });
  expect(task.statusMessage).toMatch(/^generating/);
  expect(await fetchTask(server, task)).toMatchObject({ status: "working", createdAt: task["createdAt"] });
  release();
  const ended = await fetchEnded(server, task);
  expect(ended).toMatchObject({
    status: "completed",
    result: { resultType: "complete", structuredContent: { saved_count: 1 }, content: [{ type: "text" }] },
  });
  for (const method of ["tasks/update", "tasks/cancel"]) {
    const { result } = await ask(server, method, { taskId: task.taskId, inputResponses: {}, _meta: metaOf(TASKS) });
    expect(result).toStrictEqual(ACKNOWLEDGED);
  }
  expect(await fetchTask(server, task)).toStrictEqual(ended);
  expect(api.requests).toHaveLength(1);
});

test("a task that was fetched is received: the same call is a new one", async () => {
  await using parts = await stage();
  const { api, server, release } = parts;
  const task = await beginTask(server);
  release();
  await fetchEnded(server, task);

  expect(await isHandedOver(server)).toBe(false);
  expect(api.requests).toHaveLength(2);
});

test("a task that is never fetched is handed to the same call, unpaid", async () => {
  await using parts = await stage();
  const { api, server, release } = parts;
  await beginTask(server);
  release();
  await images(server.outputDir, 1);
  await server.generate({ prompt: "a dog" });

  expect(await isHandedOver(server)).toBe(true);
  expect(api.requests).toHaveLength(2);
  expect(await isHandedOver(server)).toBe(false);
  expect(api.requests).toHaveLength(3);
});

test("a task that runs is not the same call made again", async () => {
  await using parts = await stage();
  const { api, server, release } = parts;
  const task = await beginTask(server);

  expect(await isHandedOver(server)).toBe(false);

  expect(api.requests).toHaveLength(2);
  release();
  expect(await fetchEnded(server, task)).toMatchObject({ status: "completed" });
});

test("a task that nobody asked for in 55 s is joined by the same call", async () => {
  await using parts = await stage();
  const { api, server, release } = parts;
  const task = await beginTask(server);
  await passing(56);

  const joining = isHandedOver(server);
  await server.client.ping();
  release();

  expect(await joining).toBe(true);
  expect(api.requests).toHaveLength(1);
  expect(await fetchEnded(server, task)).toMatchObject({ status: "completed" });
});

test("a task takes over the words of progress from the notifications", async () => {
  await using parts = await stage();
  const { server, release } = parts;
  const progressCount = (): number =>
    messagesOf(server).filter(({ method }) => method === "notifications/progress").length;

  const task = await beginTask(server, { progressToken: "p" });

  const before = progressCount();
  expect(before).toBeGreaterThan(1);
  await waitFor("other words", async () => (await fetchTask(server, task)).statusMessage !== task.statusMessage);
  release();
  await fetchEnded(server, task);
  expect(progressCount()).toBe(before);
});

test("a task that is cancelled is a person's stop", async () => {
  await using parts = await stage();
  const { api, server } = parts;
  const task = await beginTask(server);

  await ask(server, "tasks/cancel", { taskId: task.taskId, _meta: metaOf(TASKS) });

  await waitFor("the closed connection", () => api.openExchanges() === 0);
  expect(await fetchTask(server, task)).toMatchObject({ status: "cancelled" });
  expect(await readdir(server.outputDir)).toEqual([]);
  expect(await isHandedOver(server)).toBe(false);
  expect(api.requests).toHaveLength(2);
});

test("a client that does not take tasks waits for the result", async () => {
  const { behaviour, release } = hold();
  await using api = await startStandIn({ createImage: smallImage, otherwise: behaviour });
  await using server = await spawnServer({ api, speed: SPEED, env: { MINIMAX_TIMEOUT_MS: "300000" } });
  write(server, { id: "new", method: "tools/call", params: { ...CAT, _meta: metaOf() } });
  write(server, { id: "old", method: "tools/call", params: CAT });
  await waitFor("the requests", () => api.requests.length === 2);
  await passing(40);

  release();

  for (const id of ["new", "old"]) {
    expect((await answerTo(server, id)).result).toMatchObject({ structuredContent: { saved_count: 1 } });
  }
});

test("a server that ends takes its tasks with it, and the next knows none", async () => {
  await using parts = await stage();
  const { api, server } = parts;
  const { taskId } = await beginTask(server);

  server.transport.process.stdin.end();

  expect(await server.exited).toEqual({ code: 0, signal: null });
  await waitFor("the closed connection", () => api.openExchanges() === 0);
  await using next = await spawnServer({ api });
  for (const method of ["tasks/get", "tasks/update", "tasks/cancel"]) {
    const unknown = await ask(next, method, { taskId, _meta: metaOf(TASKS) });
    expect(unknown.error?.code).toBe(-32602);
    expect(unknown.error?.message).toContain("no such task");
    const unannounced = await ask(next, method, { taskId, _meta: metaOf() });
    expect(unannounced.error).toMatchObject({
      code: -32021,
      data: { requiredCapabilities: { extensions: { [TASKS]: {} } } },
    });
  }
});
