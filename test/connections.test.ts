import { once } from "node:events";
import { createServer as createHttpServer, type Server } from "node:http";
import { createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { answer, status, succeed } from "../stand-in/behaviours.ts";
import { startStandIn } from "../stand-in/server.ts";
import { bigJpeg } from "./support/big-jpeg.ts";
import { closedHost } from "./support/listening.ts";
import { spawnQuickServer, spawnServer, textOf } from "./support/server.ts";
import { waitFor } from "./support/wait-for.ts";

const createImage = (): Promise<Buffer> => Promise.resolve(bigJpeg(5000));

interface Peer extends AsyncDisposable {
  readonly host: string;
}

async function listen(server: Server | ReturnType<typeof createServer>): Promise<Peer> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket.on("error", () => undefined)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("It has no port.");
  return {
    host: `127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

test("a request never goes out on a connection that was used before, so a peer that resets those costs nothing", async () => {
  await using api = await startStandIn({ createImage });
  const used = new WeakSet();
  let posts = 0;
  await using peer = await listen(
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

  for (let call = 0; call < 10; call += 1) {
    expect(textOf(await server.generate({ prompt: "a cat" }))).toContain("Saved 1 of 1 image.");
  }

  expect(posts).toBe(10);
});

test("a proxy that closes the connection without an answer is a failed connection: four attempts, nothing sent, and quiet afterwards", async () => {
  await using api = await startStandIn();
  let connects = 0;
  await using proxy = await listen(
    createServer((socket) => {
      socket.once("data", () => {
        connects += 1;
        socket.destroy();
      });
    }),
  );
  await using server = await spawnQuickServer({
    api,
    speed: 20,
    env: { HTTP_PROXY: `http://${proxy.host}`, MINIMAX_RPM: "0" },
  });

  const result = await server.generate({ prompt: "a cat" });
  const afterCall = connects;
  await sleep(300);

  expect(textOf(result)).toContain("the proxy closed the connection");
  expect(textOf(result)).toContain("Tried 4 times.");
  expect(textOf(result)).toContain("Nothing was sent or billed");
  expect(afterCall).toBeLessThanOrEqual(8);
  expect(connects).toBe(afterCall);
  expect(api.requests).toHaveLength(0);
});

test.each([
  ["in the TLS handshake", (host: string) => ({ MINIMAX_API_HOST: `https://${host}` })],
  ["to a proxy", (host: string) => ({ HTTP_PROXY: `http://${host}` })],
  ["to a proxy, for an https host", (host: string) => ({ MINIMAX_API_HOST: `https://${host}`, HTTPS_PROXY: host })],
])("a call whose time ends while it is connecting says that nothing was sent: %s", async (_, env) => {
  await using api = await startStandIn();
  await using silent = await listen(createServer(() => undefined));
  await using server = await spawnServer({ api, env: { MINIMAX_TIMEOUT_MS: "1000", ...env(silent.host) } });

  const result = await server.generate({ prompt: "a cat" });

  expect(textOf(result)).toContain("while it was connecting");
  expect(textOf(result)).toContain("Nothing was sent or billed");
  expect(api.requests).toHaveLength(0);
});

test("a refused request followed by failed connections is not reported as if nothing was sent", async () => {
  let posts = 0;
  const first = createHttpServer((request, response) => {
    posts += 1;
    request.resume();
    first.close();
    setImmediate(() => response.writeHead(503, { Connection: "close" }).end());
  });
  const peer = await listen(first);
  await using api = await startStandIn();
  await using server = await spawnQuickServer({ api, speed: 20, env: { MINIMAX_API_HOST: `http://${peer.host}` } });

  const text = textOf(await server.generate({ prompt: "a cat" }));

  expect(posts).toBe(1);
  expect(text).toContain("ECONNREFUSED");
  expect(text).not.toContain("Nothing was sent");
  expect(text).toContain("An earlier attempt was sent");
});

test.skipIf(process.platform === "win32")("an answer that came while the process was suspended counts", async () => {
  let isAnswering = false;
  await using api = await startStandIn({
    createImage,
    script: [
      async (exchange) => {
        await waitFor("the suspension", () => isAnswering);
        await succeed()(exchange);
      },
    ],
  });
  await using server = await spawnServer({ api, env: { MINIMAX_TIMEOUT_MS: "4000" } });
  const call = server.generate({ prompt: "a cat" });
  await waitFor("the request", () => api.requests.length === 1);
  server.transport.process.kill("SIGSTOP");
  isAnswering = true;
  await sleep(5000);
  server.transport.process.kill("SIGCONT");

  expect(textOf(await call)).toContain("Saved 1 of 1 image.");
  expect(api.requests).toHaveLength(1);
});

test("images that were paid for and cannot be saved are said first to be billed", async () => {
  await using api = await startStandIn({
    script: [answer(JSON.stringify({ data: { image_base64: ["bm8gaW1hZ2U="] }, base_resp: { status_code: 0 } }))],
  });
  await using server = await spawnServer({ api });

  const result = await server.generate({ prompt: "a cat" });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toMatch(
    /^MiniMax generated and billed 1 image, but none could be saved\. Calling again will be billed again\./,
  );
  expect(api.requests).toHaveLength(1);
});

test("an API host on this machine behind HTTP_PROXY is warned of once, without the proxy's password", async () => {
  await using api = await startStandIn({ script: [status(404)] });
  const nowhere = await closedHost();
  await using server = await spawnServer({ api, env: { HTTP_PROXY: `http://anna:secret@${nowhere}` } });
  await using direct = await spawnServer({ api, env: { HTTP_PROXY: `http://${nowhere}`, NO_PROXY: "127.0.0.1" } });

  expect(server.transport.stderr).toContain(`go through the proxy of HTTP_PROXY (http://${nowhere}/)`);
  expect(server.transport.stderr).not.toContain("secret");
  expect(direct.transport.stderr).not.toContain("proxy");
});
