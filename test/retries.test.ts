import { readdir } from "node:fs/promises";
import { expect, test } from "vitest";
import { API_CODES } from "../src/constants.ts";
import {
  answer,
  type Behaviour,
  breakOff,
  fallSilent,
  hangUp,
  overload,
  refuse,
  refuseInEnvelope,
  status,
  succeed,
  withholdBody,
} from "../stand-in/behaviours.ts";
import { startStandIn } from "../stand-in/server.ts";
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
  ["HTTP 429", status(429, { body: RATE_LIMIT_ENVELOPE })],
  ["HTTP 502 with HTML", status(502, { body: "<html><h1>502 Bad Gateway</h1></html>" })],
  ["HTTP 529 with code 2064", overload()],
  ["HTTP 500 whose body never comes", withholdBody(500)],
])("%s is retried, and the image is saved", async (_, fault) => {
  const { api, server } = shared.begin({ script: [fault, fault, fault, succeed()] });

  expect(outputOf(await server.generate(CAT)).saved_count).toBe(1);

  expect(api.requests).toHaveLength(4);
  expect(await readdir(server.outputDir)).toHaveLength(1);
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

test.each<readonly [string, Behaviour, string]>([
  ["a connection without an answer", hangUp(), "the connection was lost"],
  ["a body cut off", breakOff({ after: '{"data":{"image_base64":["', then: "close" }), "the connection was lost"],
  ["a body that is not JSON", answer("pong"), "not JSON"],
  ["HTTP 504 in MiniMax's words", refuseInEnvelope(504, "timeout", "too slow"), "too slow"],
  ["HTTP 520", status(520), "HTTP 520"],
])("%s may be billed, and is not retried", async (_, fault, words) => {
  const { api, server } = shared.begin({ script: [fault] });

  const result = await server.generate(CAT);

  expect(result.isError).toBe(true);
  for (const part of [words, BILLED, "your choice"]) expect(textOf(result)).toContain(part);
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

test("an absurd Retry-After ends its own call, and holds back others briefly", async () => {
  const fault = status(503, { headers: { "Retry-After": "999999" } });
  await using api = await startStandIn({ createImage: smallImage, script: [fault] });
  await using server = await startServer({ api });

  const first = await server.generate(CAT);
  const second = await server.generate(CAT);

  expect(textOf(first)).toContain("The next attempt was due in");
  expect(outputOf(second).saved_count).toBe(1);
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
