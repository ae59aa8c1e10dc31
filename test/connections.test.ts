import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { startStandIn } from "../stand-in/server.ts";
import { bigJpeg, smallImage } from "./support/big-jpeg.ts";
import { startConnectProxy } from "./support/connect-proxy.ts";
import { listening } from "./support/listening.ts";
import { hold } from "./support/pending-call.ts";
import { outputOf, spawnServer, textOf } from "./support/server.ts";
import { waitFor } from "./support/wait-for.ts";

const CAT = { prompt: "a cat" };

test("no request goes out on a connection that was used before", async () => {
  const body = JSON.stringify({ data: { image_base64: [bigJpeg(500).toString("base64")] } });
  const connections = new Set<unknown>();
  await using peer = await listening(
    createHttpServer((request, response) => {
      connections.add(request.socket);
      response.setHeader("Connection", "keep-alive").end(body);
    }),
  );
  await using server = await spawnServer({ api: { url: `http://${peer.host}` }, env: { MINIMAX_RPM: "0" } });

  for (let call = 0; call < 10; call += 1) expect(outputOf(await server.generate(CAT)).saved_count).toBe(1);

  expect(connections.size).toBe(10);
});

test("a proxy that hangs up is a failed connection, and left alone then", async () => {
  await using api = await startStandIn();
  await using proxy = await startConnectProxy({ hangUp: () => true });
  await using server = await spawnServer({ api, speed: 20, env: { HTTP_PROXY: proxy.url } });

  const text = textOf(await server.generate(CAT));
  const { length: connects } = proxy.tunnels;
  await sleep(300);

  for (const words of ["the proxy closed the connection", "Tried 4 times.", "Nothing was sent or billed"]) {
    expect(text).toContain(words);
  }
  expect(connects).toBeLessThanOrEqual(8);
  expect(proxy.tunnels).toHaveLength(connects);
  expect(api.requests).toHaveLength(0);
});

test
  .skipIf(process.platform === "win32")
  .concurrent("an answer that came while the process was suspended counts", async () => {
    const held = hold();
    await using api = await startStandIn({ createImage: smallImage, script: [held.behaviour] });
    await using server = await spawnServer({ api, env: { MINIMAX_TIMEOUT_MS: "4000" } });
    const call = server.generate(CAT);
    await waitFor("the request", () => api.requests.length === 1);
    server.transport.process.kill("SIGSTOP");
    held.release();
    await sleep(5000);
    server.transport.process.kill("SIGCONT");

    expect(outputOf(await call).saved_count).toBe(1);
    expect(api.requests).toHaveLength(1);
  });

test.concurrent.each([
  ["to the host", (host: string) => ({ MINIMAX_API_HOST: `https://${host}` })],
  ["to a proxy", (host: string) => ({ HTTP_PROXY: `http://${host}` })],
  ["to an https proxy", (host: string) => ({ MINIMAX_API_HOST: `https://${host}`, HTTPS_PROXY: host })],
])("a call without time to connect %s sent nothing", async (_, env) => {
  await using api = await startStandIn();
  await using silent = await listening(createServer());
  await using server = await spawnServer({ api, env: { MINIMAX_TIMEOUT_MS: "1000", ...env(silent.host) } });

  const text = textOf(await server.generate(CAT));

  expect(text).toContain("while it was connecting");
  expect(text).toContain("Nothing was sent or billed");
  expect(api.requests).toHaveLength(0);
});
