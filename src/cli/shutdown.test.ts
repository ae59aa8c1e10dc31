import { EventEmitter } from "node:events";
import { PassThrough } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { waitFor } from "../../test/support/wait-for.ts";
import { onShutdown } from "./shutdown.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** A process that gets another signal while it cleans up. */
class TestProcess extends EventEmitter {
  readonly stdin = new PassThrough().resume();
  readonly stdout = new PassThrough().resume();
  readonly stderr = new PassThrough().resume();
  ends = 0;
  readonly trigger = onShutdown(this, () => {
    this.ends += 1;
    this.emit("SIGTERM");
  });
}

function brokenPipe(): Error {
  return Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
}

test.each<[string, (process: TestProcess) => void]>([
  ["stdin ends behind a last line", ({ stdin }) => stdin.end("{}\n")],
  ["stdin ends and stays open", ({ stdin }) => stdin.emit("end")],
  ["stdin is closed without having ended", ({ stdin }) => stdin.destroy()],
  ["stdin reports an error and stays open", ({ stdin }) => stdin.emit("error", new Error("read EIO"))],
  ["stdout is closed", ({ stdout }) => stdout.destroy()],
  ["stdout reports an error and stays open", ({ stdout }) => stdout.emit("error", brokenPipe())],
  [
    "it is triggered",
    ({ trigger }) => {
      trigger();
    },
  ],
  ...SIGNALS.map((name): [string, (process: TestProcess) => void] => [name, (process) => process.emit(name)]),
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
  process.stderr.destroy(brokenPipe());
  await waitFor("stderr to close", () => process.stderr.closed);
  await nextTurn();

  expect(process.ends).toBe(0);
});

test("later triggers are swallowed while the process cleans up", async () => {
  const process = new TestProcess();
  const { stdin, stdout, stderr } = process;
  process.emit("SIGTERM");

  for (const signal of [...SIGNALS, ...SIGNALS]) expect(process.emit(signal)).toBe(true);
  for (const stream of [stdin, stdout, stderr]) stream.destroy(brokenPipe());
  await waitFor("the streams to close", () => stdin.closed && stdout.closed && stderr.closed);
  await nextTurn();

  expect(process.ends).toBe(1);
});
