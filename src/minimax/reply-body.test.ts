import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { anyText } from "../../test/support/any-text.ts";
import { type ReplyBody, type ReplyLimits, ReplyReader, UnreadableBodyError } from "./reply-body.ts";

const ROOMY: ReplyLimits = { imageBytes: 1_000_000, jsonBytes: 1_000_000, bodyBytes: 4_000_000 };

const chunkSizes = fc.oneof(
  fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 12 }),
  fc.array(fc.integer({ min: 4000, max: 20_000 }), { minLength: 1, maxLength: 3 }),
);

function split(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let position = 0; position < bytes.length;) {
    const end = position + (sizes[chunks.length % sizes.length] ?? 1);
    chunks.push(bytes.subarray(position, end));
    position = end;
  }
  return chunks;
}

function read(body: string | Uint8Array, sizes: readonly number[] = [64], limits = ROOMY): Promise<ReplyBody> {
  return new ReplyReader(limits).read(split(Buffer.from(body), sizes));
}

async function imagesIn(
  body: string,
  sizes: readonly number[] = [64],
  limits = ROOMY,
): Promise<(Uint8Array | string)[]> {
  const { json, decode } = await read(body, sizes, limits);
  return z
    .array(z.string())
    .parse(json)
    .map((text) => {
      const decoded = decode(text);
      return "chunks" in decoded ? new Uint8Array(Buffer.concat(decoded.chunks)) : decoded.problem;
    });
}

function image(byteLength: number): Uint8Array {
  return new Uint8Array(randomBytes(byteLength));
}

function encode(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

async function outcomeOf(reading: Promise<ReplyBody>): Promise<unknown> {
  try {
    await reading;
    return "parsed";
  } catch (error) {
    return error instanceof UnreadableBodyError ? "unreadable" : error;
  }
}

test("any value comes back equal, wherever the chunks are cut", async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), fc.constantFrom(undefined, 2), chunkSizes, async (value, indent, sizes) => {
      const text = JSON.stringify(value, null, indent);

      expect(JSON.stringify((await read(text, sizes)).json)).toBe(JSON.stringify(value));
    }),
    { numRuns: 300 },
  );
});

test("any text comes back equal, even when each byte comes alone", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyText({ maxLength: 60 })), async (texts) => {
      expect((await read(JSON.stringify(texts), [1])).json).toEqual(texts);
    }),
    { numRuns: 200 },
  );
});

test("quotation marks, backslashes and escapes inside strings do not end them", async () => {
  const value = { 'a "quoted" key': 'C:\\dir\\"\\\\', empty: "", 漢字: "\u0000\u001f\ud83d\ude00", "\\": '\\"' };

  expect((await read(JSON.stringify(value), [1])).json).toEqual(value);
});

test("a chunk that is a window on a larger buffer is read only in its window", async () => {
  const larger = new TextEncoder().encode('garbage"{"n":3}garbage"');

  expect((await new ReplyReader(ROOMY).read([larger.subarray(8, 15)])).json).toEqual({ n: 3 });
});

test("a body is read as the JSON it is: empty chunks change nothing", async () => {
  const nothing = new Uint8Array();

  expect((await new ReplyReader(ROOMY).read([nothing, Buffer.from("[1"), nothing, Buffer.from("]")])).json).toEqual([
    1,
  ]);
});

test("a text of exactly 4 kB stays as it is", async () => {
  const text = "x".repeat(4096);

  expect((await read(JSON.stringify([text]))).json).toEqual([text]);
});

test("images come back as identical bytes whatever the chunks, the number of images and the way they are escaped", async () => {
  const escapes = fc.constantFrom("/", "\\/", "\\u002f", "\\u002F");
  const prefixes = fc.constantFrom("", "data:image/jpeg;base64,", "data:image\\/png;base64,");
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 6000 }), { minLength: 1, maxLength: 3 }),
      escapes,
      prefixes,
      chunkSizes,
      async (byteLengths, slash, prefix, sizes) => {
        const images = byteLengths.map(image);
        const strings = images.map((bytes) => `"${prefix}${encode(bytes).replaceAll("/", slash)}"`);

        expect(await imagesIn(`[${strings.join(",")}]`, sizes)).toEqual(images);
      },
    ),
    { numRuns: 100 },
  );
});

test.each([3071, 3072, 3073, 3074, 3075, 3078])(
  "images come back as identical bytes of %i bytes, around the length where lifting begins",
  async (length) => {
    const bytes = image(length);

    expect(await imagesIn(JSON.stringify([encode(bytes)]), [1])).toEqual([bytes]);
    expect(await imagesIn(JSON.stringify([encode(bytes)]), [100_000])).toEqual([bytes]);
  },
);

test("images come back as identical bytes when every single character is escaped", async () => {
  const bytes = image(4000);
  const escaped = Array.from(encode(bytes), (character) => `\\u00${character.charCodeAt(0).toString(16)}`).join("");

  for (const size of [1, 5, 6, 7, 1000]) expect(await imagesIn(`["${escaped}"]`, [size])).toEqual([bytes]);
});

test("images come back as identical bytes when escaped line breaks lie between the lines", async () => {
  const bytes = image(6000);
  const lines = encode(bytes).replace(/.{76}/g, "$&\\r\\n");

  for (const size of [1, 3, 77, 1000]) expect(await imagesIn(`["${lines}"]`, [size])).toEqual([bytes]);
});

test("images come back as identical bytes when they are short enough to stay in the JSON", async () => {
  expect(await imagesIn('["aGVsbG8=", "data:image/png;base64,aGVsbG8="]')).toEqual([
    new Uint8Array(Buffer.from("hello")),
    new Uint8Array(Buffer.from("hello")),
  ]);
});

test("images come back as identical bytes and do not disturb what stands around them", async () => {
  const body = { id: "a1", data: { image_base64: [encode(image(5000))] }, base_resp: { status_code: 0 } };

  expect((await read(JSON.stringify(body))).json).toMatchObject({ id: "a1", base_resp: { status_code: 0 } });
});

test("images come back as identical bytes and are not held as text: what stands in the JSON is short", async () => {
  const { json } = await read(JSON.stringify([encode(image(500_000))]));

  expect(JSON.stringify(json).length).toBeLessThan(2500);
});

test.each([
  ["plain prose", "it is not base64. ".repeat(400)],
  ["escaped backslashes", "\\\\".repeat(4000)],
  ["escaped quotation marks", '"'.repeat(5000)],
  ["letters outside ASCII", "漢".repeat(3000)],
  ["an emoji as an escape pair", "😀".repeat(3000)],
])("a long string that is no image is a problem of its own: %s", async (_case, text) => {
  const bytes = image(5000);

  for (const size of [1, 4, 6, 997]) {
    expect(await imagesIn(JSON.stringify([text, encode(bytes)]), [size])).toEqual(["it is not valid base64", bytes]);
  }
});

test("a long string that is no image is a problem of its own: an escape that JSON does not know", async () => {
  expect(await imagesIn(`["${"A".repeat(5000)}\\x41${"A".repeat(5000)}"]`)).toEqual(["it is not valid base64"]);
});

test("no text in a body can pass for an image of the same body", async () => {
  const impostors = ["lifted:0", "lifted::0", "lifted:00000000-0000-4000-8000-000000000000:0"];
  const [bytes, ...others] = await imagesIn(JSON.stringify([encode(image(5000)), ...impostors]));

  expect(bytes).toBeInstanceOf(Uint8Array);
  expect(others).toEqual(impostors.map(() => "it is not valid base64"));
});

test("arbitrary bytes are parsed or unreadable, nothing else", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), chunkSizes, async (bytes, sizes) => {
      expect(["parsed", "unreadable"]).toContain(await outcomeOf(read(bytes, sizes)));
    }),
    { numRuns: 300 },
  );
});

test("text that looks like JSON is accepted exactly when JSON.parse accepts it", async () => {
  const fragment = fc.constantFrom(...Array.from('{}[]":,\\u0 ae'), "null", '"a":', "\\u002f", "\\ud83d", "1e5", "\n");
  await fc.assert(
    fc.asyncProperty(fc.array(fragment, { maxLength: 12 }), chunkSizes, async (fragments, sizes) => {
      const text = fragments.join("");
      const parses = await outcomeOf(read(text, sizes));

      expect(parses).toBe(isJson(text) ? "parsed" : "unreadable");
    }),
    { numRuns: 300 },
  );
});

test.each([
  ["nothing at all", ""],
  ["HTML of a gateway", "<html><body><h1>502 Bad Gateway</h1></body></html>"],
  ["HTML with an open quotation mark", '<a href="https://example.com>'],
  ["plain text", "404 page not found"],
  ["two values", "{}{}"],
  ["brackets that never close", "[".repeat(100_000)],
])("a body that cannot be used is an UnreadableBodyError: %s", async (_case, body) => {
  await expect(read(body)).rejects.toBeInstanceOf(UnreadableBodyError);
});

test("a body cut off anywhere is never taken for a whole one", async () => {
  const body = JSON.stringify({
    id: "a1",
    data: { image_base64: [encode(image(3200)), "aGVsbG8="] },
    base_resp: { status_code: 0, status_msg: 'suc"cess' },
  });

  for (let length = 0; length < body.length; length += length > 100 && length < 4200 ? 37 : 1) {
    await expect(read(body.slice(0, length), [1500])).rejects.toBeInstanceOf(UnreadableBodyError);
  }
});

test("a body cut off inside an image is said to be cut off", async () => {
  await expect(read(`["${"A".repeat(9000)}`)).rejects.toThrow("cut off");
});

test("a body that cannot be used is an UnreadableBodyError: what a broken stream throws comes through as it is", async () => {
  const broken = new Error("other side closed");
  async function* stream(): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(Buffer.from('{"id":'));
    throw broken;
  }

  await expect(new ReplyReader(ROOMY).read(stream())).rejects.toBe(broken);
});

test("limits hold: a body of exactly the allowed length is read, one byte more is not", async () => {
  const body = JSON.stringify({ id: "a".repeat(50) });

  expect(await outcomeOf(read(body, [7], { ...ROOMY, bodyBytes: body.length }))).toBe("parsed");
  expect(await outcomeOf(read(body, [7], { ...ROOMY, bodyBytes: body.length - 1 }))).toBe("unreadable");
});

test("limits hold: a stream that never ends is closed when it passes the limit", async () => {
  let sent = 0;
  let closed = false;
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        sent += 100;
        yield await Promise.resolve(Buffer.alloc(100, "A"));
      }
    } finally {
      closed = true;
    }
  }

  await expect(new ReplyReader({ ...ROOMY, bodyBytes: 1000 }).read(endless())).rejects.toThrow("1000 bytes");
  expect(closed).toBe(true);
  expect(sent).toBe(1100);
});

test("limits hold: images do not count as JSON", async () => {
  const bytes = image(50_000);

  expect(await imagesIn(JSON.stringify([encode(bytes)]), [500], { ...ROOMY, jsonBytes: 2500 })).toEqual([bytes]);
});

test.each([
  ["short strings", JSON.stringify(Array.from({ length: 200 }, () => "short"))],
  ["white space", `[${" ".repeat(2000)}]`],
  ["one string below 4 kB", JSON.stringify(["x".repeat(4000)])],
  ["many long strings", JSON.stringify(Array.from({ length: 40 }, () => "A".repeat(4100)))],
])("limits hold: too much beside the images is unreadable: %s", async (_case, body) => {
  await expect(read(body, [500], { ...ROOMY, jsonBytes: 1000 })).rejects.toThrow("1000 bytes beside its images");
});

test("limits hold: an image of exactly the allowed size is kept; a larger one is a problem of that image alone", async () => {
  const exact = image(10_000);
  const body = JSON.stringify([encode(exact), encode(image(10_001)), encode(exact)]);

  expect(await imagesIn(body, [512], { ...ROOMY, imageBytes: 10_000 })).toEqual([
    exact,
    "it is larger than 10000 bytes",
    exact,
  ]);
});

test("limits hold: the size of an image is limited also when it is short", async () => {
  expect(await imagesIn('["aGVsbG8="]', [64], { ...ROOMY, imageBytes: 4 })).toEqual(["it is larger than 4 bytes"]);
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

test.each([
  ["a list of images", '{"image_base64":', "1}"],
  ["a count of images", '{"success_count":', "x}"],
])("limits hold: a megabyte of white space where %s is expected is judged without delay", async (_what, start, end) => {
  const reader = new ReplyReader({ ...ROOMY, jsonBytes: 1_048_576 });
  const text = `${start}${" ".repeat(1_000_000)}${end}`;

  await reader.read([Buffer.from(text)]).catch(() => undefined);

  expect(reader.showsImages).toBe(false);
});
