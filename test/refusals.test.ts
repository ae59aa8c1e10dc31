import { readdir } from "node:fs/promises";
import { expect, test } from "vitest";
import {
  answer,
  type Behaviour,
  echoKey,
  refuse,
  refuseAsTooLarge,
  refuseInEnvelope,
  status,
} from "../stand-in/behaviours.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { spawnServer, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";

const CAT = { prompt: "a cat" };
const LIMIT = '{"type":"error","error":{"message":"usage limit exceeded (2056)","http_code":"429"}}';
const WITHHELD =
  '{"id":"03ff3cd0","data":{},"metadata":{"failed_count":"1","success_count":"0"},"base_resp":{"status_code":0}}';

const shared = shareServer({ speed: 50 });

test.each<readonly [string, Behaviour, RegExp]>([
  ["HTTP 400", refuseInEnvelope(400, "bad_request_error", "bad n"), /bad n.*\nRecovery: .*correct what it names/s],
  ["HTTP 413", refuseAsTooLarge(), /HTTP 413.*\nRecovery: .*fewer or smaller subject references/s],
  ["a redirect", status(307, { headers: { Location: "http://127.0.0.1:9/elsewhere" } }), /HTTP 307/],
  ["an unknown code", refuse(9999, "who knows"), /who knows.*Status code: 9999/s],
  ["an empty account", answer('{"error":{"message":"no (1008)"}}'), /no.*Status code: 1008\nRecovery: .*Top up/s],
  [
    "a limit that HTTP 429 brings",
    answer(LIMIT, { status: 429, headers: { "Trace-Id": "0123trace" } }),
    /usage limit.*Status code: 2056\nRecovery: .*\nTrace id: 0123trace$/s,
  ],
  ["a withheld image", answer(WITHHELD), /it withheld 1\.\nStatus code: EMPTY_RESPONSE\nRecovery: .*\n.*03ff3cd0$/],
])("%s is not retried, and says what to do", async (_, fault, words) => {
  const { api, server } = shared.begin({ script: [fault] });

  const result = await server.generate(CAT);

  expect(result.isError).toBe(true);
  expect(result.structuredContent).toBeUndefined();
  expect(textOf(result)).toMatch(words);
  expect(textOf(result)).not.toContain("may have been generated and billed");
  expect(api.requests).toHaveLength(1);
  expect(await readdir(server.outputDir)).toEqual([]);
});

test("a wrong key is refused with a hint, and never shown", async () => {
  await using api = await startStandIn();
  const MINIMAX_API_KEY = "sk-api-of-another-region-0123456789";
  await using server = await spawnServer({ api, env: { MINIMAX_API_KEY } });

  const text = textOf(await server.generate(CAT));

  expect(text).toContain("Status code: 2049");
  expect(text).toMatch(/Recovery: .*the other region's host is api\.minimax\.cn \(MINIMAX_API_HOST=cn\)/);
  expect(text + server.transport.stdout + server.transport.stderr).not.toContain(MINIMAX_API_KEY);
  expect(await readdir(server.outputDir)).toEqual([]);
});

test("the key is not shown even when MiniMax repeats it", async () => {
  const { server } = shared.begin({ script: [echoKey(1000), echoKey(2013)] });

  expect(textOf(await server.generate(CAT))).toContain("[API key]");
  expect(server.transport.stdout + server.transport.stderr).not.toContain(STAND_IN_KEY);
});
