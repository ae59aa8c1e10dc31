import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import fc from "fast-check";
import { expect, test } from "vitest";
import { fastClock } from "../../test/support/fast-clock.ts";
import { manualClock } from "../../test/support/manual-clock.ts";
import { waitFor } from "../../test/support/wait-for.ts";
import { startWebServer, type WebServer } from "../../test/support/web-server.ts";
import { DeadlineExceededError } from "../errors.ts";
import type { Clock } from "../timing/clock.ts";
import { readResponse, type UpstreamResponse } from "./response.ts";

const KEY = "sk-api-secret";
const UNIX_MS = Date.UTC(2030, 0, 1, 12);
const SILENCE_MS = 3_000;
const BODY_MAX_BYTES = 128 * 1024 * 1024;
const NOT_JSON = "its response could not be read: the body is not JSON, or was cut off";
const IMAGES = Array.from({ length: 9 }, () => randomBytes(3_000).toString("base64"));
const BODY = JSON.stringify({ data: { image_base64: IMAGES }, base_resp: { status_code: 0 } });
const JSON_BODY: unknown = JSON.parse(BODY);
const SHOWS_IMAGES = `{"data":{"image_base64":["${IMAGES[0] ?? ""}`;

interface ReadOptions {
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
}

/** Reads a response on a clock that stands still, so that no time limit strikes, unless told otherwise. */
function read(response: Response, { clock = manualClock(), signal }: ReadOptions = {}): Promise<UpstreamResponse> {
  return readResponse(response, {
    host: "api.minimax.io",
    allowLoopback: false,
    apiKey: KEY,
    clock,
    signal: signal ?? new AbortController().signal,
  });
}

async function readFrom({ url }: WebServer, options: ReadOptions = {}): Promise<UpstreamResponse> {
  return read(await fetch(url, options.signal === undefined ? {} : { signal: options.signal }), options);
}

function responding(write: (response: ServerResponse) => void): Promise<WebServer> {
  return startWebServer((_, response) => {
    write(response);
  });
}

test.each([
  ["a body", BODY],
  ["a body behind a byte order mark", `\uFEFF${BODY}`],
])("%s is read whole", async (_what, body) => {
  await using web = await responding((response) => response.end(body));

  expect(await readFrom(web)).toMatchObject({ status: 200, json: JSON_BODY, unreadable: undefined });
});

test("of a body cut off in its ninth image, eight images are read", async () => {
  await using web = await responding((response) => {
    const cut = BODY.slice(0, BODY.indexOf(IMAGES[8] ?? "") + 1_000);
    response.writeHead(200, { "Content-Length": BODY.length }).write(cut, () => response.destroy());
  });

  const { json, unreadable, showsImages } = await readFrom(web);

  expect(json).toEqual({ data: { image_base64: IMAGES.slice(0, 8) } });
  expect(unreadable).toMatch(/^the connection was lost before the response was complete \(.+\)$/);
  expect(showsImages).toBe(true);
});

test("a body whose end is not marked is whole all the same", async () => {
  await using web = await responding((response) => response.write(BODY, () => response.destroy()));

  expect(await readFrom(web)).toMatchObject({ json: JSON_BODY, unreadable: undefined });
});

test("a body shorter than announced is taken after a silence", async () => {
  await using web = await responding((response) => {
    response.writeHead(200, { "Content-Length": BODY.length + 1 }).write(BODY);
  });
  const clock = fastClock(100);
  const sinceMs = clock.monotonicMs();

  expect(await readFrom(web, { clock })).toMatchObject({ json: JSON_BODY, unreadable: undefined });

  expect(clock.monotonicMs() - sinceMs).toBeGreaterThanOrEqual(SILENCE_MS);
  await waitFor("the closed connection", () => web.openExchanges() === 0);
});

test("a body that pauses in the middle is waited for", async () => {
  const clock = fastClock(100);
  await using web = await responding((response) => {
    response.write(BODY.slice(0, 1_000));
    const sinceMs = clock.monotonicMs();
    void waitFor("a long pause", () => clock.monotonicMs() - sinceMs > SILENCE_MS * 2).then(() =>
      response.end(BODY.slice(1_000)),
    );
  });

  expect(await readFrom(web, { clock })).toMatchObject({ json: JSON_BODY, unreadable: undefined });
});

test("the body of an HTTP error that breaks off is given up", async () => {
  await using web = await responding((response) => response.writeHead(503).write("<html>"));
  const clock = fastClock(100);
  const sinceMs = clock.monotonicMs();

  const response = await readFrom(web, { clock });

  expect(response).toMatchObject({ status: 503, json: undefined, unreadable: NOT_JSON, showsImages: false });
  expect(clock.monotonicMs() - sinceMs).toBeGreaterThanOrEqual(SILENCE_MS);
  await waitFor("the closed connection", () => web.openExchanges() === 0);
});

test("the body of an HTTP error that trickles is given up", async () => {
  const clock = manualClock(UNIX_MS);
  const pull = async (controller: ReadableStreamDefaultController): Promise<void> => {
    await clock.advance(1_000);
    controller.enqueue(Buffer.from(" "));
  };
  const body = new ReadableStream({ pull }, { highWaterMark: 0 });

  expect(await read(new Response(body, { status: 503 }), { clock })).toMatchObject({ unreadable: NOT_JSON });

  expect(clock.monotonicMs()).toBe(UNIX_MS + SILENCE_MS);
});

test.each([
  ["success", 200],
  ["an error that shows images", 400],
])("the deadline ends the reading of %s, not the call", async (_what, status) => {
  const clock = fastClock(100);
  const deadline = new AbortController();
  await using web = await responding((response) => {
    response.writeHead(status).write(`${SHOWS_IMAGES}","`);
    const sinceMs = clock.monotonicMs();
    void waitFor("a long silence", () => clock.monotonicMs() - sinceMs > SILENCE_MS * 2).then(() => {
      deadline.abort(new DeadlineExceededError(230_000));
    });
  });

  expect(await readFrom(web, { clock, signal: deadline.signal })).toMatchObject({
    json: { data: { image_base64: IMAGES.slice(0, 1) } },
    unreadable: "no complete response came within the call's 230 s",
    showsImages: true,
  });
  await waitFor("the closed connection", () => web.openExchanges() === 0);
});

test("a cancellation throws its reason", async () => {
  const cancel = new AbortController();
  await using web = await responding((response) => response.write(SHOWS_IMAGES));
  const response = await fetch(web.url, { signal: cancel.signal });
  const reading = read(response, { signal: cancel.signal });

  cancel.abort("the client cancelled");

  await expect(reading).rejects.toBe("the client cancelled");
  await waitFor("the closed connection", () => web.openExchanges() === 0);
});

test("a body that is too large is not read", async () => {
  await using web = await responding((response) => response.end(Buffer.alloc(BODY_MAX_BYTES + 1, " ")));

  const { unreadable, json } = await readFrom(web);

  expect(unreadable).toBe(`its response could not be read: the body exceeds ${BODY_MAX_BYTES} bytes`);
  expect(json).toBeUndefined();
});

test("a body that ends anywhere gives the images that came whole", async () => {
  const entries = fc.array(fc.constantFrom("AAAA", "BBBBBBBB", "", null), { minLength: 1, maxLength: 9 });
  const keys = fc.constantFrom("image_base64", "image_urls");
  const positions = fc.nat({ max: 999 });
  await fc.assert(
    fc.asyncProperty(entries, keys, positions, fc.constantFrom(0, 2), async (images, key, position, indent) => {
      const body = JSON.stringify({ id: "a", data: { [key]: images }, metadata: { n: '"]' } }, null, indent);
      const cut = body.replace(":[", " : [").slice(0, Math.floor((position * body.length) / 1000));
      const begin = cut.indexOf("[");
      const came = begin === -1 ? [] : (cut.slice(begin).match(/"[A-Z]+"/g) ?? []);

      const { json, unreadable } = await read(new Response(cut));

      expect(unreadable).toBe(NOT_JSON);
      expect(JSON.stringify(json ?? "").match(/"[A-Z]+"/g) ?? []).toEqual(came);
    }),
    { numRuns: 300 },
  );
});

test("an empty list before the images hides none of them", async () => {
  const cut = '{"data":{"image_urls":[ ],"image_base64":["AAAA","BB';

  expect((await read(new Response(cut))).json).toEqual({ data: { image_base64: ["AAAA"] } });
});

test.each<readonly [string, string | null]>([
  ["nothing", null],
  ["a list of something else", '{"image_urls":[x"AAAA"'],
  ["HTML", "<html><h1>502 Bad Gateway</h1></html>"],
  ["brackets that never close", "[".repeat(100_000)],
  ["an image that is not in a list", '{"data":{"image_base64":"AAAA"'],
])("a body that is not JSON holds no images: %s", async (_what, body) => {
  expect(await read(new Response(body))).toMatchObject({ json: undefined, unreadable: NOT_JSON });
});

test.each([
  ['{"image_base64" : [ {"b64_json":', true],
  ['{"image_urls": "https://', true],
  ['{"metadata":{"success_count": "3', true],
  ['{"success_count" : " 1', true],
  ['{"success_count":1', true],
  ['{"success_count":"0"', false],
  ['{"image_base64":[]', false],
  ['{"image_base64":null', false],
])("a body that cannot be read may show images: %s", async (body, showsImages) => {
  expect((await read(new Response(body))).showsImages).toBe(showsImages);
});

test.each(["image_base64", "success_count"])("a megabyte of white space after %s is judged at once", async (key) => {
  expect((await read(new Response(`{"${key}":${" ".repeat(1_000_000)}x`))).showsImages).toBe(false);
});

test.each<readonly [string, string, number | undefined]>([
  ["seconds", "20", 20_000],
  ["an HTTP date", new Date(UNIX_MS + 90_000).toUTCString(), 90_000],
  ["a date that has passed", new Date(UNIX_MS - 90_000).toUTCString(), 0],
  ["a date in C's old form", "Tue Jan  1 12:01:30 2030", 90_000],
  ["an ISO date with an offset", "2030-01-01T14:01:30+02:00", 90_000],
  ["words", "soon", undefined],
  ["nothing", "", undefined],
  ["more seconds than there are", "9".repeat(400), undefined],
])("Retry-After is read: %s", async (_form, header, expected) => {
  const response = new Response("{}", { headers: { "Retry-After": header } });

  expect((await read(response, { clock: manualClock(UNIX_MS) })).retryAfterMs).toBe(expected);
});

test("a trace id is bounded, and holds no key", async () => {
  const response = new Response("{}", { headers: { "Trace-Id": `${KEY} ${"x".repeat(80)}${KEY}${"y".repeat(999)}` } });

  expect((await read(response)).traceId).toMatch(/^\[API key\] x{80}\[API key\]y…$/);
  expect((await read(new Response("{}"))).traceId).toBeUndefined();
});

test("a quotation is one bounded line without the key", async () => {
  const { quote } = await read(new Response("{}"));

  expect(quote(`your key\n${KEY} is wrong`)).toBe("your key [API key] is wrong");
  expect(quote("x".repeat(100_000))).toMatch(/^x{300}…$/);
  expect(quote(`${"x".repeat(295)}${KEY}`)).toMatch(/^x{295}\[API …$/);
});
