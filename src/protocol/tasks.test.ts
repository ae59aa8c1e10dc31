import { expect, test } from "vitest";
import { type ManualClock, manualClock } from "../../test/support/manual-clock.ts";
import { TASK_KEPT_MS } from "./task.ts";
import { TASK_AFTER_MS, Tasks } from "./tasks.ts";

const ANSWER = { jsonrpc: "2.0", id: 1, result: { content: [] } } as const;

function setup(): { readonly clock: ManualClock; readonly tasks: Tasks } {
  const clock = manualClock(1_000);
  return { clock, tasks: new Tasks(clock) };
}

/** A call that has become a task. Returns the task's id. */
async function lasting({ clock, tasks }: ReturnType<typeof setup>, requestId: number): Promise<unknown> {
  let taskId: unknown;
  tasks.follow(requestId, true, (task) => {
    taskId = task.handOut()["taskId"];
  });
  await clock.advance(TASK_AFTER_MS);
  return taskId;
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

test.each([
  ["is answered", (tasks: Tasks) => tasks.end(1, ANSWER)],
  ["is cancelled", (tasks: Tasks) => tasks.drop(1)],
  [
    "has lost its connection",
    (tasks: Tasks) => {
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

test("a task says when it began and changed, and how long it is kept", async () => {
  const { clock, tasks } = setup();
  const taskId = await lasting({ clock, tasks }, 1);
  await clock.advance(10_000);
  tasks.end(1, ANSWER);

  const task = tasks.find(taskId)?.fetch();

  expect(task).toMatchObject({
    status: "completed",
    createdAt: "1970-01-01T00:00:01.000Z",
    lastUpdatedAt: "1970-01-01T00:00:41.000Z",
    ttlMs: TASK_KEPT_MS + 40_000,
  });
});

test("a task fails when its call is answered with an error of the protocol", async () => {
  const { clock, tasks } = setup();
  const taskId = await lasting({ clock, tasks }, 1);
  const error = { code: -32_603, message: "Internal error" };

  tasks.end(1, { jsonrpc: "2.0", id: 1, error });

  expect(tasks.find(taskId)?.fetch()).toMatchObject({ status: "failed", error, statusMessage: "Internal error" });
});

test("a task is kept for 15 minutes after its end", async () => {
  const { clock, tasks } = setup();
  const taskId = await lasting({ clock, tasks }, 1);
  await clock.advance(200_000);
  tasks.end(1, ANSWER);

  await clock.advance(TASK_KEPT_MS - 1);
  expect(tasks.find(taskId)).toBeDefined();
  await clock.advance(1);
  expect(tasks.find(taskId)).toBeUndefined();
});

test("of more than 100 ended tasks the oldest is forgotten", async () => {
  const { clock, tasks } = setup();
  const running = await lasting({ clock, tasks }, 1);
  const ended = await Promise.all(
    Array.from({ length: 101 }, (_, index) => {
      const taskId = lasting({ clock, tasks }, index + 2);
      return taskId;
    }),
  );
  for (let requestId = 2; requestId <= 102; requestId++) tasks.end(requestId, ANSWER);

  expect(ended.map((taskId) => tasks.find(taskId) !== undefined)).toEqual([false, ...Array<boolean>(100).fill(true)]);
  expect(tasks.find(running)).toBeDefined();
});

test("an answer is received at once, or when the task is fetched at its end", async () => {
  const { clock, tasks } = setup();
  const received: string[] = [];
  tasks.follow(1, true, () => undefined);
  tasks.deliveryOf(1)?.onReceived(() => received.push("at once"));
  const taskId = await lasting({ clock, tasks }, 2);
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
  const { clock, tasks } = setup();
  const taskId = await lasting({ clock, tasks }, 1);
  const mayBeGone = (): boolean | undefined => tasks.deliveryOf(1)?.mayBeGone();

  await clock.advance(54_999);
  expect(mayBeGone()).toBe(false);
  tasks.find(taskId)?.fetch();
  await clock.advance(54_999);
  expect(mayBeGone()).toBe(false);
  await clock.advance(1);
  expect(mayBeGone()).toBe(true);
});
