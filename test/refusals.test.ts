import { readdir } from "node:fs/promises";
import { expect, test } from "vitest";
import { API_CODES } from "../src/constants.ts";
import { answer, refuse } from "../stand-in/behaviours.ts";
import { startStandIn } from "../stand-in/server.ts";
import { spawnServer, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";

const shared = shareServer();

test.each<readonly [number, number, string]>([
  [
    1004,
    200,
    `{"base_resp":{"status_code":1004,"status_msg":"login fail: Please carry the API secret key in the 'Authorization' field of the request header"}}`,
  ],
  [
    2013,
    200,
    '{"id":"","data":[],"base_resp":{"status_code":2013,"status_msg":"invalid params, unsupported model: nope-01"}}',
  ],
  [
    1004,
    401,
    '{"type":"error","error":{"type":"authorized_error","message":"login fail: … (1004)","http_code":"401"},"request_id":"063432299e74d9b466b94f06aa8d7835"}',
  ],
  [
    2056,
    429,
    '{"type":"error","error":{"type":"rate_limit_error","message":"usage limit exceeded (2056)","http_code":"429"},"request_id":"063432299e74d9b466b94f06aa8d7835"}',
  ],
])("code %i with HTTP %i gives meaning, hint and trace id", async (code, status, body) => {
  const { api, server } = shared.begin({
    script: [answer(body, { status, headers: { "Trace-Id": "0123trace" } })],
  });

  const result = await server.generate({ prompt: "a cat" });

  expect(result.isError).toBe(true);
  expect(result.structuredContent).toBeUndefined();
  expect(textOf(result)).toContain(`Status code: ${code}`);
  expect(textOf(result)).toContain(API_CODES[code]?.meaning);
  expect(textOf(result)).toContain(`Recovery: ${API_CODES[code]?.recovery ?? "none"}`);
  expect(textOf(result)).toContain("Trace id: 0123trace");
  expect(api.requests).toHaveLength(1);
  expect(await readdir(server.outputDir)).toEqual([]);
});

test("an answer that withheld every image is no success", async () => {
  const counts = '"metadata":{"failed_count":"1","success_count":"0"}';
  const { server } = shared.begin({
    script: [
      answer(
        `{"id":"03ff3cd0820949eb8a410056b5f21d38","data":{},${counts},"base_resp":{"status_code":0,"status_msg":"success"}}`,
      ),
    ],
  });

  const result = await server.generate({ prompt: "a cat" });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain("Status code: EMPTY_RESPONSE");
  expect(textOf(result)).toContain("it withheld 1");
  expect(textOf(result)).toContain("Recovery: ");
  expect(textOf(result)).toContain("03ff3cd0820949eb8a410056b5f21d38");
});

test.each([1004, 2049])("code %i hints at the other region", async (code) => {
  const { server } = shared.begin({ script: [refuse(code)] });

  expect(textOf(await server.generate({ prompt: "a cat" }))).toMatch(
    /Recovery: .*the other region's host is api\.minimax\.cn \(MINIMAX_API_HOST=cn\)/,
  );
});

test("a wrong key is refused with a hint, and never shown", async () => {
  await using api = await startStandIn();
  const MINIMAX_API_KEY = "sk-api-of-another-region-0123456789";
  await using server = await spawnServer({ api, env: { MINIMAX_API_KEY } });

  const result = await server.generate({ prompt: "a cat" });

  expect(textOf(result)).toContain("Status code: 2049");
  expect(textOf(result)).toContain("MINIMAX_API_HOST=global");
  expect(textOf(result)).toContain("MINIMAX_API_HOST=cn");
  expect(textOf(result) + server.transport.stdout + server.transport.stderr).not.toContain(MINIMAX_API_KEY);
  expect(await readdir(server.outputDir)).toEqual([]);
});
