import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { expect, test } from "vitest";
import { waitFor } from "../../test/support/wait-for.ts";
import { SendWatch } from "./send-watch.ts";

interface Listening extends AsyncDisposable {
  readonly address: string;
}

async function listening(server: Server): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port.");
  return {
    address: `127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

async function whereNothingListens(): Promise<string> {
  await using server = await listening(createServer());
  return server.address;
}

/** Posts, and says what the watch knows of it afterwards. */
async function post(url: string, signal?: AbortSignal): Promise<{ mayHaveSent: boolean; told: number }> {
  let told = 0;
  const sending = new SendWatch(() => {
    told += 1;
  });
  await sending
    .watch(() => fetch(url, { method: "POST", body: "{}", ...(signal === undefined ? {} : { signal }) }))
    .catch(() => undefined);
  return { mayHaveSent: sending.mayHaveSent, told };
}

const UNSENT = { mayHaveSent: false, told: 0 };
const SENT = { mayHaveSent: true, told: 1 };

test("nothing of a request was sent when nothing listens", async () => {
  expect(await post(`http://${await whereNothingListens()}`)).toEqual(UNSENT);
});

test("nothing of a request was sent when the host's name is not known", async () => {
  expect(await post("http://no-such-host.invalid")).toEqual(UNSENT);
});

test("nothing of a request was sent when the connection was closed during the TLS handshake", async () => {
  await using server = await listening(
    createServer((socket) => {
      socket.on("error", () => undefined).once("data", () => socket.destroy());
    }),
  );

  expect(await post(`https://${server.address}`)).toEqual(UNSENT);
});

test("nothing of a request was sent when the other side does not speak TLS", async () => {
  await using server = await listening(
    createServer((socket) => {
      socket.on("error", () => undefined).once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    }),
  );

  expect(await post(`https://${server.address}`)).toEqual(UNSENT);
});

test("nothing of a request was sent when it was aborted during the TLS handshake", async () => {
  const controller = new AbortController();
  await using server = await listening(
    createServer((socket) => {
      socket
        .on("error", () => undefined)
        .once("data", () => {
          controller.abort();
        });
    }),
  );

  expect(await post(`https://${server.address}`, controller.signal)).toEqual(UNSENT);
});

test("a request was sent when it was answered", async () => {
  await using server = await listening(createHttpServer((_, response) => response.end()));

  expect(await post(`http://${server.address}`)).toEqual(SENT);
});

test("a request was sent when the connection was closed without an answer", async () => {
  await using server = await listening(createHttpServer((request) => request.socket.destroy()));

  expect(await post(`http://${server.address}`)).toEqual(SENT);
});

test("a request was sent when the connection was reset, though the code is that of a failed connection", async () => {
  await using server = await listening(createHttpServer((request) => request.socket.resetAndDestroy()));

  expect(await post(`http://${server.address}`)).toEqual(SENT);
});

test("a request was sent when it was aborted while the other side was silent", async () => {
  let requests = 0;
  await using server = await listening(
    createHttpServer(() => {
      requests += 1;
    }),
  );
  const controller = new AbortController();

  const posting = post(`http://${server.address}`, controller.signal);
  await waitFor("the request", () => requests === 1);
  controller.abort();

  expect(await posting).toEqual(SENT);
});

test("of many requests at once each is known by itself", async () => {
  await using server = await listening(createHttpServer((request) => request.socket.destroy()));
  const nowhere = await whereNothingListens();
  const urls = Array.from({ length: 20 }, (_, index) => `http://${index % 2 === 0 ? server.address : nowhere}`);

  const seen = await Promise.all(urls.map((url) => post(url)));

  expect(seen).toEqual(urls.map((_, index) => (index % 2 === 0 ? SENT : UNSENT)));
});

test("a request that the HTTP client did not publish may have been sent", async () => {
  const sending = new SendWatch(() => undefined);

  await sending.watch(() => Promise.resolve());

  expect(sending.mayHaveSent).toBe(true);
});
