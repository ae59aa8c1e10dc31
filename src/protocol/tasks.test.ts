import { expect, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { TASK_KEPT_MS } from "./task.ts";
import { TASK_AFTER_MS, Tasks } from "./tasks.ts";

const ANSWER = { jsonrpc: "2.0", id: 1, result: { content: [] } } as const;

function setup() {
  const clock = manualClock(1_000);
  const tasks = new Tasks(clock);
  /** Makes a call that becomes a task, and resolves with the task's id. */
  const last = async (requestId: number): Promise<unknown> => {
    let taskId: unknown;
    tasks.follow(requestId, true, (task) => {
      taskId = task.handOut()["taskId"];
    });
    await clock.advance(TASK_AFTER_MS);
    return taskId;
  };
  return { clock, tasks, last };
}

test("a call becomes a task after 30 s, not before", async () => {
  const { clock, tasks } = setup();
  let handedOut = 0;
  tasks.follow(1, true, () => {
    handedOut += 1;
  });

  await clock.advance(TASK_AFTER_MS - 1);
  expect(handedOut).toBe(0);
  await clock.advance(1);
  expect(handedOut).toBe(1);
});

test.each<[string, (tasks: Tasks) => unknown]>([
  ["is answered", (tasks) => tasks.end(1, ANSWER)],
  ["is cancelled", (tasks) => tasks.drop(1)],
  [
    "has lost its connection",
    (tasks) => {
      tasks.close();
    },
  ],
])("a call that %s before never becomes a task", (_how, end) => {
  const { clock, tasks } = setup();
  tasks.follow(1, true, () => expect.unreachable());

  end(tasks);

  expect(clock.sleepers()).toBe(0);
  expect(tasks.ofCall(1)).toBeUndefined();
});

test("a task says when it began and ended, and is kept as long as it says", async () => {
  const { clock, tasks, last } = setup();
  const taskId = await last(1);
  await clock.advance(10_000);
  tasks.end(1, ANSWER);

  expect(tasks.find(taskId)?.fetch()).toMatchObject({
    status: "completed",
    createdAt: "1970-01-01T00:00:01.000Z",
    lastUpdatedAt: "1970-01-01T00:00:41.000Z",
    ttlMs: TASK_KEPT_MS + 40_000,
  });
  await clock.advance(TASK_KEPT_MS - 1);
  expect(tasks.find(taskId)).toBeDefined();
  await clock.advance(1);
  expect(tasks.find(taskId)).toBeUndefined();
});

test("a task whose call is refused completes with the refusal", async () => {
  const { tasks, last } = setup();
  const taskId = await last(1);
  const result = { content: [], isError: true };

  tasks.end(1, { jsonrpc: "2.0", id: 1, result });

  expect(tasks.find(taskId)?.fetch()).toMatchObject({ status: "completed", result });
});

test("a task fails when its call is answered with an error of the protocol", async () => {
  const { tasks, last } = setup();
  const taskId = await last(1);
  const error = { code: -32_603, message: "Internal error" };

  tasks.end(1, { jsonrpc: "2.0", id: 1, error });

  expect(tasks.find(taskId)?.fetch()).toMatchObject({ status: "failed", error, statusMessage: "Internal error" });
});

test("of more than 100 ended tasks the oldest is forgotten", async () => {
  const { tasks, last } = setup();
  const running = await last(1);
  const ended = await Promise.all(Array.from({ length: 101 }, (_, index) => last(index + 2)));
  for (let requestId = 2; requestId <= 102; requestId++) tasks.end(requestId, ANSWER);

  expect(ended.map((taskId) => tasks.find(taskId) !== undefined)).toEqual([false, ...Array<boolean>(100).fill(true)]);
  expect(tasks.find(running)).toBeDefined();
});

test("an answer is received at once, or when the task is fetched at its end", async () => {
  const { tasks, last } = setup();
  const received: string[] = [];
  tasks.follow(1, true, () => undefined);
  tasks.deliveryOf(1)?.onReceived(() => received.push("at once"));
  const taskId = await last(2);
  tasks.deliveryOf(2)?.onReceived(() => received.push("fetched"));

  tasks.find(taskId)?.fetch();
  expect(received).toEqual(["at once"]);
  tasks.end(2, ANSWER);
  expect(received).toEqual(["at once"]);
  tasks.find(taskId)?.fetch();
  expect(received).toEqual(["at once", "fetched"]);
  expect(tasks.deliveryOf(3)).toBeUndefined();
});

test("the client of a task may be gone when it has not asked for 55 s", async () => {
  const { clock, tasks, last } = setup();
  const taskId = await last(1);
  const mayBeGone = (): boolean | undefined => tasks.deliveryOf(1)?.mayBeGone();

  await clock.advance(54_999);
  expect(mayBeGone()).toBe(false);
  tasks.find(taskId)?.fetch();
  await clock.advance(54_999);
  expect(mayBeGone()).toBe(false);
  await clock.advance(1);
  expect(mayBeGone()).toBe(true);
});
