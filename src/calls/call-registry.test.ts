import { expect, test } from "vitest";
import { type ManualClock, manualClock } from "../../test/support/manual-clock.ts";
import { UNRECEIVED_KEPT_MS, UNRECEIVED_MAX, UNRECEIVED_REPORTED_AT_ONCE } from "../constants.ts";
import { MiniMaxApiError } from "../errors.ts";
import { toolInputSchema, type ToolOutput } from "../schemas.ts";
import type { Call } from "../timing/call.ts";
import { type Answer, CallRegistry } from "./call-registry.ts";
import type { Waiter } from "./job.ts";

const TIMED_OUT = "McpError: MCP error -32001: Request timed out";

interface Setup {
  readonly clock: ManualClock;
  readonly calls: CallRegistry;
  /** How often work was begun, which is what costs money. */
  readonly begun: () => number;
  /** Makes a call that is answered by its own prompt. */
  readonly ask: (prompt: string) => Promise<Answer>;
  /** Makes a call that is given up after sending and then ends with `end`. */
  readonly giveUp: (prompt: string, end?: () => Promise<ToolOutput>) => Promise<void>;
}

function setup(): Setup {
  const clock = manualClock();
  const calls = new CallRegistry(clock, 230_000);
  let begun = 0;
  const begin = (prompt: string, waiter: Waiter, work: (call: Call) => Promise<ToolOutput>): Promise<Answer> =>
    calls.answer(
      toolInputSchema.parse({ prompt }),
      waiter,
      (call) => {
        begun += 1;
        return work(call);
      },
      (answer) => Promise.resolve(answer),
    );
  return {
    clock,
    calls,
    begun: () => begun,
    ask: (prompt) => begin(prompt, patient(), () => Promise.resolve(outputOf(prompt))),
    giveUp: async (prompt, end = () => Promise.resolve(outputOf(prompt))) => {
      const controller = new AbortController();
      let letEnd = (): void => undefined;
      const mayEnd = new Promise<void>((resolve) => {
        letEnd = resolve;
      });
      const call = begin(prompt, { signal: controller.signal, onActivity: undefined }, async ({ onSent }) => {
        onSent();
        await mayEnd;
        return end();
      });
      controller.abort(TIMED_OUT);
      await expect(call).rejects.toBe(TIMED_OUT);
      letEnd();
      await calls.settled();
    },
  };
}

test("what is kept of calls that nobody received is handed over until the last moment of its time, and no longer", async () => {
  const { clock, begun, ask, giveUp } = setup();
  await giveUp("a cat");
  await giveUp("a dog");

  await clock.advance(UNRECEIVED_KEPT_MS - 1);
  expect((await ask("a cat")).notices).toEqual([
    expect.stringContaining("earlier identical call"),
    expect.stringContaining("/dog.jpeg"),
  ]);
  expect(begun()).toBe(2);

  await clock.advance(1);
  expect((await ask("a dog")).notices).toEqual([]);
  expect(begun()).toBe(3);
});

test("what is kept of calls that nobody received is bounded: of too many, the oldest is forgotten", async () => {
  const { begun, ask, giveUp } = setup();
  for (let index = 0; index <= UNRECEIVED_MAX; index += 1) await giveUp(`call ${index}`);
  expect(begun()).toBe(UNRECEIVED_MAX + 1);

  await ask("call 1");
  expect(begun()).toBe(UNRECEIVED_MAX + 1);
  await ask("call 0");
  expect(begun()).toBe(UNRECEIVED_MAX + 2);
});

test("what is kept of calls that nobody received is reported to other calls a few at a time, each once", async () => {
  const { ask, giveUp } = setup();
  for (let index = 0; index <= UNRECEIVED_REPORTED_AT_ONCE; index += 1) await giveUp(`call ${index}`);

  const notices = [await ask("a"), await ask("b"), await ask("c")].map((answer) => answer.notices.length);

  expect(notices).toEqual([UNRECEIVED_REPORTED_AT_ONCE, 1, 0]);
});

test("what is kept of calls that nobody received includes a defect behind the sending, because nobody knows what it cost", async () => {
  const { begun, ask, giveUp } = setup();
  const defect = new TypeError("x is not a function");
  await giveUp("a cat", () => Promise.reject(defect));

  expect((await ask("a cat")).outcome).toEqual({ error: defect });
  expect((await ask("a cat")).outcome).toEqual({ value: outputOf("a cat") });
  expect(begun()).toBe(2);
});

test("what is kept of calls that nobody received includes no refusal, which costs nothing", async () => {
  const { begun, ask, giveUp } = setup();
  await giveUp("a cat", () => Promise.reject(new MiniMaxApiError(1026, "", {})));

  expect((await ask("a cat")).outcome).toEqual({ value: outputOf("a cat") });
  expect(begun()).toBe(2);
});

test("a result that was being rendered when its client gave up is kept for the same call", async () => {
  const { calls, ask, begun } = setup();
  const controller = new AbortController();
  const input = toolInputSchema.parse({ prompt: "a cat" });
  const waiter = { signal: controller.signal, onActivity: undefined };
  const work = ({ onSent }: Call): Promise<ToolOutput> => {
    onSent();
    return Promise.resolve(outputOf("a cat"));
  };

  const call = calls.answer(input, waiter, work, (answer) => {
    controller.abort(TIMED_OUT);
    return Promise.resolve(answer);
  });

  await expect(call).rejects.toBe(TIMED_OUT);
  expect((await ask("a cat")).notices).toHaveLength(1);
  expect(begun()).toBe(0);
});

test("a call whose signal has aborted before it begins does no work", async () => {
  const { calls } = setup();
  const input = toolInputSchema.parse({ prompt: "a cat" });
  const waiter = { signal: AbortSignal.abort(TIMED_OUT), onActivity: undefined };
  const never = (): Promise<never> => Promise.reject(new Error("It was begun."));

  await expect(calls.answer(input, waiter, never, never)).rejects.toBe(TIMED_OUT);
});

test("cancelling all ends also the calls that nobody waits for", async () => {
  const { calls } = setup();
  const controller = new AbortController();
  const input = toolInputSchema.parse({ prompt: "a cat" });
  const waiter = { signal: controller.signal, onActivity: undefined };
  let isCancelled = false;
  const work = ({ onSent, signal }: Call): Promise<ToolOutput> => {
    onSent();
    return new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => {
        isCancelled = true;
        reject(signal.reason);
      });
    });
  };
  const call = calls.answer(input, waiter, work, (answer) => Promise.resolve(answer));
  controller.abort(TIMED_OUT);
  await expect(call).rejects.toBe(TIMED_OUT);
  expect(isCancelled).toBe(false);

  calls.cancelAll();

  await calls.settled();
  expect(isCancelled).toBe(true);
});

function patient(): Waiter {
  return { signal: new AbortController().signal, onActivity: undefined };
}

function outputOf(prompt: string): ToolOutput {
  const path = `/${prompt.replace("a ", "")}.jpeg`;
  return {
    image_count: 1,
    saved_count: 1,
    file_paths: [path],
    metadata: { failed_count: "0", success_count: "1" },
    images: [{ path, width: 1024, height: 1024, bytes: 1, mime_type: "image/jpeg" }],
  };
}
