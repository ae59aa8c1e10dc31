import { readdir } from "node:fs/promises";
import { expect, test } from "vitest";
import {
  answer,
  type Behaviour,
  breakOff,
  echoKey,
  fallSilent,
  hangUp,
  refuse,
  status,
  succeed,
} from "../stand-in/behaviours.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { closedHost } from "./support/listening.ts";
import { type SeenProgress, spawnQuickServer, startServer, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";

const RATE_LIMIT_ENVELOPE =
  '{"type":"error","error":{"type":"rate_limit_error","message":"slow down","http_code":"429"}}';

const retried: readonly (readonly [string, Behaviour])[] = [
  ["HTTP 408", status(408)],
  ["HTTP 429", status(429, { body: RATE_LIMIT_ENVELOPE })],
  ["HTTP 429 with Retry-After", status(429, { headers: { "Retry-After": "2" } })],
  ["HTTP 500", status(500, { body: '{"error":"internal"}' })],
  ["HTTP 502 with HTML", status(502, { body: "<html><h1>502 Bad Gateway</h1></html>" })],
  ["HTTP 503", status(503)],
  ...[1000, 1024, 1033, 1039, 1041, 1002, 2045].map((code) => [`code ${code}`, refuse(code)] as const),
];

const notRetried: readonly (readonly [string, Behaviour, string])[] = [
  ["HTTP 400", status(400), "HTTP 400"],
  ["HTTP 401", status(401), "Check MINIMAX_API_KEY"],
  ["HTTP 404", status(404, { body: "404 page not found" }), "HTTP 404"],
  ["HTTP 407", status(407), "HTTP 407"],
  ["a redirect", status(307, { headers: { Location: "http://127.0.0.1:9/elsewhere" } }), "HTTP 307"],
  ["an unknown code", refuse(9999, "who knows"), "Status code: 9999"],
  ...[1004, 1008, 1026, 1027, 1042, 2013, 2038, 2049, 2056, 2061].map(
    (code) => [`code ${code}`, refuse(code), `Status code: ${code}`] as const,
  ),
  ["success without images", answer('{"data":{},"base_resp":{"status_code":0}}'), "EMPTY_RESPONSE"],
];

const maybeBilled: readonly (readonly [string, Behaviour, string])[] = [
  ["a connection closed without an answer", hangUp(), "the connection was lost"],
  [
    "a body that is cut off",
    breakOff({ after: '{"id":"1","data":{"image_base64":["', then: "close" }),
    "the connection was lost",
  ],
  ["a body that is not JSON", answer("pong"), "not JSON"],
  ["a body that ends in the middle", answer('{"data":{"image_base64":["/9j/'), "cut off"],
  ["an answer that is something else", answer('{"status":"ok"}'), "not what MiniMax documents"],
  ["HTTP 504", status(504, { body: "<html>504</html>" }), "HTTP 504"],
  ["HTTP 520", status(520), "HTTP 520"],
  ["code 1001", refuse(1001), "Status code: 1001"],
];

const shared = shareServer((api) => spawnQuickServer({ api, env: { MINIMAX_TIMEOUT_MS: "300000", MINIMAX_RPM: "0" } }));
const hurried = shareServer((api) => spawnQuickServer({ api, speed: 10, env: { MINIMAX_TIMEOUT_MS: "30000" } }));

test.each(retried)("what made nothing is retried, and the image is saved: %s", async (_, fault) => {
  const { api, server } = shared.begin({ script: [fault, fault, fault, succeed()] });

  const result = await server.generate({ prompt: "a cat" });

  expect(result.structuredContent).toMatchObject({ saved_count: 1 });
  expect(api.requests).toHaveLength(4);
  expect(await readdir(server.outputDir)).toHaveLength(1);
});

test("what made nothing is retried, and the image is saved: a connection that is refused, until the server is there", async () => {
  const host = await closedHost();
  await using server = await spawnQuickServer({ api: { url: `http://${host}` }, speed: 1 });
  const seen: SeenProgress[] = [];
  let late: Awaited<ReturnType<typeof startStandIn>> | undefined;

  const result = await server.generate(
    { prompt: "a cat" },
    {
      onProgress: (progress) => {
        seen.push(progress);
        if (late === undefined && progress.message?.includes("Attempt 2 of 4")) {
          void startStandIn({ port: Number(new URL(`http://${host}`).port) }).then((started) => (late = started));
        }
      },
    },
  );

  expect(result.structuredContent).toMatchObject({ saved_count: 1 });
  expect(late?.requests).toHaveLength(1);
  await late?.[Symbol.asyncDispose]();
});

test("what made nothing is retried, and the image is saved but not more than three times, and then the error says so", async () => {
  const { api, server } = shared.begin({ script: Array<Behaviour>(9).fill(status(503)) });

  const result = await server.generate({ prompt: "a cat" });

  expect(textOf(result)).toContain("HTTP 503");
  expect(textOf(result)).toContain("Tried 4 times");
  expect(api.requests).toHaveLength(4);
  expect(await readdir(server.outputDir)).toEqual([]);
});

test.each(notRetried)("what would be refused again is not retried: %s", async (_, fault, words) => {
  const { api, server } = shared.begin({ script: [fault] });

  const result = await server.generate({ prompt: "a cat" });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain(words);
  expect(api.requests).toHaveLength(1);
  expect(await readdir(server.outputDir)).toEqual([]);
});

test.each(maybeBilled)(
  "what may have been billed is never retried, and the error says so: %s",
  async (_, fault, words) => {
    const { api, server } = shared.begin({ script: [fault] });

    const result = await server.generate({ prompt: "a cat" });

    expect(result.isError).toBe(true);
    expect(textOf(result)).toContain(words);
    expect(textOf(result)).toContain("may have been generated and billed");
    expect(textOf(result)).toContain("your choice");
    expect(api.requests).toHaveLength(1);
    expect(await readdir(server.outputDir)).toEqual([]);
  },
);

test.each([
  ["silence", fallSilent()],
  ["silence in the middle of the body", breakOff({ after: '{"data":', then: "silence" })],
])(
  "what may have been billed is never retried, and the error says so: %s until the call's time is used up",
  async (_, fault) => {
    const { api, server } = hurried.begin({ script: [fault] });

    const result = await server.generate({ prompt: "a cat" });

    expect(textOf(result)).toContain("no complete response came within the call's 30 s");
    expect(textOf(result)).toContain("may have been generated and billed");
    expect(api.requests).toHaveLength(1);
  },
);

test.each([
  ["1002", refuse(1002), 60, 65],
  ["2045", refuse(2045), 30, 35],
  ["Retry-After in seconds", status(503, { headers: { "Retry-After": "20" } }), 20, 25],
])("a wait after %s is as long as it has to be, with jitter on top", async (_, fault, atLeast, atMost) => {
  await using api = await startStandIn({ script: [fault] });
  const waits: number[] = [];
  await using server = await startServer({ api, random: () => 0.999, onSleep: (ms) => waits.push(ms) });

  await server.generate({ prompt: "a cat" });

  expect(api.requests).toHaveLength(2);
  expect(waits.filter((ms) => ms >= atLeast * 1000 && ms < atMost * 1000)).not.toEqual([]);
});

test("a wait follows a Retry-After that is an HTTP date", async () => {
  const fault: Behaviour = (exchange) =>
    status(503, { headers: { "Retry-After": new Date(Date.now() + 90_000).toUTCString() } })(exchange);
  await using api = await startStandIn({ script: [fault] });
  const waits: number[] = [];
  await using server = await startServer({ api, onSleep: (ms) => waits.push(ms) });

  await server.generate({ prompt: "a cat" });

  expect(waits.filter((ms) => ms > 85_000 && ms < 95_000)).not.toEqual([]);
});

test("a wait that is absurdly long ends its own call, and holds back the others for five minutes at most", async () => {
  await using api = await startStandIn({ script: [status(503, { headers: { "Retry-After": "999999" } })] });
  await using server = await startServer({ api });

  const first = await server.generate({ prompt: "a cat" });
  const second = await server.generate({ prompt: "a cat" });

  expect(textOf(first)).toContain("The next attempt was due in");
  expect(second.structuredContent).toMatchObject({ saved_count: 1 });
});

test("a wait that does not fit into the call's time is not begun, and the error says when the next attempt would have been", async () => {
  await using api = await startStandIn({ script: [refuse(1002)] });
  await using server = await startServer({ api, speed: 20, callBudgetMs: 50_000 });

  const result = await server.generate({ prompt: "a cat" });

  expect(textOf(result)).toMatch(/The next attempt was due in 6\d s/);
  expect(textOf(result)).toContain("Status code: 1002");
  expect(api.requests).toHaveLength(1);
});

test("a wait is announced with its length and the number of the attempt", async () => {
  const { server } = shared.begin({ script: [refuse(1002)] });
  const seen: SeenProgress[] = [];

  await server.generate({ prompt: "a cat" }, { onProgress: (progress) => seen.push(progress) });

  const messages = seen.map(({ message }) => message ?? "");
  expect(messages).toContainEqual(expect.stringMatching(/rate limit.*Attempt 2 of 4 in 6\d s/));
  const secondsLeft = messages.flatMap((message) => /in (\d+) s/.exec(message)?.[1] ?? []).map(Number);
  expect(secondsLeft.length).toBeGreaterThanOrEqual(8);
  expect(secondsLeft).toEqual(secondsLeft.toSorted((a, b) => b - a));
});

test("the key is not shown even when MiniMax repeats it", async () => {
  const { server } = shared.begin({ script: [echoKey(1000), echoKey(2013)] });

  const result = await server.generate({ prompt: "a cat" });

  expect(textOf(result)).toContain("[API key]");
  expect(server.transport.stdout + server.transport.stderr).not.toContain(STAND_IN_KEY);
});
