import { readdir } from "node:fs/promises";
import { expect, test } from "vitest";
import { API_CODES } from "../src/constants.ts";
import {
  answer,
  type Behaviour,
  breakOff,
  echoKey,
  fallSilent,
  hangUp,
  overload,
  refuse,
  refuseAsTooLarge,
  refuseInEnvelope,
  status,
  succeed,
  withholdBody,
} from "../stand-in/behaviours.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { smallImage } from "./support/big-jpeg.ts";
import { closedHost } from "./support/listening.ts";
import { manualClock } from "./support/manual-clock.ts";
import { begin } from "./support/pending-call.ts";
import { outputOf, spawnServer, startServer, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { waitFor } from "./support/wait-for.ts";

const CAT = { prompt: "a cat" };
const BILLED = "may have been generated and billed";
const RATE_LIMIT_ENVELOPE =
  '{"type":"error","error":{"type":"rate_limit_error","message":"slow down","http_code":"429"}}';

const shared = shareServer({ speed: 50, env: { MINIMAX_TIMEOUT_MS: "300000" } });

/** The place of each code: this list decides about money by itself, and has to agree with the table. */
const PLACES = {
  refused: [1004, 1008, 1026, 1027, 1028, 1030, 1042, 2013, 2038, 2049, 2056, 2061],
  transient: [1000, 1002, 1024, 1033, 1039, 1041, 2045, 2064],
  unknown: [1001],
} as const;

test("every status code has its place", () => {
  expect(Object.values(PLACES).flat().toSorted()).toEqual(Object.keys(API_CODES).map(Number));
});

test.each(
  Object.entries(PLACES).flatMap(([place, codes]) => codes.map((code) => [code, place, API_CODES[code]] as const)),
)("code %i is %s", async (code, place, known) => {
  await using api = await startStandIn({ script: Array<Behaviour>(4).fill(refuse(code)) });
  await using server = await startServer({ api });

  const result = await server.generate(CAT);

  const text = textOf(result);
  expect(result.isError).toBe(true);
  expect(text).toContain(`Status code: ${code}`);
  expect(text).toContain(place === "unknown" ? "was not retried" : known?.meaning);
  expect(text, "the stand-in has MiniMax's message").not.toContain('"unknown"');
  expect(text.includes(BILLED)).toBe(place === "unknown");
  expect(text).toContain(place === "unknown" ? "your choice" : `Recovery: ${known?.recovery ?? "none"}`);
  expect(text.includes("Tried 4 times")).toBe(place === "transient");
  expect(api.requests).toHaveLength(place === "transient" ? 4 : 1);
  expect(await readdir(server.outputDir)).toEqual([]);
});

test.each<readonly [string, Behaviour]>([
  ["HTTP 408", status(408)],
  ["HTTP 429", status(429, { body: RATE_LIMIT_ENVELOPE })],
  ["HTTP 429 with Retry-After", status(429, { headers: { "Retry-After": "2" } })],
  ["HTTP 500", status(500, { body: '{"error":"internal"}' })],
  ["HTTP 502 with HTML", status(502, { body: "<html><h1>502 Bad Gateway</h1></html>" })],
  ["HTTP 503", status(503)],
  ["HTTP 529", answer("", { status: 529 })],
  ["HTTP 529 with code 2064", overload()],
  ["HTTP 500 whose body never comes", withholdBody(500)],
  ["code 1000", refuse(1000)],
])("%s is retried, and the image is saved", async (_, fault) => {
  const { api, server } = shared.begin({ script: [fault, fault, fault, succeed()] });

  expect(outputOf(await server.generate(CAT)).saved_count).toBe(1);

  expect(api.requests).toHaveLength(4);
  expect(await readdir(server.outputDir)).toHaveLength(1);
});

test("gives up after three retries", async () => {
  const { api, server } = shared.begin({ otherwise: status(503) });

  const result = await server.generate(CAT);

  expect(textOf(result)).toContain("HTTP 503");
  expect(textOf(result)).toContain("Tried 4 times");
  expect(api.requests).toHaveLength(4);
  expect(await readdir(server.outputDir)).toEqual([]);
});

test("a refused connection is retried until the server is there", async () => {
  const host = await closedHost();
  await using server = await spawnServer({ api: { url: `http://${host}` } });
  const call = begin(server);
  await call.reaches(/Attempt 2 of 4/);

  await using api = await startStandIn({ port: Number(new URL(`http://${host}`).port), createImage: smallImage });

  expect(outputOf(await call.result).saved_count).toBe(1);
  expect(api.requests).toHaveLength(1);
});

test.each<readonly [string, Behaviour, RegExp]>([
  ["HTTP 400", refuseInEnvelope(400, "bad_request_error", "bad n"), /bad n.*\nRecovery: .*correct what it names/s],
  ["HTTP 401", status(401), /HTTP 401.*\nRecovery: .*Check MINIMAX_API_KEY/s],
  ["HTTP 402", refuseInEnvelope(402, "insufficient_balance_error", "no money"), /no money.*\nRecovery: .*Top up/s],
  ["HTTP 404", status(404, { body: "404 page not found" }), /HTTP 404.*\nRecovery: .*Check MINIMAX_API_HOST/s],
  ["HTTP 413", refuseAsTooLarge(), /HTTP 413.*\nRecovery: .*fewer or smaller subject references/s],
  ["HTTP 418", answer('{"error":"out of order"}', { status: 418 }), /out of order.*\nRecovery: .*Correct what/s],
  ["HTTP 422", refuseInEnvelope(422, "unprocessable_entity_error", "no"), /no.*\nRecovery: .*correct what it names/s],
  ["a redirect", status(307, { headers: { Location: "http://127.0.0.1:9/elsewhere" } }), /HTTP 307/],
  ["an unknown code", refuse(9999, "who knows"), /who knows.*Status code: 9999/s],
  ["an envelope", answer('{"error":{"message":"no key (1004)"}}'), /no key.*\nRecovery: .*platform\.minimax\.cn/s],
  ["no image", answer('{"data":{},"base_resp":{"status_code":0}}'), /EMPTY_RESPONSE/],
])("%s is not retried, and says what to do", async (_, fault, words) => {
  const { api, server } = shared.begin({ script: [fault] });

  const result = await server.generate(CAT);

  expect(result.isError).toBe(true);
  expect(textOf(result)).toMatch(words);
  expect(textOf(result)).not.toContain(BILLED);
  expect(api.requests).toHaveLength(1);
  expect(await readdir(server.outputDir)).toEqual([]);
});

test.each<readonly [string, Behaviour, string]>([
  ["a connection without an answer", hangUp(), "the connection was lost"],
  ["a body cut off", breakOff({ after: '{"data":{"image_base64":["', then: "close" }), "the connection was lost"],
  ["a body that is not JSON", answer("pong"), "not JSON"],
  ["a body that ends in the middle", answer('{"data":{"image_base64":["/9j/'), "cut off"],
  ["an answer that is something else", answer('{"status":"ok"}'), "not what MiniMax documents"],
  ["HTTP 504", status(504, { body: "<html>504</html>" }), "HTTP 504"],
  ["HTTP 504 in MiniMax's words", refuseInEnvelope(504, "timeout", "too slow"), "too slow"],
  ["HTTP 520", status(520), "HTTP 520"],
])("%s may be billed, and is not retried", async (_, fault, words) => {
  const { api, server } = shared.begin({ script: [fault] });

  const result = await server.generate(CAT);

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain(words);
  expect(textOf(result)).toContain(BILLED);
  expect(textOf(result)).toContain("your choice");
  expect(api.requests).toHaveLength(1);
  expect(await readdir(server.outputDir)).toEqual([]);
});

test.each([
  ["silence", fallSilent()],
  ["silence in the body", breakOff({ after: '{"data":', then: "silence" })],
])("%s until the time is up may have been billed", async (_, fault) => {
  await using api = await startStandIn({ script: [fault] });
  const clock = manualClock();
  await using server = await startServer({ api, clock, callBudgetMs: 30_000 });
  const call = begin(server);
  await waitFor("the request", () => api.requests.length === 1);

  await clock.advance(30_000);

  expect(textOf(await call.result)).toContain("no complete response came within the call's 30 s");
  expect(textOf(await call.result)).toContain(BILLED);
  expect(api.requests).toHaveLength(1);
});

const inSeconds = (seconds: number): string => new Date(Date.now() + seconds * 1000).toUTCString();

test.each<readonly [string, () => Behaviour, number, number]>([
  ["1002", () => refuse(1002), 60, 65],
  ["2045", () => refuse(2045), 30, 35],
  ["Retry-After in seconds", () => status(503, { headers: { "Retry-After": "20" } }), 20, 25],
  ["Retry-After as a date", () => status(503, { headers: { "Retry-After": inSeconds(90) } }), 80, 95],
])("the wait after %s has jitter on top", async (_, fault, atLeast, atMost) => {
  await using api = await startStandIn({ createImage: smallImage, script: [(exchange) => fault()(exchange)] });
  const waits: number[] = [];
  await using server = await startServer({ api, random: () => 0.999, onSleep: (ms) => waits.push(ms) });

  expect(outputOf(await server.generate(CAT)).saved_count).toBe(1);

  expect(api.requests).toHaveLength(2);
  expect(waits.filter((ms) => ms >= atLeast * 1000 && ms < atMost * 1000)).not.toEqual([]);
});

test("an absurd Retry-After ends its own call, and holds back others briefly", async () => {
  const fault = status(503, { headers: { "Retry-After": "999999" } });
  await using api = await startStandIn({ createImage: smallImage, script: [fault] });
  await using server = await startServer({ api });

  const first = await server.generate(CAT);
  const second = await server.generate(CAT);

  expect(textOf(first)).toContain("The next attempt was due in");
  expect(outputOf(second).saved_count).toBe(1);
});

test("a wait that does not fit into the call's time is not begun", async () => {
  await using api = await startStandIn({ script: [refuse(1002)] });
  await using server = await startServer({ api, clock: manualClock(), callBudgetMs: 50_000 });

  const result = await server.generate(CAT);

  expect(textOf(result)).toMatch(/The next attempt was due in 6\d s/);
  expect(textOf(result)).toContain("Status code: 1002");
  expect(api.requests).toHaveLength(1);
});

test("a wait is announced with its length and the number of the attempt", async () => {
  const { server } = shared.begin({ script: [refuse(1002)] });
  const call = begin(server);

  await call.result;

  expect(call.messages).toContainEqual(expect.stringMatching(/rate limit.*Attempt 2 of 4 in 6\d s/));
  const secondsLeft = call.messages.flatMap((message) => /in (\d+) s/.exec(message)?.[1] ?? []).map(Number);
  expect(secondsLeft.length).toBeGreaterThanOrEqual(3);
  expect(secondsLeft).toEqual(secondsLeft.toSorted((a, b) => b - a));
});

test("the key is not shown even when MiniMax repeats it", async () => {
  const { server } = shared.begin({ script: [echoKey(1000), echoKey(2013)] });

  const result = await server.generate(CAT);

  expect(textOf(result)).toContain("[API key]");
  expect(server.transport.stdout + server.transport.stderr).not.toContain(STAND_IN_KEY);
});
