import { channel, subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type RequestListener, type ServerResponse } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import {
  answer,
  type Behaviour,
  breakOff,
  deliver,
  deliverLinks,
  echoKey,
  fallSilent,
  hangUp,
  refuse,
  status,
  succeed,
} from "../stand-in/behaviours.ts";
import { linkBreaksOff, linkRedirects, linkStatus, linkWithoutEnd } from "../stand-in/object-store.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { fastClock } from "../test/support/fast-clock.ts";
import { waitFor } from "../test/support/wait-for.ts";
import { MiniMaxClient } from "./client.ts";
import { CALL_BUDGET_RANGE_MS, DOWNLOAD_STALL_MS, IMAGE_MAX_BYTES } from "./constants.ts";
import { DeadlineExceededError, ImageError, UserFacingError } from "./errors.ts";
import type { GeneratedImage, GenerationResult } from "./minimax/reply.ts";
import type { GenerationRequest } from "./schemas.ts";
import type { Call } from "./timing/call.ts";
import { type Clock, systemClock } from "./timing/clock.ts";
import { type Place, RateLimiter } from "./timing/rate-limiter.ts";
import { DEFAULT_POLICY, type Timing } from "./timing/retry.ts";

const UNIX_MS = Date.UTC(2030, 0, 1, 12);
const WINDOW_MS = 61_000;
const HEADERS_CHANNEL = "undici:request:headers";
const CONNECT_ERROR_CHANNEL = "undici:client:connectError";
const PROXY = "http://proxy.example:3128/";
const BUDGET_SPENT = new DeadlineExceededError(230_000);
const CANCELLED = new Error("the client cancelled");
const NOBODY_ABORTS = new AbortController().signal;
const PICTURE = Buffer.from("as good as a picture, for whoever only carries it");
const REQUEST: GenerationRequest = {
  model: "image-01",
  prompt: "a cat",
  aspect_ratio: "1:1",
  response_format: "base64",
  n: 1,
  prompt_optimizer: false,
};

interface InstantClock extends Clock {
  readonly sleeps: readonly number[];
}

function instantClock(): InstantClock {
  let nowMs = 5_000;
  const sleeps: number[] = [];
  return {
    sleeps,
    monotonicMs: () => nowMs,
    unixMs: () => UNIX_MS,
    async sleep(ms, signal) {
      signal.throwIfAborted();
      sleeps.push(ms);
      nowMs += ms;
      await nextTurn(undefined, { signal });
    },
  };
}

interface ManualClock extends Clock {
  readonly advance: (ms: number) => Promise<void>;
}

function manualClock(): ManualClock {
  let nowMs = 0;
  const sleepers = new Set<{ readonly untilMs: number; readonly wake: () => void }>();
  return {
    monotonicMs: () => nowMs,
    unixMs: () => UNIX_MS,
    sleep: (ms, signal) =>
      new Promise((wake, fail) => {
        const sleeper = { untilMs: nowMs + ms, wake };
        sleepers.add(sleeper);
        signal.addEventListener("abort", () => {
          sleepers.delete(sleeper);
          fail(CANCELLED);
        });
      }),
    async advance(ms) {
      nowMs += ms;
      for (const { untilMs, wake } of sleepers) if (untilMs <= nowMs) wake();
      await nextTurn();
    },
  };
}

interface CountingClock extends Clock {
  readonly sleepers: () => number;
}

function countingClock(): CountingClock {
  let sleepers = 0;
  return {
    ...systemClock,
    sleepers: () => sleepers,
    async sleep(ms, signal) {
      sleepers += 1;
      try {
        await systemClock.sleep(ms, signal);
      } finally {
        sleepers -= 1;
      }
    },
  };
}

interface Api {
  readonly url: string;
}

interface Asked {
  readonly client: MiniMaxClient;
  readonly outcome: Promise<GenerationResult>;
  readonly activities: readonly string[];
  readonly abort: (reason: unknown) => void;
}

interface AskOptions {
  readonly clock?: Clock;
  readonly limit?: number;
  readonly apiKey?: string;
  readonly proxy?: string;
  readonly request?: Partial<GenerationRequest>;
  readonly deadlineMs?: number;
  readonly ahead?: (client: MiniMaxClient) => Place | undefined;
}

function ask(
  { url }: Api,
  {
    clock = instantClock(),
    limit = 0,
    apiKey = STAND_IN_KEY,
    proxy,
    request = {},
    deadlineMs = Infinity,
    ahead = () => undefined,
  }: AskOptions = {},
): Asked {
  const client = clientFor(url, clock, { limit, apiKey, proxy });
  const controller = new AbortController();
  const activities: string[] = [];
  const call: Call = {
    signal: controller.signal,
    cancelSignal: controller.signal,
    deadlineMs,
    onActivity: (activity) => activities.push(activity(clock.monotonicMs())),
  };
  ahead(client);
  const outcome = client.generateImages({ ...REQUEST, ...request }, client.joinQueue(), call);
  outcome.catch(() => undefined);
  return {
    client,
    outcome,
    activities,
    abort: (reason) => {
      controller.abort(reason);
    },
  };
}

async function askUntilReading(api: Api): Promise<Asked> {
  let hasHeaders = false;
  const onHeaders = (): void => {
    hasHeaders = true;
  };
  subscribe(HEADERS_CHANNEL, onHeaders);
  const asked = ask(api);
  await waitFor("the beginning of the answer", () => hasHeaders);
  unsubscribe(HEADERS_CHANNEL, onHeaders);
  for (let turn = 0; turn < 10; turn += 1) await nextTurn();
  return asked;
}

function clientFor(
  url: string,
  clock: Clock,
  { limit = 0, apiKey = STAND_IN_KEY, proxy }: { limit?: number; apiKey?: string; proxy?: string | undefined } = {},
): MiniMaxClient {
  const timing: Timing = { clock, random: () => 0.5, policy: DEFAULT_POLICY };
  return new MiniMaxClient(apiKey, url, timing, new RateLimiter(clock, limit, WINDOW_MS), proxy);
}

async function failureOf(outcome: Promise<unknown>): Promise<UserFacingError> {
  try {
    await outcome;
  } catch (error) {
    if (error instanceof UserFacingError) return error;
    throw error;
  }
  throw new Error("It succeeded.");
}

async function bytesOf(
  image: GeneratedImage | undefined,
  clock: Clock = systemClock,
  signal: AbortSignal = NOBODY_ABORTS,
): Promise<Buffer> {
  if (image === undefined) throw new Error("There is no image.");
  const chunks: Uint8Array[] = [];
  for await (const chunk of clientFor("http://127.0.0.1:9", clock).readImage(image, signal)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

interface WebServer extends AsyncDisposable {
  readonly url: string;
  readonly seen: readonly { readonly url: string | undefined; readonly headers: IncomingHttpHeaders }[];
  readonly open: () => number;
}

async function serve(listener: RequestListener): Promise<WebServer> {
  const seen: { url: string | undefined; headers: IncomingHttpHeaders }[] = [];
  let open = 0;
  const server = createServer((request, response) => {
    seen.push({ url: request.url, headers: request.headers });
    open += 1;
    response.on("close", () => (open -= 1));
    listener(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port.");
  return {
    url: `http://127.0.0.1:${address.port}`,
    seen,
    open: () => open,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function whereNothingListens(): Promise<string> {
  await using server = await serve(() => undefined);
  return server.url;
}

function waits({ sleeps }: InstantClock): number[] {
  return sleeps.filter((ms) => ms > 0);
}

describe("a request", () => {
  test("is one POST with the key and exactly the body that was asked for", async () => {
    await using api = await startStandIn({ script: [deliver([PICTURE])] });

    await ask(api, { request: { seed: 0, prompt: "ein Käfer 🐞" } }).outcome;

    expect(api.requests).toMatchObject([
      {
        method: "POST",
        url: "/v1/image_generation",
        headers: { authorization: `Bearer ${STAND_IN_KEY}`, "content-type": "application/json" },
      },
    ]);
    expect(api.requests[0]?.body).toEqual({ ...REQUEST, seed: 0, prompt: "ein Käfer 🐞" });
  });

  test("that succeeds gives the pictures in MiniMax's order, with the id and the counts", async () => {
    const second = Buffer.from("another one");
    await using api = await startStandIn({ script: [deliver([PICTURE, second])] });

    const generation = await ask(api, { request: { n: 2 } }).outcome;

    expect(generation).toMatchObject({ metadata: { failed_count: "0", success_count: "2" } });
    expect(generation.id).toMatch(/^[0-9a-f]{32}$/);
    expect(await Promise.all(generation.images.map((image) => bytesOf(image)))).toEqual([PICTURE, second]);
  });

  test("says what is being done", async () => {
    await using api = await startStandIn({ script: [deliver([PICTURE])] });

    const { outcome, activities } = ask(api, { request: { n: 3 } });
    await outcome;

    expect(activities).toEqual(["generating 3 images, 0 s"]);
  });

  test("does not follow a redirect, and takes the key nowhere else", async () => {
    await using elsewhere = await serve((_, response) => response.end("{}"));
    await using api = await startStandIn({ script: [status(307, { headers: { Location: elsewhere.url } })] });

    const error = await failureOf(ask(api).outcome);

    expect(error.name).toBe("HttpError");
    expect(error.message).toContain("HTTP 307");
    expect(elsewhere.seen).toEqual([]);
  });
});

describe("a refusal that says that nothing was made", () => {
  test.each<readonly [string, Behaviour, readonly number[]]>([
    ["HTTP 408", status(408), [500]],
    ["HTTP 500", status(500), [500]],
    ["HTTP 502", status(502, { body: "<html>502</html>" }), [500]],
    ["HTTP 503", status(503), [500]],
    ["HTTP 503 with a body that is cut off", cutOff(503), [500]],
    ["code 1000", refuse(1000), [500]],
    ["code 1033", refuse(1033), [500]],
    ["code 1002", refuse(1002), [60_500]],
    ["code 2045", refuse(2045), [30_500]],
  ])("(%s) is waited out, said, and the request is repeated", async (_what, fault, expected) => {
    await using api = await startStandIn({ script: [fault, deliver([PICTURE])] });
    const clock = instantClock();

    const { outcome, activities } = ask(api, { clock });

    expect((await outcome).images).toHaveLength(1);
    expect(api.requests).toHaveLength(2);
    expect(waits(clock)).toEqual(expected);
    expect(activities).toMatchObject([
      "generating 1 image, 0 s",
      expect.stringMatching(/ Try 2 of 4 in \d+ s\.$/),
      "generating 1 image, 0 s",
    ]);
  });

  test("is waited out with a word on how much longer that takes", async () => {
    await using api = await startStandIn({ script: [refuse(1002), deliver([PICTURE])] });

    const { outcome, activities } = ask(api);
    await outcome;

    expect(activities[1]).toMatch(/ Try 2 of 4 in 61 s\.$/);
  });

  test("is repeated three times, and then the error says so", async () => {
    await using api = await startStandIn({ script: Array<Behaviour>(9).fill(refuse(1024)) });
    const clock = instantClock();

    const error = await failureOf(ask(api, { clock }).outcome);

    expect(error.name).toBe("RetriesExhaustedError");
    expect(error.message).toContain("Tried 4 times");
    expect(error.details).toMatchObject({ statusCode: 1024 });
    expect(api.requests).toHaveLength(4);
    expect(waits(clock)).toEqual([500, 1_000, 2_000]);
  });

  test.each<readonly [string, string, number]>([
    ["seconds", "20", 20_500],
    ["no seconds at all", "0", 500],
    ["an HTTP date", new Date(UNIX_MS + 90_000).toUTCString(), 90_500],
    ["a date that has passed", new Date(UNIX_MS - 90_000).toUTCString(), 500],
    ["a date in C's old form", "Tue Jan  1 12:01:30 2030", 90_500],
    ["an ISO date", "2030-01-01T12:01:30Z", 90_500],
    ["an ISO date with an offset", "2030-01-01T14:01:30+02:00", 90_500],
    ["something else", "soon", 500],
    ["nothing", "", 500],
    ["more seconds than there are", "9".repeat(400), 500],
  ])("with a Retry-After of %s is waited for that long, with jitter on top", async (_form, header, expected) => {
    await using api = await startStandIn({
      script: [status(503, { headers: { "Retry-After": header } }), deliver([PICTURE])],
    });
    const clock = instantClock();

    await ask(api, { clock }).outcome;

    expect(waits(clock)).toEqual([expected]);
  });

  test.each<readonly [string, Behaviour, number]>([
    ["1002", refuse(1002), 60_000],
    ["Retry-After", status(429, { headers: { "Retry-After": "7" } }), 7_000],
    ["a Retry-After of a day", status(429, { headers: { "Retry-After": "86400" } }), CALL_BUDGET_RANGE_MS.maximum],
  ])("and asks for a pause (%s) holds back every other request as well", async (_what, fault, pauseMs) => {
    await using api = await startStandIn({ script: [fault] });
    const clock = instantClock();
    const nowMs = clock.monotonicMs();

    const { client, outcome } = ask(api, { clock, deadlineMs: nowMs + 1_000 });
    await failureOf(outcome);

    expect(client.joinQueue().turnMs()).toBe(nowMs + pauseMs);
  });

  test("and asks for no pause holds back nobody", async () => {
    await using api = await startStandIn({ script: [refuse(1000)] });
    const clock = instantClock();

    const { client, outcome } = ask(api, { clock, deadlineMs: clock.monotonicMs() + 100 });
    await failureOf(outcome);

    expect(client.joinQueue().turnMs()).toBeLessThanOrEqual(clock.monotonicMs());
  });

  test("is not waited out when that would take too long: the error says when the next try would have been", async () => {
    await using api = await startStandIn({ script: [refuse(1002)] });
    const clock = instantClock();

    const error = await failureOf(ask(api, { clock, deadlineMs: clock.monotonicMs() + 50_000 }).outcome);

    expect(error.name).toBe("RetriesExhaustedError");
    expect(error.message).toContain("The next try would have been in 61 s");
    expect(waits(clock)).toEqual([]);
    expect(api.requests).toHaveLength(1);
  });
});

describe("a refusal that stands", () => {
  test.each<readonly [string, Behaviour, string, string]>([
    ["code 1004", refuse(1004), "MiniMaxApiError", "not authorised"],
    ["code 1026", refuse(1026), "MiniMaxApiError", "sensitive prompt"],
    ["an unknown code", refuse(9999, "who knows"), "MiniMaxApiError", "who knows"],
    ["HTTP 404", status(404), "HttpError", "HTTP 404"],
    [
      "success without images",
      answer('{"data":{},"metadata":{"failed_count":"1"},"base_resp":{"status_code":0}}'),
      "EmptyResponseError",
      "it withheld 1",
    ],
  ])("(%s) is passed on after one request", async (_what, fault, name, words) => {
    await using api = await startStandIn({ script: [fault] });

    const error = await failureOf(ask(api).outcome);

    expect(error.name).toBe(name);
    expect(error.message).toContain(words);
    expect(api.requests).toHaveLength(1);
  });
});

describe("an answer that leaves it open whether images were made", () => {
  test.each<readonly [string, Behaviour, string]>([
    ["no answer at all", hangUp(), "the connection broke before the whole answer came"],
    ["a body that is cut off", cutOff(200), "the connection broke before the whole answer came"],
    ["a body that is not JSON", answer("pong"), "its answer could not be read: the body is not JSON"],
    ["a body that ends in a picture", answer('{"data":{"image_base64":["/9j/'), "the body was cut off"],
    ["an empty body", answer(""), "its answer could not be read"],
    ["something else", answer('{"status":"ok"}'), "its answer is not what MiniMax documents"],
    ["HTTP 504", status(504), "HTTP 504"],
    ["code 1001", refuse(1001), "MiniMax reported a timeout"],
    ["more text than any answer has", answer(`{"data":[${"0,".repeat(600_000)}0]}`), "could not be read"],
  ])("(%s) is an unknown outcome, and is never repeated", async (_what, fault, words) => {
    await using api = await startStandIn({ script: [fault] });

    const error = await failureOf(ask(api).outcome);

    expect(error.name).toBe("UnknownOutcomeError");
    expect(error.message).toContain(words);
    expect(error.message).toContain("may have been made and billed");
    expect(api.requests).toHaveLength(1);
  });
});

describe("where nothing listens", () => {
  test("no request is sent, and connecting is tried again", async () => {
    const clock = instantClock();
    const url = await whereNothingListens();

    const { outcome, activities } = ask({ url }, { clock });
    const error = await failureOf(outcome);

    expect(error.name).toBe("RetriesExhaustedError");
    expect(error.message).toContain(`Could not connect to ${new URL(url).host} (ECONNREFUSED)`);
    expect(error.message).toContain("Tried 4 times");
    expect(error.details.recovery).toContain("Nothing was sent or billed");
    expect(activities.filter((activity) => activity.includes("Could not connect"))).toHaveLength(3);
    expect(waits(clock)).toEqual([500, 1_000, 2_000]);
  });

  test("the failed connection is the cause of the error", async () => {
    const url = await whereNothingListens();

    const { cause } = await failureOf(ask({ url }).outcome);

    expect(cause).toHaveProperty("cause.cause.code", "ECONNREFUSED");
  });

  test("the check of the host says so, with the failed connection as the cause", async () => {
    const url = await whereNothingListens();

    const error = await failureOf(clientFor(url, systemClock).reachHost(NOBODY_ABORTS));

    expect(error.message).toBe(`Could not connect to ${new URL(url).host} (ECONNREFUSED).`);
    expect(error).toHaveProperty("cause.cause.code", "ECONNREFUSED");
  });

  test("nobody listens for failed connections any more once the request has failed", async () => {
    await failureOf(ask({ url: await whereNothingListens() }).outcome);

    expect(channel(CONNECT_ERROR_CHANNEL).hasSubscribers).toBe(false);
  });
});

describe("a proxy that is configured is named where no connection comes about", () => {
  test("for a request", async () => {
    const url = await whereNothingListens();

    const { message } = await failureOf(ask({ url }, { proxy: PROXY }).outcome);

    expect(message).toContain(`(ECONNREFUSED; a proxy is configured: ${PROXY})`);
  });

  test("for the check of the host", async () => {
    const url = await whereNothingListens();

    const { message } = await failureOf(clientFor(url, systemClock, { proxy: PROXY }).reachHost(NOBODY_ABORTS));

    expect(message).toContain(`(ECONNREFUSED; a proxy is configured: ${PROXY})`);
  });

  test("for a download", async () => {
    const url = await whereNothingListens();
    const reader = clientFor(url, systemClock, { proxy: PROXY }).readImage({ link: url }, NOBODY_ABORTS);

    const { message } = await failureOf(reader.next());

    expect(message).toContain(`(ECONNREFUSED; a proxy is configured: ${PROXY})`);
  });
});

describe("a request that is ended by the used up budget", () => {
  test("while it waits for the answer has an unknown outcome", async () => {
    await using api = await startStandIn({ script: [fallSilent()] });
    const { outcome, abort } = ask(api);
    await waitFor("the request", () => api.requests.length === 1);

    abort(BUDGET_SPENT);

    const error = await failureOf(outcome);
    expect(error.name).toBe("UnknownOutcomeError");
    expect(error.message).toContain("no whole answer came within the call's 230 s");
    expect(error.message).toContain("may have been made and billed");
    await waitFor("the closed connection", () => api.openExchanges() === 0);
    expect(api.requests).toHaveLength(1);
  });

  test("while it reads a refusal is refused: its status has come, whatever becomes of its body", async () => {
    await using api = await startStandIn({ script: [stalled(400)] });
    const { outcome, abort } = await askUntilReading(api);

    abort(BUDGET_SPENT);

    const error = await failureOf(outcome);
    expect(error.name).toBe("HttpError");
    expect(error.message).toContain("HTTP 400");
  });

  test("while it reads the answer has an unknown outcome", async () => {
    const fault = breakOff({ after: '{"data":{"image_base64":["/9j/', then: "silence" });
    await using api = await startStandIn({ script: [fault] });
    const { outcome, abort } = await askUntilReading(api);

    abort(BUDGET_SPENT);

    const error = await failureOf(outcome);
    expect(error.name).toBe("UnknownOutcomeError");
    expect(error.message).toContain("no whole answer came within the call's 230 s");
    await waitFor("the closed connection", () => api.openExchanges() === 0);
    expect(api.requests).toHaveLength(1);
  });
});

describe.each<readonly [string, unknown]>([
  ["cancelled", CANCELLED],
  ["ended by the used up budget", BUDGET_SPENT],
])("a request that is %s", (_how, reason) => {
  test("before it begins is not sent, and ends with the reason", async () => {
    await using api = await startStandIn();
    const { outcome, abort } = ask(api, { ahead: (client) => client.joinQueue() });

    abort(reason);

    await expect(outcome).rejects.toBe(reason);
    expect(api.requests).toEqual([]);
  });

  test("in the queue is not sent, ends with the reason, and lets the next one go", async () => {
    await using api = await startStandIn();
    let head: Place | undefined;
    const { client, outcome, abort, activities } = ask(api, {
      clock: systemClock,
      limit: 1,
      ahead: (queue) => (head = queue.joinQueue()),
    });
    await waitFor("the queue", () => activities.length === 1);
    expect(activities[0]).toMatch(/^waiting for a turn .*, 1 call ahead, about 6\d s$/);
    const next = client.joinQueue();

    abort(reason);

    await expect(outcome).rejects.toBe(reason);
    head?.leave();
    await next.turn({ signal: NOBODY_ABORTS, deadlineMs: Infinity, onWait: () => undefined });
    expect(api.requests).toEqual([]);
  });

  test("while it waits to try again is not sent again, and ends with the reason", async () => {
    await using api = await startStandIn({ script: [refuse(1002)] });
    const { outcome, abort, activities } = ask(api, { clock: systemClock });
    await waitFor("the wait", () => activities.some((activity) => activity.includes("Try 2 of 4")));

    abort(reason);

    await expect(outcome).rejects.toBe(reason);
    expect(api.requests).toHaveLength(1);
  });
});

describe("a request that is cancelled", () => {
  test("while it waits for the answer ends with the reason, and closes its connection", async () => {
    await using api = await startStandIn({ script: [fallSilent()] });
    const { outcome, abort } = ask(api);
    await waitFor("the request", () => api.requests.length === 1);

    abort(CANCELLED);

    await expect(outcome).rejects.toBe(CANCELLED);
    await waitFor("the closed connection", () => api.openExchanges() === 0);
    expect(api.requests).toHaveLength(1);
  });

  test.each([
    ["the answer", breakOff({ after: '{"data":{"image_base64":["/9j/', then: "silence" })],
    ["a refusal", stalled(503)],
  ])("while it reads %s ends with the reason, and closes its connection", async (_what, fault) => {
    await using api = await startStandIn({ script: [fault] });
    const { outcome, abort } = await askUntilReading(api);

    abort(CANCELLED);

    await expect(outcome).rejects.toBe(CANCELLED);
    await waitFor("the closed connection", () => api.openExchanges() === 0);
    expect(api.requests).toHaveLength(1);
  });
});

describe("a request whose turn would come too late", () => {
  test("is not sent", async () => {
    await using api = await startStandIn();
    const clock = instantClock();

    const error = await failureOf(
      ask(api, {
        clock,
        limit: 1,
        deadlineMs: clock.monotonicMs() + 50_000,
        ahead: (client) => client.joinQueue(),
      }).outcome,
    );

    expect(error.name).toBe("QueueTimeoutError");
    expect(error.message).toContain("turn would come in 61 s");
    expect(api.requests).toEqual([]);
  });
});

describe("a request that is repeated", () => {
  test("queues anew behind those that came meanwhile", async () => {
    await using api = await startStandIn({ script: [refuse(1000), deliver([PICTURE])] });
    const { client, outcome, activities } = ask(api, { clock: fastClock(1000), limit: 1 });
    const meanwhile = client.joinQueue();
    await waitFor("the queue", () => activities.some((activity) => activity.includes(", 1 call ahead")));
    expect(api.requests).toHaveLength(1);

    meanwhile.leave();

    expect((await outcome).images).toHaveLength(1);
    expect(api.requests).toHaveLength(2);
  });
});

describe("the trace id", () => {
  test("is passed on with a refusal", async () => {
    await using api = await startStandIn({ script: [answer(refusal(2013), { headers: { "Trace-Id": "04a1b2" } })] });

    expect((await failureOf(ask(api).outcome)).details.traceId).toBe("04a1b2");
  });

  test("is bounded, and never holds the key", async () => {
    const header = `${STAND_IN_KEY} ${"x".repeat(90)}${STAND_IN_KEY}${"y".repeat(4_000)}`;
    await using api = await startStandIn({ script: [answer(refusal(2013), { headers: { "Trace-Id": header } })] });

    const { traceId = "" } = (await failureOf(ask(api).outcome)).details;

    expect(traceId).toMatch(/^\[API key\] x+/);
    expect(traceId.length).toBeLessThanOrEqual(101);
    expect(traceId).not.toContain("sk-api");
  });

  test("stands in for an id that the body does not have", async () => {
    const body = JSON.stringify({
      data: { image_base64: [PICTURE.toString("base64")] },
      base_resp: { status_code: 0 },
    });
    await using api = await startStandIn({
      script: [answer(body, { headers: { "Trace-Id": "04a1b2" } }), answer(body)],
    });

    expect((await ask(api).outcome).id).toBe("04a1b2");
    expect((await ask(api).outcome).id).toBeUndefined();
  });
});

describe("the key", () => {
  test("is taken out of what MiniMax says", async () => {
    await using api = await startStandIn({ script: [echoKey(2013)] });

    const { message } = await failureOf(ask(api).outcome);

    expect(message).toContain("Bearer [API key]");
    expect(message).not.toContain(STAND_IN_KEY);
  });

  test("that is wrong is refused, and is not shown", async () => {
    await using api = await startStandIn();

    const error = await failureOf(ask(api, { apiKey: "sk-api-wrong" }).outcome);

    expect(error.details.statusCode).toBe(2049);
    expect(error.details.recovery).toContain("MINIMAX_API_HOST");
    expect(`${error.message} ${JSON.stringify(error.details)}`).not.toContain("sk-api-wrong");
  });
});

describe("a picture", () => {
  test("that came with the answer is read without another request", async () => {
    const chunks = [Uint8Array.of(1, 2), Uint8Array.of(3)];

    expect(await bytesOf({ chunks })).toEqual(Buffer.of(1, 2, 3));
  });

  test("that cannot be used is an error of its own, and is not tried again", async () => {
    const error = await failureOf(bytesOf({ problem: "it is not base64" }));

    expect(error).toBeInstanceOf(ImageError);
    expect(error.message).toBe("MiniMax's image cannot be used: it is not base64.");
    expect(error.details.retryAfterMs).toBeUndefined();
  });

  test("behind a link is downloaded to the byte, without the key, and the link is kept to the letter", async () => {
    await using api = await startStandIn({ script: [succeed()] });
    const { images } = await ask(api, { request: { response_format: "url" } }).outcome;

    expect(await bytesOf(images[0])).toEqual(api.pictures[0]);

    expect(api.downloads).toHaveLength(1);
    expect(api.downloads[0]?.headers.authorization).toBeUndefined();
    expect(images).toEqual([{ link: `${api.url}${api.downloads[0]?.url ?? ""}` }]);
  });

  test("of no bytes is passed on as it is", async () => {
    await using web = await serve((_, response) => response.writeHead(204).end());

    expect(await bytesOf({ link: web.url })).toEqual(Buffer.alloc(0));
  });

  test("that is as large as allowed is passed on, and one that is larger is not", async () => {
    await using web = await serve((request, response) => {
      response.end(Buffer.alloc(IMAGE_MAX_BYTES + Number(request.url?.slice(1))));
    });

    expect(await bytesOf({ link: `${web.url}/0` })).toHaveLength(IMAGE_MAX_BYTES);
    expect((await failureOf(bytesOf({ link: `${web.url}/1` }))).message).toContain("larger than 33554432 bytes");
  });
});

describe("a download that may work the next time", () => {
  test.each([
    ["HTTP 500", linkStatus(500), "HTTP 500"],
    ["HTTP 504", linkStatus(504), "HTTP 504"],
    ["HTTP 408", linkStatus(408), "HTTP 408"],
    ["HTTP 429", linkStatus(429), "HTTP 429"],
    ["a connection that breaks", linkBreaksOff("close"), "could not be downloaded from 127.0.0.1"],
  ])("because of %s says so", async (_what, fault, words) => {
    await using api = await startStandIn({ linkScript: [fault] });
    const { images } = await ask(api, { request: { response_format: "url" } }).outcome;

    const error = await failureOf(bytesOf(images[0]));

    expect(error).toBeInstanceOf(ImageError);
    expect(error.message).toContain(words);
    expect(error.details.retryAfterMs).toBe(0);
  });

  test("because nothing listens says so, without the signed part of the link", async () => {
    const url = await whereNothingListens();

    const error = await failureOf(bytesOf({ link: `${url}/a?Signature=secret` }));

    expect(error.message).toBe(`The image could not be downloaded from ${new URL(url).host} (ECONNREFUSED).`);
    expect(error.details.retryAfterMs).toBe(0);
    expect(error).toHaveProperty("cause.cause.code", "ECONNREFUSED");
  });

  test.each([
    ["in the middle", linkBreaksOff("silence")],
    ["from the beginning", () => undefined],
  ])("because nothing comes %s is given up after a while, and its connection is closed", async (_when, fault) => {
    await using api = await startStandIn({ linkScript: [fault] });
    const { images } = await ask(api, { request: { response_format: "url" } }).outcome;

    const error = await failureOf(bytesOf(images[0], fastClock(100)));

    expect(error.message).toContain("nothing came for 20 s");
    expect(error.details.retryAfterMs).toBe(0);
    await waitFor("the closed connection", () => api.openExchanges() === 0);
  });

  test("is not given up while something comes now and then", async () => {
    const responses: ServerResponse[] = [];
    await using web = await serve((_, response) => responses.push(response.writeHead(200)));
    const clock = manualClock();
    const reader = clientFor(web.url, clock).readImage({ link: web.url }, NOBODY_ABORTS);

    for (const piece of ["one", "two", "three"]) {
      const next = reader.next();
      const response = await waitFor("the request", () => responses[0]);
      await clock.advance(DOWNLOAD_STALL_MS - 1);
      response.write(piece);
      expect(String(Buffer.from((await next).value ?? []))).toBe(piece);
    }
    await clock.advance(DOWNLOAD_STALL_MS - 1);
    responses[0]?.end();

    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });
});

describe("a download that cannot work", () => {
  test.each([
    ["HTTP 304, which has no body", linkStatus(304), "HTTP 304"],
    ["HTTP 403", linkStatus(403), "HTTP 403"],
    ["HTTP 404", linkStatus(404), "HTTP 404"],
    ["a redirect without a target", linkStatus(302), "HTTP 302"],
    ["a redirect to plain http", linkRedirects("http://images.example.com/a.jpeg"), "away from https"],
    ["a redirect to a file", linkRedirects("file:///etc/passwd"), "away from https"],
    ["a redirect to nowhere", linkRedirects("http://"), "no URL"],
    ["a picture without end", linkWithoutEnd(), "larger than 33554432 bytes"],
  ])("because of %s is not tried again, and its connection is closed", async (_what, fault, words) => {
    await using api = await startStandIn({ linkScript: [fault] });
    const { images } = await ask(api, { request: { response_format: "url" } }).outcome;

    const error = await failureOf(bytesOf(images[0]));

    expect(error).toBeInstanceOf(ImageError);
    expect(error.message).toContain(words);
    expect(error.details.retryAfterMs).toBeUndefined();
    expect(api.downloads).toHaveLength(1);
    await waitFor("the closed connection", () => api.openExchanges() === 0);
  });
});

test.each([
  ["that is refused", 403, "HTTP 403"],
  ["that leads nowhere", 302, "no URL"],
])("the rest of an answer %s is not waited for, and its connection is closed", async (_what, code, words) => {
  await using web = await serve((_, response) => {
    response.writeHead(code, { Location: "http://" }).write("a page without end");
  });

  const error = await failureOf(bytesOf({ link: web.url }));

  expect(error.message).toContain(words);
  await waitFor("the closed connection", () => web.open() === 0);
});

test("a link that holds credentials is not tried again, and neither they nor its signed part are shown", async () => {
  const error = await failureOf(bytesOf({ link: "http://user:password@127.0.0.1:9/a?Signature=signed" }));

  expect(error).toBeInstanceOf(ImageError);
  expect(error.details.retryAfterMs).toBeUndefined();
  expect(error.message).toBe("MiniMax's link cannot be used.");
});

describe("a redirect of a download", () => {
  test("may be relative, and is followed without the key", async () => {
    await using web = await serve((request, response) => {
      if (request.url === "/a/b.jpeg?x=1") response.writeHead(302, { Location: "../c.jpeg?y=2" }).end();
      else response.end(PICTURE);
    });

    expect(await bytesOf({ link: `${web.url}/a/b.jpeg?x=1` })).toEqual(PICTURE);

    expect(web.seen.map(({ url }) => url)).toEqual(["/a/b.jpeg?x=1", "/c.jpeg?y=2"]);
    expect(web.seen.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
  });

  test("may lead to another host", async () => {
    await using store = await serve((_, response) => response.end(PICTURE));
    await using web = await serve((_, response) => response.writeHead(307, { Location: `${store.url}/x` }).end());

    expect(await bytesOf({ link: web.url })).toEqual(PICTURE);
  });

  test.each([300, 301, 302, 303, 307, 308, 399])("is followed with HTTP %i", async (code) => {
    await using web = await serve((request, response) => {
      if (request.url === "/") response.writeHead(code, { Location: "/next" }).end();
      else response.end(PICTURE);
    });

    expect(await bytesOf({ link: web.url })).toEqual(PICTURE);
  });

  test("is none with HTTP 400, even when that names a place", async () => {
    await using web = await serve((_, response) => response.writeHead(400, { Location: "/next" }).end());

    expect((await failureOf(bytesOf({ link: web.url }))).message).toContain("HTTP 400");
    expect(web.seen).toHaveLength(1);
  });

  test("is followed three times, and not a fourth time", async () => {
    await using web = await serve((request, response) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) response.end(PICTURE);
      else response.writeHead(301, { Location: `/${left - 1}` }).end();
    });

    expect(await bytesOf({ link: `${web.url}/3` })).toEqual(PICTURE);
    const error = await failureOf(bytesOf({ link: `${web.url}/4` }));

    expect(error.message).toBe("The image could not be downloaded: more than 3 redirects.");
    expect(error.details.retryAfterMs).toBeUndefined();
    expect(web.seen).toHaveLength(8);
  });

  test("to a place that refuses names that place", async () => {
    await using store = await serve((_, response) => response.writeHead(403).end());
    await using web = await serve((_, response) => response.writeHead(302, { Location: store.url }).end());

    const { message } = await failureOf(bytesOf({ link: web.url }));

    expect(message).toBe(`The image could not be downloaded: ${new URL(store.url).host} answered HTTP 403.`);
  });
});

describe.each<readonly [string, unknown]>([
  ["cancelled", CANCELLED],
  ["ended by the used up budget", BUDGET_SPENT],
])("a download that is %s ends with the reason", (_how, reason) => {
  test("before it begins, and then nothing is asked for", async () => {
    await using web = await serve((_, response) => response.end(PICTURE));

    await expect(bytesOf({ link: web.url }, systemClock, AbortSignal.abort(reason))).rejects.toBe(reason);

    expect(web.seen).toEqual([]);
  });

  test.each<readonly [string, number, RequestListener]>([
    ["while it waits for the answer", 1, () => undefined],
    [
      "behind a redirect",
      2,
      (request, response) => {
        if (request.url === "/") response.writeHead(302, { Location: "/next" }).end();
      },
    ],
  ])("%s, and its connection is closed", async (_when, requests, listener) => {
    await using web = await serve(listener);
    const controller = new AbortController();
    const reading = bytesOf({ link: web.url }, systemClock, controller.signal);
    reading.catch(() => undefined);
    await waitFor("the request", () => web.seen.length === requests);

    controller.abort(reason);

    await expect(reading).rejects.toBe(reason);
    await waitFor("the closed connection", () => web.open() === 0);
  });

  test("in the middle of the picture, and its connection is closed", async () => {
    await using web = await serve((_, response) => response.write("half of i"));
    const controller = new AbortController();
    const reader = clientFor(web.url, systemClock).readImage({ link: web.url }, controller.signal);
    expect(await reader.next()).toMatchObject({ done: false });
    const rest = reader.next();

    controller.abort(reason);

    await expect(rest).rejects.toBe(reason);
    await waitFor("the closed connection", () => web.open() === 0);
  });
});

test.each<readonly [string, RequestListener]>([
  ["is whole", (_, response) => response.end(PICTURE)],
  ["is refused", (_, response) => response.writeHead(403).end()],
  ["breaks off", (_, response) => response.destroy()],
])("nobody watches over a download any more once it %s", async (_how, listener) => {
  await using web = await serve(listener);
  const clock = countingClock();

  await Promise.allSettled([bytesOf({ link: web.url }, clock)]);

  await waitFor("the end of the watch", () => clock.sleepers() === 0);
});

test("a reader that has seen enough closes the connection of its download", async () => {
  await using api = await startStandIn({ linkScript: [linkWithoutEnd()] });
  const { images } = await ask(api, { request: { response_format: "url" } }).outcome;
  const [image] = images;
  if (image === undefined) throw new Error("There is no image.");

  const reader = clientFor(api.url, systemClock).readImage(image, NOBODY_ABORTS);
  await reader.next();
  await reader.return(undefined);

  await waitFor("the closed connection", () => api.openExchanges() === 0);
});

test("links that MiniMax should not send are pictures that cannot be used", async () => {
  await using api = await startStandIn({ script: [deliverLinks(["file:///etc/passwd"])] });
  const { images } = await ask(api).outcome;

  await expect(bytesOf(images[0])).rejects.toBeInstanceOf(ImageError);
});

function refusal(code: number): string {
  return JSON.stringify({ base_resp: { status_code: code, status_msg: "no" } });
}

function cutOff(code: number): Behaviour {
  return ({ request, response }) => {
    response.writeHead(code, { "Content-Type": "application/json", "Content-Length": 1000 });
    response.write('{"data":{"image_base64":["', () => {
      request.socket.destroy();
    });
  };
}

function stalled(code: number): Behaviour {
  return ({ response }) => {
    response.writeHead(code, { "Content-Type": "application/json", "Content-Length": 1000 });
    response.write('{"base_resp":');
  };
}
