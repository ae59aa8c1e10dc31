import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { startStandIn } from "../stand-in/server.ts";
import { smallImage } from "./support/big-jpeg.ts";
import { startConnectProxy } from "./support/connect-proxy.ts";
import { closedHost } from "./support/listening.ts";
import { outputOf, runServer, spawnServer, textOf } from "./support/server.ts";

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
    env: { HTTP_PROXY: `http://anna:${PASSWORD}@${proxy.host}` },
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
  ["without a scheme", (host: string) => ({ HTTP_PROXY: host })],
  ["beside a NO_PROXY for others", (host: string) => ({ HTTP_PROXY: `http://${host}`, NO_PROXY: "example.com" })],
])("a proxy named %s carries the request", async (_, env) => {
  await using api = await startStandIn({ createImage: smallImage });
  await using proxy = await startConnectProxy();
  await using server = await spawnServer({ api, env: env(proxy.host) });

  expect(outputOf(await server.generate(CAT)).saved_count).toBe(1);

  expect(proxy.tunnels).toEqual([{ target: new URL(api.url).host, authorization: undefined }]);
});

test.skipIf(process.platform === "win32")("a proxy named in small letters wins over one in capitals", async () => {
  await using api = await startStandIn({ createImage: smallImage });
  await using proxy = await startConnectProxy();
  await using other = await startConnectProxy();
  await using server = await spawnServer({ api, env: { http_proxy: proxy.url, HTTP_PROXY: other.url } });

  expect(outputOf(await server.generate(CAT)).saved_count).toBe(1);

  expect(proxy.tunnels).toHaveLength(1);
  expect(other.tunnels).toHaveLength(0);
});

test.each([
  ["for a host that NO_PROXY names", (url: string) => ({ HTTP_PROXY: url, NO_PROXY: "127.0.0.1" })],
  ["for a host that no_proxy names", (url: string) => ({ http_proxy: url, no_proxy: "example.com,127.0.0.1" })],
  ["for http addresses when it is for https only", (url: string) => ({ HTTPS_PROXY: url })],
  ["when its variable is empty", () => ({ HTTP_PROXY: "", http_proxy: "" })],
])("a proxy is not used %s", async (_, env) => {
  await using api = await startStandIn({ createImage: smallImage });
  await using proxy = await startConnectProxy();
  await using server = await spawnServer({ api, env: env(proxy.url) });

  expect(outputOf(await server.generate({ ...CAT, response_format: "url" })).saved_count).toBe(1);

  expect(api.requests).toHaveLength(1);
  expect(api.downloads).toHaveLength(1);
  expect(proxy.tunnels).toEqual([]);
  expect(server.transport.stderr).not.toContain("proxy");
});

test.each([
  ["refuses with 407", 407],
  ["is not there", undefined],
])("a proxy that %s is named without its password", async (_, refuseWith) => {
  await using api = await startStandIn();
  await using proxy = await startConnectProxy({ refuseWith: refuseWith ?? 500 });
  const host = refuseWith === undefined ? await closedHost() : proxy.host;
  await using server = await spawnServer({
    api,
    speed: 20,
    env: { HTTP_PROXY: `http://anna:${PASSWORD}@${host}` },
  });

  const result = await server.generate(CAT);

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain(host);
  expect(textOf(result)).toContain(refuseWith === undefined ? "ECONNREFUSED" : String(refuseWith));
  expect(textOf(result)).toContain("Tried 4 times.");
  expect(textOf(result)).toContain("Nothing was sent or billed");
  expect(proxy.tunnels).toHaveLength(refuseWith === undefined ? 0 : 4);
  expect(api.requests).toHaveLength(0);
  expect(await readdir(server.outputDir)).toEqual([]);
  expectNoPassword(textOf(result) + server.transport.stdout + server.transport.stderr);
});

test.each([
  ["HTTP_PROXY", `socks5://anna:${PASSWORD}@127.0.0.1`, "HTTP_PROXY names a SOCKS proxy"],
  ["HTTPS_PROXY", `http://anna:%${PASSWORD}@127.0.0.1`, "HTTPS_PROXY must be"],
])("%s that is no proxy's URL is named, without what it holds", async (name, value, problem) => {
  const { code, stdout, stderr } = await runServer({ env: { MINIMAX_API_KEY: "k", [name]: value } });

  expect(code).toBe(1);
  expect(stderr).toContain(problem);
  expectNoPassword(stdout + stderr);
});

function expectNoPassword(text: string): void {
  expect(text).not.toContain(PASSWORD);
  expect(text).not.toContain(CREDENTIALS);
}
