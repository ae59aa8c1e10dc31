import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { startStandIn } from "../stand-in/server.ts";
import { smallImage } from "./support/big-jpeg.ts";
import { startConnectProxy } from "./support/connect-proxy.ts";
import { closedHost } from "./support/listening.ts";
import { outputOf, spawnServer, textOf } from "./support/server.ts";

const CAT = { prompt: "a cat" };
const PASSWORD = "s3cret-of-the-proxy";
const CREDENTIALS = Buffer.from(`anna:${PASSWORD}`).toString("base64");

test("a proxy carries requests and downloads, with its user and password", async () => {
  await using api = await startStandIn({ createImage: smallImage });
  const onlyByProxy = await closedHost();
  const standIn = new URL(api.url).host;
  await using proxy = await startConnectProxy({ divert: { [onlyByProxy]: standIn } });
  await using server = await spawnServer({
    api: { url: `http://${onlyByProxy}` },
    env: { HTTP_PROXY: `anna:${PASSWORD}@${proxy.host}`, NO_PROXY: "example.com" },
  });

  const { file_paths } = outputOf(await server.generate({ ...CAT, n: 2, response_format: "url" }));

  expect(await Promise.all(file_paths.map((path) => readFile(path)))).toEqual(api.deliveredImages);
  expect(api.requests).toHaveLength(1);
  expect(api.downloads).toHaveLength(2);
  expect(new Set(proxy.tunnels.map(({ target }) => target))).toEqual(new Set([onlyByProxy, standIn]));
  for (const { authorization } of proxy.tunnels) expect(authorization).toBe(`Basic ${CREDENTIALS}`);
  expect(JSON.stringify([...api.requests, ...api.downloads])).not.toContain(CREDENTIALS);
});

test.each([
  ["for a host that NO_PROXY names", (url: string) => ({ HTTP_PROXY: url, NO_PROXY: "example.com,127.0.0.1" })],
  ["for http addresses when it is for https only", (url: string) => ({ HTTPS_PROXY: url })],
])("a proxy is not used %s", async (_, env) => {
  await using api = await startStandIn({ createImage: smallImage });
  await using proxy = await startConnectProxy();
  await using server = await spawnServer({ api, env: env(proxy.url) });

  expect(outputOf(await server.generate({ ...CAT, response_format: "url" })).saved_count).toBe(1);

  expect(api.requests).toHaveLength(1);
  expect(api.downloads).toHaveLength(1);
  expect(proxy.tunnels).toEqual([]);
});

test.each([
  ["refuses with 407", "HTTP 407", 4],
  ["is not there", "ECONNREFUSED", 0],
])("a proxy that %s is named without its password", async (_, words, tunnels) => {
  await using api = await startStandIn();
  await using proxy = await startConnectProxy({ refuseWith: 407 });
  const host = tunnels === 0 ? await closedHost() : proxy.host;
  await using server = await spawnServer({ api, speed: 20, env: { HTTP_PROXY: `http://anna:${PASSWORD}@${host}` } });

  const result = await server.generate(CAT);

  expect(result.isError).toBe(true);
  for (const part of [host, words, "Tried 4 times.", "Nothing was sent or billed"]) {
    expect(textOf(result)).toContain(part);
  }
  expect(proxy.tunnels).toHaveLength(tunnels);
  expect(api.requests).toHaveLength(0);
  expect(await readdir(server.outputDir)).toEqual([]);
  const everything = textOf(result) + server.transport.stdout + server.transport.stderr;
  for (const secret of [PASSWORD, CREDENTIALS]) expect(everything).not.toContain(secret);
});
