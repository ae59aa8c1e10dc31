import { EventEmitter } from "node:events";
import { PassThrough } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { waitFor } from "../../test/support/wait-for.ts";
import { onShutdown } from "./shutdown.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

class TestProcess extends EventEmitter {
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  ends = 0;

  constructor(cleanUp: (process: TestProcess) => void = () => undefined) {
    super();
    for (const stream of this.streams) stream.resume();
    onShutdown(this, () => {
      this.ends += 1;
      cleanUp(this);
    });
  }

  get streams(): PassThrough[] {
    return [this.stdin, this.stdout, this.stderr];
  }
}

function brokenPipe(): Error {
  return Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
}

test.each<[string, (process: TestProcess) => void]>([
  ["stdin ends", ({ stdin }) => stdin.end()],
  ["stdin ends behind a last line", ({ stdin }) => stdin.end("{}\n")],
  ["stdin is closed without having ended", ({ stdin }) => stdin.destroy()],
  ["stdin breaks", ({ stdin }) => stdin.destroy(new Error("read EIO"))],
  ["stdout is closed", ({ stdout }) => stdout.destroy()],
  ["stdout breaks", ({ stdout }) => stdout.destroy(brokenPipe())],
  ["stdout reports an error and stays open", ({ stdout }) => stdout.emit("error", brokenPipe())],
  ...SIGNALS.map((signal): [string, (process: TestProcess) => void] => [
    `${signal} comes`,
    (process) => process.emit(signal),
  ]),
])("shutdown begins once when %s", async (_sign, give) => {
  const process = new TestProcess();

  give(process);
  await waitFor("the end", () => process.ends > 0);
  await nextTurn();
  await nextTurn();

  expect(process.ends).toBe(1);
});

test("shutdown does not begin while lines go in and out", async () => {
  const process = new TestProcess();

  for (let count = 0; count < 100; count += 1) {
    process.stdin.write("{}\n");
    process.stdout.write("{}\n");
    process.stderr.write("hello\n");
  }
  await waitFor("the lines to be read", () => process.stdin.readableLength + process.stdout.readableLength === 0);
  await nextTurn();

  expect(process.ends).toBe(0);
});

test("shutdown does not begin when stderr is closed", async () => {
  const process = new TestProcess();

  process.stderr.destroy(brokenPipe());
  await waitFor("stderr to close", () => process.stderr.closed);
  await nextTurn();

  expect(process.ends).toBe(0);
});

test("later triggers are swallowed", async () => {
  const process = new TestProcess();
  process.emit("SIGTERM");
  expect(process.ends).toBe(1);

  for (const signal of [...SIGNALS, ...SIGNALS]) process.emit(signal);
  process.stdin.destroy(new Error("read EIO"));
  process.stdout.destroy(brokenPipe());
  process.stderr.destroy(brokenPipe());
  await waitFor("the streams to close", () => process.streams.every(({ closed }) => closed));
  await nextTurn();

  expect(process.ends).toBe(1);
});

test.each(SIGNALS)("%s does not kill the process while it cleans up", (signal) => {
  const process = new TestProcess();
  process.emit("SIGINT");

  expect(process.listenerCount(signal)).toBe(1);
});

test("a trigger during the clean-up does not start it again", () => {
  const process = new TestProcess((self) => self.emit("SIGTERM"));

  process.emit("SIGINT");

  expect(process.ends).toBe(1);
});
