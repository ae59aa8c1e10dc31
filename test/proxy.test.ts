import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { toolOutputSchema } from "../src/schemas.ts";
import { startStandIn } from "../stand-in/server.ts";
import { startConnectProxy } from "./support/connect-proxy.ts";
import { closedHost } from "./support/listening.ts";
import { runServer } from "./support/run-server.ts";
import { spawnQuickServer, spawnServer, textOf } from "./support/server.ts";
import type { StdioTransport } from "./support/stdio-transport.ts";

const PASSWORD = "s3cret-of-the-proxy";
const CREDENTIALS = Buffer.from(`anna:${PASSWORD}`).toString("base64");

test("a proxy carries requests and downloads, with its user and password", async () => {
  await using api = await startStandIn();
  const onlyByProxy = await closedHost();
  const standIn = new URL(api.url).host;
  await using proxy = await startConnectProxy({ divert: { [onlyByProxy]: standIn } });
  await using server = await spawnServer({
    api: { url: `http://${onlyByProxy}` },
    env: { HTTP_PROXY: `http://anna:${PASSWORD}@${proxy.host}` },
  });

  const result = await server.generate({ prompt: "a cat", n: 2, response_format: "url" });

  const output = toolOutputSchema.parse(result.structuredContent);
  expect(output).toMatchObject({ image_count: 2, saved_count: 2 });
  expect(textOf(result)).toContain("Saved 2 of 2 images.");
  expect(await Promise.all(output.file_paths.map((path) => readFile(path)))).toEqual(api.deliveredImages);
  expect(api.requests).toHaveLength(1);
  expect(api.downloads).toHaveLength(2);
  expect(new Set(proxy.tunnels.map(({ target }) => target))).toEqual(new Set([onlyByProxy, standIn]));
  for (const { authorization } of proxy.tunnels) expect(authorization).toBe(`Basic ${CREDENTIALS}`);
  expect(JSON.stringify([...api.requests, ...api.downloads])).not.toContain(CREDENTIALS);
});

test.each([
  ["in small letters", (host: string) => ({ http_proxy: `http://${host}` })],
  ["without a scheme", (host: string) => ({ HTTP_PROXY: host })],
  ["beside a NO_PROXY for others", (host: string) => ({ HTTP_PROXY: `http://${host}`, NO_PROXY: "example.com" })],
])("a proxy named %s carries the request", async (_, env) => {
  await using api = await startStandIn();
  await using proxy = await startConnectProxy();
  await using server = await spawnServer({ api, env: env(proxy.host) });

  const result = await server.generate({ prompt: "a cat" });

  expect(result.structuredContent).toMatchObject({ saved_count: 1 });
  expect(textOf(result)).toContain("Saved 1 of 1 image.");
  expect(proxy.tunnels).toEqual([{ target: new URL(api.url).host, authorization: undefined }]);
});

test.skipIf(process.platform === "win32")("a proxy named in small letters wins over one in capitals", async () => {
  await using api = await startStandIn();
  await using proxy = await startConnectProxy();
  await using other = await startConnectProxy();
  await using server = await spawnServer({ api, env: { http_proxy: proxy.url, HTTP_PROXY: other.url } });

  await server.generate({ prompt: "a cat" });

  expect(proxy.tunnels).toHaveLength(1);
  expect(other.tunnels).toHaveLength(0);
});

test.each([
  ["for a host that NO_PROXY names", (url: string) => ({ HTTP_PROXY: url, NO_PROXY: "127.0.0.1" })],
  ["for a host that no_proxy names", (url: string) => ({ http_proxy: url, no_proxy: "example.com,127.0.0.1" })],
  ["for http addresses when it is for https only", (url: string) => ({ HTTPS_PROXY: url })],
  ["when its variable is empty", () => ({ HTTP_PROXY: "", http_proxy: "" })],
  ["without variables", () => ({})],
])("a proxy is not used %s", async (_, env) => {
  await using api = await startStandIn();
  await using proxy = await startConnectProxy();
  await using server = await spawnServer({ api, env: env(proxy.url) });

  const result = await server.generate({ prompt: "a cat", response_format: "url" });

  expect(result.structuredContent).toMatchObject({ saved_count: 1 });
  expect(api.requests).toHaveLength(1);
  expect(api.downloads).toHaveLength(1);
  expect(proxy.tunnels).toEqual([]);
});

test("a proxy that does not let the request through is named without its password, and nothing is sent when it refuses with 407", async () => {
  await using api = await startStandIn();
  await using proxy = await startConnectProxy({ refuseWith: 407 });
  await using server = await spawnQuickServer({
    api,
    speed: 20,
    env: { HTTP_PROXY: `http://anna:${PASSWORD}@${proxy.host}`, MINIMAX_RPM: "0" },
  });

  const result = await server.generate({ prompt: "a cat" });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain(proxy.host);
  expect(textOf(result)).toContain("407");
  expect(textOf(result)).toContain("Nothing was sent or billed");
  expect(proxy.tunnels).toHaveLength(4);
  expect(api.requests).toHaveLength(0);
  expect(await readdir(server.outputDir)).toEqual([]);
  expectNoPassword(textOf(result), server.transport);
});

test("a proxy that does not let the request through is named without its password, and nothing is sent when nothing listens there", async () => {
  await using api = await startStandIn();
  const nowhere = await closedHost();
  await using server = await spawnQuickServer({
    api,
    speed: 20,
    env: { HTTP_PROXY: `http://anna:${PASSWORD}@${nowhere}`, MINIMAX_RPM: "0" },
  });

  const result = await server.generate({ prompt: "a cat" });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain(`http://${nowhere}`);
  expect(textOf(result)).toContain("Tried 4 times.");
  expect(textOf(result)).toContain("Nothing was sent or billed");
  expect(api.requests).toHaveLength(0);
  expect(await readdir(server.outputDir)).toEqual([]);
  expectNoPassword(textOf(result), server.transport);
});

const refusals: readonly (readonly [string, string, string])[] = [
  ["HTTP_PROXY", `socks5://anna:${PASSWORD}@127.0.0.1`, "HTTP_PROXY names a SOCKS proxy"],
  ["HTTPS_PROXY", `socks4://anna:${PASSWORD}@127.0.0.1`, "HTTPS_PROXY names a SOCKS proxy"],
  ["HTTPS_PROXY", `socks5h://anna:${PASSWORD}@127.0.0.1`, "HTTPS_PROXY names a SOCKS proxy"],
  ["HTTP_PROXY", `http://anna:${PASSWORD}@127.0.0.1:99999`, "HTTP_PROXY must be"],
  ["HTTPS_PROXY", `http://anna:%${PASSWORD}@127.0.0.1`, "HTTPS_PROXY must be"],
];

test.each(refusals)(
  "a proxy variable that is no URL of a proxy is named on stderr, without what it holds: (%s, case %#)",
  async (name, value, problem) => {
    const run = await runServer({ env: { MINIMAX_API_KEY: "k", [name]: value } });

    expect(run.code).toBe(1);
    expect(run.stderr).toContain(problem);
    expectNoPassword(run.stderr, run);
  },
);

function expectNoPassword(text: string, { stdout, stderr }: Pick<StdioTransport, "stdout" | "stderr">): void {
  for (const output of [text, stdout, stderr]) {
    expect(output).not.toContain(PASSWORD);
    expect(output).not.toContain(CREDENTIALS);
  }
}
