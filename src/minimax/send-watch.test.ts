import { channel, hasSubscribers } from "node:diagnostics_channel";
import { createServer as createHttpServer, type RequestListener, type ServerResponse } from "node:http";
import { createServer, Socket } from "node:net";
import { setImmediate as immediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { startConnectProxy } from "../../test/support/connect-proxy.ts";
import { closedHost, listening } from "../../test/support/listening.ts";
import { waitFor } from "../../test/support/wait-for.ts";
import { SendWatch } from "./send-watch.ts";

const [CREATED, HEADERS_SENT, COMPLETED] = [
  "undici:request:create",
  "undici:client:sendHeaders",
  "undici:request:trailers",
] as const;
const UNSENT = { mayHaveSent: false, told: 0 };
const SENT = { mayHaveSent: true, told: 1 };

/** Posts, and tells what is known of the request afterwards. */
async function post(url: string, signal = new AbortController().signal): Promise<typeof SENT> {
  let told = 0;
  const sending = new SendWatch(() => {
    told += 1;
  });
  await sending
    .watch(() => fetch(url, { method: "POST", body: "{}", signal }))
    .then((response) => response.text())
    .catch(() => undefined);
  return { mayHaveSent: sending.mayHaveSent, told };
}

test.each<readonly [string, (socket: Socket, controller: AbortController) => void]>([
  ["closed", (socket) => socket.destroy()],
  [
    "aborted",
    (_socket, controller) => {
      controller.abort();
    },
  ],
])("nothing was sent on a connection %s in its TLS handshake", async (_what, onData) => {
  const controller = new AbortController();
  await using server = await listening(
    createServer((socket) =>
      socket.once("data", () => {
        onData(socket, controller);
      }),
    ),
  );

  expect(await post(`https://${server.host}`, controller.signal)).toEqual(UNSENT);
});

test.each<readonly [string, (...exchange: [...Parameters<RequestListener>, AbortController]) => void]>([
  ["is answered", (_request, response) => response.end()],
  ["finds its connection closed", (request) => request.socket.destroy()],
  [
    "is aborted in a silence",
    (_request, _response, controller) => {
      controller.abort();
    },
  ],
])("a request that %s was sent", async (_what, listener) => {
  const controller = new AbortController();
  await using server = await listening(
    createHttpServer((request, response) => {
      listener(request, response, controller);
    }),
  );

  expect(await post(`http://${server.host}`, controller.signal)).toEqual(SENT);
});

test("of many requests at once each is known by itself", async () => {
  await using server = await listening(createHttpServer((request) => request.socket.destroy()));
  const nowhere = await closedHost();
  const urls = Array.from({ length: 20 }, (_, index) => `http://${index % 2 === 0 ? server.host : nowhere}`);

  const seen = await Promise.all(urls.map((url) => post(url)));

  expect(seen).toEqual(urls.map((_, index) => (index % 2 === 0 ? SENT : UNSENT)));
});

test("a request does not go out on the connection of another, nor ends it", async () => {
  const sockets = new Set<Socket>();
  const held: ServerResponse[] = [];
  await using server = await listening(
    createHttpServer((request, response) => {
      sockets.add(request.socket);
      if (request.url === "/slow") held.push(response);
      else response.end("{}");
    }),
  );
  const slow = new SendWatch(() => undefined)
    .watch(() => fetch(`http://${server.host}/slow`))
    .then((response) => response.text());

  for (let count = 0; count < 5; count += 1) {
    await post(`http://${server.host}`);
    await immediate();
  }
  const response = await waitFor("the slow request", () => held[0]);
  response.end("slow");

  expect(await slow).toBe("slow");
  expect(sockets.size).toBe(6);
  await waitFor("no listeners", () => ![CREATED, HEADERS_SENT, COMPLETED].some(hasSubscribers));
});

test.each([
  ["http/1.1", true],
  ["h2", false],
])("once answered, a connection that speaks %s is closed: %s", async (alpnProtocol, isClosed) => {
  const socket = Object.assign(new Socket(), { alpnProtocol });
  const request = {};
  const sending = new SendWatch(() => undefined);

  await sending.watch(() => {
    channel(CREATED).publish({ request });
    channel(HEADERS_SENT).publish({ request, socket });
    return Promise.resolve();
  });
  channel(COMPLETED).publish({ request });
  await immediate();

  expect([sending.mayHaveSent, socket.destroyed]).toEqual([true, isClosed]);
  socket.destroy();
});

test("asking a proxy for a tunnel sends nothing of the request", async () => {
  const { getGlobalDispatcher, ProxyAgent, setGlobalDispatcher } = await import("undici");
  await using proxy = await startConnectProxy({ refuseWith: 503 });
  const dispatcher = getGlobalDispatcher();
  setGlobalDispatcher(new ProxyAgent(proxy.url));
  try {
    expect(await post("http://no-such-host.invalid")).toEqual(UNSENT);
  } finally {
    setGlobalDispatcher(dispatcher);
  }

  expect(proxy.tunnels).toHaveLength(1);
});

test("a request that the HTTP client did not publish may have been sent", async () => {
  const sending = new SendWatch(() => undefined);

  await sending.watch(() => Promise.resolve());

  expect(sending.mayHaveSent).toBe(true);
});
