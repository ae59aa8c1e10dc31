import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer, type Socket } from "node:net";
import { setImmediate as immediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { closedHost, type Listening, listening } from "../../test/support/listening.ts";
import { SendWatch } from "./send-watch.ts";

const UNSENT = { mayHaveSent: false, told: 0 };
const SENT = { mayHaveSent: true, told: 1 };

/** Posts, and tells what is known of the request afterwards. */
async function post(url: string, signal?: AbortSignal): Promise<typeof SENT> {
  let told = 0;
  const sending = new SendWatch(() => {
    told += 1;
  });
  await sending
    .watch(() => fetch(url, { method: "POST", body: "{}", ...(signal === undefined ? {} : { signal }) }))
    .then((response) => response.text())
    .catch(() => undefined);
  return { mayHaveSent: sending.mayHaveSent, told };
}

/** A TCP server that meets the first bytes of each connection so. */
function meeting(onData: (socket: Socket) => void): Promise<Listening> {
  return listening(
    createServer((socket) =>
      socket
        .on("error", () => undefined)
        .once("data", () => {
          onData(socket);
        }),
    ),
  );
}

function answering(listener: RequestListener): Promise<Listening> {
  return listening(createHttpServer(listener));
}

describe("nothing was sent", () => {
  test("when nothing listens", async () => {
    expect(await post(`http://${await closedHost()}`)).toEqual(UNSENT);
  });

  test("when the host's name is not known", async () => {
    expect(await post("http://no-such-host.invalid")).toEqual(UNSENT);
  });

  test.each<readonly [string, (socket: Socket, controller: AbortController) => void]>([
    ["the connection was closed", (socket) => socket.destroy()],
    ["the other side did not speak TLS", (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")],
    [
      "it was aborted",
      (_socket, controller) => {
        controller.abort();
      },
    ],
  ])("when %s during the TLS handshake", async (_what, onData) => {
    const controller = new AbortController();
    await using server = await meeting((socket) => {
      onData(socket, controller);
    });

    expect(await post(`https://${server.host}`, controller.signal)).toEqual(UNSENT);
  });
});

describe("a request was sent", () => {
  test.each<readonly [string, RequestListener]>([
    ["it was answered", (_, response) => response.end()],
    ["the connection was closed without a response", (request) => request.socket.destroy()],
    ["the connection was reset", (request) => request.socket.resetAndDestroy()],
  ])("when %s", async (_what, listener) => {
    await using server = await answering(listener);

    expect(await post(`http://${server.host}`)).toEqual(SENT);
  });

  test("when it was aborted while the other side was silent", async () => {
    const controller = new AbortController();
    await using server = await answering(() => {
      controller.abort();
    });

    expect(await post(`http://${server.host}`, controller.signal)).toEqual(SENT);
  });
});

test("of many requests at once each is known by itself", async () => {
  await using server = await answering((request) => request.socket.destroy());
  const nowhere = await closedHost();
  const urls = Array.from({ length: 20 }, (_, index) => `http://${index % 2 === 0 ? server.host : nowhere}`);

  const seen = await Promise.all(urls.map((url) => post(url)));

  expect(seen).toEqual(urls.map((_, index) => (index % 2 === 0 ? SENT : UNSENT)));
});

test("a request does not go out on the connection of another", async () => {
  const sockets = new Set<Socket>();
  await using server = await answering((request, response) => {
    sockets.add(request.socket);
    response.end("{}");
  });

  for (let count = 0; count < 5; count += 1) {
    await post(`http://${server.host}`);
    await immediate();
  }

  expect(sockets.size).toBe(5);
});

test("a request that the HTTP client did not publish may have been sent", async () => {
  const sending = new SendWatch(() => undefined);

  await sending.watch(() => Promise.resolve());

  expect(sending.mayHaveSent).toBe(true);
});
