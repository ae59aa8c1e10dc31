import { readdir } from "node:fs/promises";
import { expect, test } from "vitest";
import { API_CODES } from "../src/constants.ts";
import { answer, refuse, succeed } from "../stand-in/behaviours.ts";
import { startStandIn } from "../stand-in/server.ts";
import { spawnQuickServer, spawnServer, startServer, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";

const WITHHELD =
  '{"id":"03ff3cd0820949eb8a410056b5f21d38","data":{},"metadata":{"failed_count":"1","success_count":"0"},"base_resp":{"status_code":0,"status_msg":"success"}}';

const LITERAL_BODIES: readonly (readonly [number, number, string])[] = [
  [
    1004,
    200,
    `{"base_resp":{"status_code":1004,"status_msg":"login fail: Please carry the API secret key in the 'Authorization' field of the request header"}}`,
  ],
  [2049, 200, '{"base_resp":{"status_code":2049,"status_msg":"invalid api key"}}'],
  [
    2013,
    200,
    '{"data":null,"base_resp":{"status_code":2013,"status_msg":"invalid params, prompt length must be less than 1500"}}',
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
];

const shared = shareServer((api) => spawnQuickServer({ api, env: { MINIMAX_RPM: "0" } }));

test.each(LITERAL_BODIES)(
  "a refusal with code %i and HTTP %i gives code, meaning, hint and trace id",
  async (code, status, body) => {
    const { api, server } = shared.begin({
      script: [answer(body, { status, headers: { "Trace-Id": "0123trace" } })],
    });

    const result = await server.generate({ prompt: "a cat" });

    expect(result.isError).toBe(true);
    expect(result.structuredContent).toBeUndefined();
    expect(textOf(result)).toContain(`Status code: ${code}`);
    expect(textOf(result)).toContain(API_CODES[code]?.meaning);
    expect(textOf(result)).toContain(`Recovery: ${API_CODES[code]?.recovery ?? ""}`);
    expect(textOf(result)).toContain("Trace id: 0123trace");
    expect(api.requests).toHaveLength(1);
    expect(await readdir(server.outputDir)).toEqual([]);
  },
);

test("a refusal that withheld every image is no success, and says how many", async () => {
  const { server } = shared.begin({ script: [answer(WITHHELD)] });

  const result = await server.generate({ prompt: "a cat" });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain("Status code: EMPTY_RESPONSE");
  expect(textOf(result)).toContain("it withheld 1");
  expect(textOf(result)).toContain("Recovery: ");
  expect(textOf(result)).toContain("03ff3cd0820949eb8a410056b5f21d38");
});

test.each(Object.keys(API_CODES).map(Number))(
  "a refusal with code %i is explained once it is not retried any more",
  async (code) => {
    await using api = await startStandIn({ script: Array<ReturnType<typeof refuse>>(4).fill(refuse(code)) });
    await using server = await startServer({ api });

    const result = await server.generate({ prompt: "a cat" });

    expect(result.isError).toBe(true);
    expect(textOf(result)).toContain(`Status code: ${code}`);
    expect(textOf(result)).toContain(
      `Recovery: ${API_CODES[code]?.outcome === "unknown" ? "" : (API_CODES[code]?.recovery ?? "")}`,
    );
    expect(api.requests).toHaveLength(API_CODES[code]?.outcome === "transient" ? 4 : 1);
  },
);

test("a refusal with a wrong key never shows the key", async () => {
  await using api = await startStandIn();
  await using server = await spawnServer({ api, env: { MINIMAX_API_KEY: "sk-api-wrong-0123456789" } });

  const result = await server.generate({ prompt: "a cat" });

  expect(textOf(result)).toContain("Status code: 2049");
  expect(textOf(result)).toContain("MINIMAX_API_HOST=cn");
  expect(server.transport.stdout + server.transport.stderr).not.toContain("sk-api-wrong");
});

test("a rate limit is waited out, then the image is saved", async () => {
  await using api = await startStandIn({ script: [refuse(1002), succeed()] });
  await using server = await startServer({ api });

  const result = await server.generate({ prompt: "a cat" });

  expect(result.structuredContent).toMatchObject({ saved_count: 1 });
  expect(api.requests).toHaveLength(2);
  expect(await readdir(server.outputDir)).toHaveLength(1);
});
