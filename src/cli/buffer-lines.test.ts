import { once } from "node:events";
import { finished } from "node:stream/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { bufferLines } from "./buffer-lines.ts";

const AMPLE = 1_000_000;

interface Passed {
  readonly pieces: readonly string[];
  readonly dropped: number;
}

async function pass(chunks: readonly (string | Uint8Array)[], maxBytes = AMPLE): Promise<Passed> {
  const pieces: string[] = [];
  let dropped = 0;
  const lines = bufferLines(maxBytes, () => {
    dropped += 1;
  });
  lines.on("data", (piece: Buffer) => pieces.push(piece.toString("latin1")));
  for (const chunk of chunks) lines.write(chunk);
  lines.end();
  await finished(lines);
  return { pieces, dropped };
}

const chunked = fc.array(
  fc.array(fc.oneof({ weight: 4, arbitrary: fc.nat({ max: 255 }) }, { weight: 1, arbitrary: fc.constant(0x0a) }), {
    minLength: 1,
    maxLength: 20,
  }),
  { maxLength: 20 },
);

test("whatever the chunks, exactly the whole lines that are not too long come through, each in one piece", async () => {
  await fc.assert(
    fc.asyncProperty(chunked, fc.integer({ min: 1, max: 30 }), async (chunks, maxBytes) => {
      const whole =
        Buffer.from(chunks.flat())
          .toString("latin1")
          .match(/[^\n]*\n/g) ?? [];
      const fitting = whole.filter((line) => line.length <= maxBytes);

      const { pieces, dropped } = await pass(
        chunks.map((chunk) => Uint8Array.from(chunk)),
        maxBytes,
      );

      expect(pieces).toEqual(fitting);
      expect(dropped).toBeGreaterThanOrEqual(whole.length - fitting.length);
    }),
  );
});

test("a line is passed on as soon as its line feed has come, and not before", () => {
  const lines = bufferLines(AMPLE, () => undefined);

  for (const chunk of ["{", '"a"', ":1}"]) lines.write(chunk);
  expect(lines.read()).toBeNull();

  lines.write("\n");
  expect(String(lines.read())).toBe('{"a":1}\n');
});

test("a line that is too long is dropped, said once, and those around it come through", async () => {
  expect(await pass(["a\n12345", "67890", "12345\nb\n", "c", "\n"], 10)).toEqual({
    pieces: ["a\n", "b\n", "c\n"],
    dropped: 1,
  });
});

test("a line that is too long is dropped also when it comes in one chunk with others", async () => {
  expect(await pass(["a\n12345678901\nb\n"], 10)).toEqual({ pieces: ["a\n", "b\n"], dropped: 1 });
});

test("a line of exactly the limit comes through, and one byte more does not", async () => {
  expect(await pass(["123456789\n", "1234567890\n"], 10)).toEqual({ pieces: ["123456789\n"], dropped: 1 });
});

test("each line that is too long is said", async () => {
  expect(await pass(["x".repeat(20), "\n", "y".repeat(20), "\nz\n"], 10)).toEqual({ pieces: ["z\n"], dropped: 2 });
});

test("the end of the input comes through behind a huge line without an end", async () => {
  expect(await pass(["a\n", "x".repeat(20), "x".repeat(20)], 10)).toEqual({ pieces: ["a\n"], dropped: 1 });
});

test("the end of the input comes through, and a line without its line feed does not", async () => {
  expect(await pass(["a\n", "half a l", "ine"])).toEqual({ pieces: ["a\n"], dropped: 0 });
  expect(await pass([])).toEqual({ pieces: [], dropped: 0 });
});

test("a line in hundreds of thousands of pieces is held in little more than its own bytes", async () => {
  const count = 300_000;
  const lines = bufferLines(AMPLE, () => undefined);
  const before = process.memoryUsage();
  for (let index = 0; index < count; index++) {
    if (!lines.write("x")) await once(lines, "drain");
  }
  const after = process.memoryUsage();

  lines.end("\n");
  expect(String(lines.read())).toBe(`${"x".repeat(count)}\n`);
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(20_000_000);
});
