import { finished } from "node:stream/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bufferLines } from "./buffer-lines.ts";

const AMPLE = 1_000_000;

interface Passed {
  readonly pieces: readonly Buffer[];
  readonly bytes: Buffer;
}

async function pass(chunks: readonly Uint8Array[], maxBytes: number): Promise<Passed> {
  const lines = bufferLines(maxBytes);
  const pieces: Buffer[] = [];
  lines.on("data", (piece: Buffer) => pieces.push(piece));
  for (const chunk of chunks) lines.write(chunk);
  lines.end();
  await finished(lines);
  return { pieces, bytes: Buffer.concat(pieces) };
}

function textsOf(chunks: readonly string[], maxBytes = AMPLE): Promise<string[]> {
  return pass(
    chunks.map((chunk) => Buffer.from(chunk)),
    maxBytes,
  ).then(({ pieces }) => pieces.map(String));
}

const chunked = fc.array(
  fc.array(fc.oneof({ weight: 4, arbitrary: fc.nat({ max: 255 }) }, { weight: 1, arbitrary: fc.constant(0x0a) }), {
    minLength: 1,
    maxLength: 20,
  }),
  { maxLength: 20 },
);

describe("bytes", () => {
  test("are the same behind it as before it, whatever the chunks, up to the last complete line", async () => {
    await fc.assert(
      fc.asyncProperty(chunked, async (chunks) => {
        const input = Buffer.from(chunks.flat());

        const { bytes } = await pass(
          chunks.map((chunk) => Uint8Array.from(chunk)),
          AMPLE,
        );

        expect(bytes).toEqual(input.subarray(0, bytes.length));
        expect(bytes.length).toBeGreaterThanOrEqual(input.lastIndexOf(0x0a) + 1);
      }),
    );
  });

  test("are all there when the last line is complete, also where lines are longer than allowed", async () => {
    await fc.assert(
      fc.asyncProperty(chunked, fc.nat({ max: 30 }), async (chunks, maxBytes) => {
        const ended = [...chunks, [0x0a]];

        const { bytes } = await pass(
          ended.map((chunk) => Uint8Array.from(chunk)),
          maxBytes,
        );

        expect(bytes).toEqual(Buffer.from(ended.flat()));
      }),
    );
  });

  test("of a character that is cut in two are put together again", async () => {
    const [first, second, third] = [...Buffer.from("€")];

    const { bytes } = await pass([Uint8Array.of(first ?? 0), Uint8Array.of(second ?? 0, third ?? 0, 0x0a)], AMPLE);

    expect(bytes.toString()).toBe("€\n");
  });
});

describe("a line", () => {
  test("is passed on in one piece, however many chunks it came in", async () => {
    expect(await textsOf(["{", '"a"', ":", "1}", "\n"])).toEqual(['{"a":1}\n']);
  });

  test("is not passed on before its line feed has come", () => {
    const lines = bufferLines(AMPLE);

    for (const chunk of ["{", '"a"', ":1}"]) lines.write(chunk);
    expect(lines.read()).toBeNull();

    lines.write("\n");
    expect(String(lines.read())).toBe('{"a":1}\n');
  });

  test("is passed on at once with the others of its chunk", async () => {
    expect(await textsOf(["a\nb\nc\n", "d\n"])).toEqual(["a\nb\nc\n", "d\n"]);
  });

  test("that begins behind another is completed by what comes later", async () => {
    expect((await textsOf(["a\nb", "b", "b\n"])).join("")).toBe("a\nbbb\n");
  });

  test("that is exactly as long as allowed is still held until its line feed comes", async () => {
    expect(await textsOf(["12345", "67890", "\n"], 10)).toEqual(["1234567890\n"]);
  });

  test("that is longer is passed on, for the reader to refuse", () => {
    const lines = bufferLines(10);

    lines.write("12345");
    lines.write("67890");
    expect(lines.read()).toBeNull();

    lines.write("1");
    expect(String(lines.read())).toBe("12345678901");
  });

  test("is measured alone: those before it do not count", async () => {
    expect(await textsOf(["12345678\n", "12345", "678\n"], 10)).toEqual(["12345678\n", "12345678\n"]);
  });

  test("after one that was too long is held again until it is complete", async () => {
    expect(await textsOf(["12345678901", "2", "3\n", "a", "b\n"], 10)).toEqual(["12345678901", "23\n", "ab\n"]);
  });
});

describe("the end of the stream", () => {
  test("comes through, and a line without its line feed does not", async () => {
    expect(await textsOf(["a\n", "half a l", "ine"])).toEqual(["a\n"]);
  });

  test("comes through when there was nothing at all", async () => {
    expect(await textsOf([])).toEqual([]);
  });
});
