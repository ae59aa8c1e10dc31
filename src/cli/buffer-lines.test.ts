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

async function pass(chunks: readonly (string | Uint8Array)[], maxBytes: number): Promise<Passed> {
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

const byte = fc.oneof({ weight: 4, arbitrary: fc.nat({ max: 255 }) }, { weight: 1, arbitrary: fc.constant(0x0a) });
const chunk = fc.array(byte, { minLength: 1, maxLength: 20 }).map((bytes) => Uint8Array.from(bytes));

test("every whole line that is not too long is passed on in one piece", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(chunk, { maxLength: 20 }), fc.integer({ min: 1, max: 30 }), async (chunks, maxBytes) => {
      const lines =
        Buffer.concat(chunks)
          .toString("latin1")
          .match(/[^\n]*\n|[^\n]+$/g) ?? [];

      const passed = await pass(chunks, maxBytes);

      const fitting = lines.filter((line) => line.length <= maxBytes);
      expect(passed).toEqual({
        pieces: fitting.filter((line) => line.endsWith("\n")),
        dropped: lines.length - fitting.length,
      });
    }),
  );
});

test("a line is passed on with its line feed, and not before", () => {
  const lines = bufferLines(AMPLE, () => undefined);

  for (const piece of ["{", '"a"', ":1}"]) lines.write(piece);
  expect(lines.read()).toBeNull();

  lines.write("\n");
  expect(String(lines.read())).toBe('{"a":1}\n');
});

test.each<[string, string[], Passed]>([
  ["in several pieces", ["a\n12345", "67890", "12345\nb\n", "c", "\n"], { pieces: ["a\n", "b\n", "c\n"], dropped: 1 }],
  ["by one byte", ["123456789\n", "1234567890\n"], { pieces: ["123456789\n"], dropped: 1 }],
  ["twice", ["x".repeat(20), "\n", "y".repeat(20), "\nz\n"], { pieces: ["z\n"], dropped: 2 }],
  ["without an end", ["a\n", "x".repeat(20), "x".repeat(20)], { pieces: ["a\n"], dropped: 1 }],
])("a line that is too long is dropped and reported once: %s", async (_case, chunks, passed) => {
  expect(await pass(chunks, 10)).toEqual(passed);
});

test("a line in 300,000 pieces is held in little more than its own bytes", async () => {
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
