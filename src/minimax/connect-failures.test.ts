import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server } from "node:net";
import { describe, expect, test } from "vitest";
import { waitFor } from "../../test/support/wait-for.ts";
import { ConnectFailures } from "./connect-failures.ts";

interface Listening extends AsyncDisposable {
  readonly address: string;
}

async function listening(server: Server): Promise<Listening> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port.");
  return {
    address: `127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, "close");
    },
  };
}

async function whereNothingListens(): Promise<string> {
  await using server = await listening(createServer());
  return server.address;
}

async function failureOf(url: string, signal?: AbortSignal): Promise<unknown> {
  try {
    await fetch(url, { method: "POST", body: "{}", ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    return error instanceof Error && error.cause !== undefined ? error.cause : error;
  }
  throw new Error("The request succeeded.");
}

describe("a request that never left", () => {
  test("because nothing listens is a connect failure", async () => {
    using failures = new ConnectFailures();

    const failure = await failureOf(`http://${await whereNothingListens()}`);

    expect(failure).toMatchObject({ code: "ECONNREFUSED" });
    expect(failures.find(failure)).toBeDefined();
  });

  test("because the connection was closed during the TLS handshake is a connect failure", async () => {
    await using server = await listening(
      createServer((socket) => {
        socket.on("error", () => undefined).once("data", () => socket.destroy());
      }),
    );
    using failures = new ConnectFailures();

    const failure = await failureOf(`https://${server.address}`);

    expect(failure).toMatchObject({ code: "ECONNRESET" });
    expect(failures.find(failure)).toBeDefined();
  });

  test("because the other side does not speak TLS is a connect failure", async () => {
    await using server = await listening(
      createServer((socket) => {
        socket.on("error", () => undefined).once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
      }),
    );
    using failures = new ConnectFailures();

    const failure = await failureOf(`https://${server.address}`);

    expect(failures.find(failure)).toBeDefined();
  });

  test("is told from its neighbours: each of many at once is a connect failure", async () => {
    using failures = new ConnectFailures();
    const address = await whereNothingListens();

    const all = await Promise.all(Array.from({ length: 5 }, () => failureOf(`http://${address}`)));

    expect(all.map((failure) => failures.find(failure) !== undefined)).toEqual([true, true, true, true, true]);
  });
});

describe("a request that was sent", () => {
  test("and then cut off without an answer is not a connect failure", async () => {
    await using server = await listening(createHttpServer((request) => request.socket.destroy()));
    using failures = new ConnectFailures();

    const failure = await failureOf(`http://${server.address}`);

    expect(failure).toMatchObject({ code: "UND_ERR_SOCKET" });
    expect(failures.find(failure)).toBeUndefined();
  });

  test("and then reset is not a connect failure, though its code may be that of one", async () => {
    await using server = await listening(createHttpServer((request) => request.socket.resetAndDestroy()));
    using failures = new ConnectFailures();

    const failure = await failureOf(`http://${server.address}`);

    expect(failure).toMatchObject({ code: "ECONNRESET" });
    expect(failures.find(failure)).toBeUndefined();
  });

  test("and then answered with nonsense is not a connect failure", async () => {
    await using server = await listening(
      createServer((socket) => {
        socket.on("error", () => undefined).once("data", () => socket.end("nonsense\r\n\r\n"));
      }),
    );
    using failures = new ConnectFailures();

    const failure = await failureOf(`http://${server.address}`);

    expect(failures.find(failure)).toBeUndefined();
  });

  test("and then aborted is not a connect failure", async () => {
    let requests = 0;
    const silent = createHttpServer(() => {
      requests += 1;
    });
    await using server = await listening(silent);
    using failures = new ConnectFailures();
    const controller = new AbortController();

    const failing = failureOf(`http://${server.address}`, controller.signal);
    await waitFor("the request", () => requests === 1);
    controller.abort(new Error("cancelled"));

    expect(failures.find(await failing)).toBeUndefined();
  });

  test("and cut off stays told from one that never left at the same time", async () => {
    await using server = await listening(createHttpServer((request) => request.socket.destroy()));
    using failures = new ConnectFailures();

    const [sent, unsent] = await Promise.all([
      failureOf(`http://${server.address}`),
      failureOf(`http://${await whereNothingListens()}`),
    ]);

    expect([failures.find(sent) !== undefined, failures.find(unsent) !== undefined]).toEqual([false, true]);
  });
});

describe("listening", () => {
  test("that was stopped collects nothing more, and what was collected stays known", async () => {
    const failures = new ConnectFailures();
    const address = await whereNothingListens();
    const before = await failureOf(`http://${address}`);

    failures[Symbol.dispose]();
    const after = await failureOf(`http://${address}`);

    expect([failures.find(before) !== undefined, failures.find(after) !== undefined]).toEqual([true, false]);
  });

  test("that was stopped does not stop another's", async () => {
    using failures = new ConnectFailures();

    new ConnectFailures()[Symbol.dispose]();
    const failure = await failureOf(`http://${await whereNothingListens()}`);

    expect(failures.find(failure)).toBeDefined();
  });

  test.each([undefined, null, "ECONNREFUSED", 111, new Error("connect ECONNREFUSED"), {}])(
    "does not take %s for a failure it saw",
    async (stranger) => {
      using failures = new ConnectFailures();
      await failureOf(`http://${await whereNothingListens()}`);

      expect(failures.find(stranger)).toBeUndefined();
    },
  );
});
