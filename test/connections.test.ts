import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { startStandIn } from "../stand-in/server.ts";
import { smallImage } from "./support/big-jpeg.ts";
import { listening } from "./support/listening.ts";
import { manualClock } from "./support/manual-clock.ts";
import { begin, hold } from "./support/pending-call.ts";
import { outputOf, spawnServer, startServer, textOf } from "./support/server.ts";
import { waitFor } from "./support/wait-for.ts";

const CAT = { prompt: "a cat" };

test("no request goes out on a connection that was used before", async () => {
  await using api = await startStandIn({ createImage: smallImage });
  const used = new WeakSet();
  let posts = 0;
  await using peer = await listening(
    createHttpServer((request, response) => {
      if (used.has(request.socket)) {
        request.socket.resetAndDestroy();
        return;
      }
      used.add(request.socket);
      posts += 1;
      request.resume();
      void fetch(`${api.url}${request.url ?? ""}`, {
        method: "POST",
        headers: { authorization: request.headers.authorization ?? "" },
        body: JSON.stringify({ model: "image-01", prompt: "a cat", response_format: "base64" }),
      }).then(async (made) => response.setHeader("Connection", "keep-alive").end(await made.text()));
    }),
  );
  await using server = await spawnServer({ api: { url: `http://${peer.host}` }, env: { MINIMAX_RPM: "0" } });

  for (let call = 0; call < 10; call += 1) expect(outputOf(await server.generate(CAT)).saved_count).toBe(1);

  expect(posts).toBe(10);
});

test("a proxy that hangs up is a failed connection, and left alone then", async () => {
  await using api = await startStandIn();
  let connects = 0;
  await using proxy = await listening(
    createServer((socket) => {
      socket.once("data", () => {
        connects += 1;
        socket.destroy();
      });
    }),
  );
  await using server = await spawnServer({ api, speed: 20, env: { HTTP_PROXY: `http://${proxy.host}` } });

  const text = textOf(await server.generate(CAT));
  const afterCall = connects;
  await sleep(300);

  expect(text).toContain("the proxy closed the connection");
  expect(text).toContain("Tried 4 times.");
  expect(text).toContain("Nothing was sent or billed");
  expect(afterCall).toBeLessThanOrEqual(8);
  expect(connects).toBe(afterCall);
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

test("a call whose time ends in the TLS handshake sent nothing", async () => {
  let connections = 0;
  await using silent = await listening(createServer(() => (connections += 1)));
  const clock = manualClock();
  await using server = await startServer({ api: { url: `https://${silent.host}` }, clock, callBudgetMs: 60_000 });
  const call = begin(server);
  await waitFor("the connection", () => connections === 1);

  await clock.advance(60_000);

  expect(textOf(await call.result)).toContain("while it was connecting");
  expect(textOf(await call.result)).toContain("Nothing was sent or billed");
});

test("a refusal before failed connections is not forgotten", async () => {
  let posts = 0;
  const first = createHttpServer((request, response) => {
    posts += 1;
    request.resume();
    first.close();
    setImmediate(() => response.writeHead(503, { Connection: "close" }).end());
  });
  const peer = await listening(first);
  await using server = await startServer({ api: { url: `http://${peer.host}` } });

  const text = textOf(await server.generate(CAT));

  expect(posts).toBe(1);
  expect(text).toContain("ECONNREFUSED");
  expect(text).not.toContain("Nothing was sent");
  expect(text).toContain("An earlier attempt was sent");
});
