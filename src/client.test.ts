import type { RequestListener, ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import {
  answer,
  type Behaviour,
  deliver,
  echoKey,
  fallSilent,
  refuse,
  status,
  succeed,
} from "../stand-in/behaviours.ts";
import { linkBreaksOff, linkStatus, linkWithoutEnd } from "../stand-in/object-store.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { DEFAULT_REQUEST } from "../test/support/default-request.ts";
import { failureOf } from "../test/support/failure-of.ts";
import { fastClock } from "../test/support/fast-clock.ts";
import { type InstantClock, instantClock } from "../test/support/instant-clock.ts";
import { closedHost } from "../test/support/listening.ts";
import { manualClock } from "../test/support/manual-clock.ts";
import { waitFor } from "../test/support/wait-for.ts";
import { startWebServer } from "../test/support/web-server.ts";
import { MiniMaxClient } from "./client.ts";
import { CALL_BUDGET_RANGE_MS, DOWNLOAD_STALL_MS, ERROR_BODY_WAIT_MS, IMAGE_MAX_BYTES } from "./constants.ts";
import { DeadlineExceededError, ImageError } from "./errors.ts";
import type { GenerationResult } from "./minimax/reply.ts";
import type { GeneratedImage, UsableImage } from "./minimax/reply-images.ts";
import type { GenerationRequest } from "./schemas.ts";
import type { Call } from "./timing/call.ts";
import { type Clock, systemClock } from "./timing/clock.ts";
import { RateLimiter } from "./timing/rate-limiter.ts";
import { DEFAULT_POLICY } from "./timing/retry.ts";

const UNIX_MS = Date.UTC(2030, 0, 1, 12);
const WINDOW_MS = 61_000;
const PROXY = "http://proxy.example:3128/";
const UNBUFFERED_BYTES = 16_000_000;
const BUDGET_SPENT = new DeadlineExceededError(230_000);
const CANCELLED = new Error("the client cancelled");
const NOBODY_ABORTS = new AbortController().signal;
const IMAGE = Buffer.from("as good as an image, for whoever only carries it");

interface Asked {
  readonly outcome: Promise<GenerationResult>;
  readonly activities: readonly string[];
  readonly limiter: RateLimiter;
  readonly abort: (reason: unknown) => void;
}

interface AskOptions {
  readonly clock?: Clock;
  readonly limiter?: RateLimiter;
  readonly apiKey?: string;
  readonly proxy?: string;
  readonly request?: Partial<GenerationRequest>;
  readonly deadlineMs?: number;
  readonly onActivity?: (activity: string) => void;
}

function ask({ url }: { readonly url: string }, options: AskOptions = {}): Asked {
  const { clock = instantClock({ unixMs: UNIX_MS }), apiKey, proxy, request, deadlineMs = Infinity } = options;
  const limiter = options.limiter ?? new RateLimiter(clock, 0, WINDOW_MS);
  const controller = new AbortController();
  const activities: string[] = [];
  const call: Call = {
    signal: controller.signal,
    cancelSignal: controller.signal,
    deadlineMs,
    onActivity: (activity) => {
      const text = activity(clock.monotonicMs());
      activities.push(text);
      options.onActivity?.(text);
    },
    onSent: () => undefined,
    hasSent: false,
    onRetryWait: () => undefined,
  };
  const client = clientFor(url, clock, { limiter, apiKey, proxy });
  const outcome = client.generateImages({ ...DEFAULT_REQUEST, ...request }, call);
  outcome.catch(() => undefined);
  return {
    outcome,
    activities,
    limiter,
    abort: (reason) => {
      controller.abort(reason);
    },
  };
}

function clientFor(
  url: string,
  clock: Clock,
  {
    limiter = new RateLimiter(clock, 0, WINDOW_MS),
    apiKey = STAND_IN_KEY,
    proxy,
  }: { limiter?: RateLimiter; apiKey?: string | undefined; proxy?: string | undefined } = {},
): MiniMaxClient {
  return new MiniMaxClient(apiKey, url, { clock, random: () => 0.5, policy: DEFAULT_POLICY }, limiter, proxy);
}

function take(limiter: RateLimiter): Promise<void> {
  return limiter.acquire({ signal: NOBODY_ABORTS, deadlineMs: Infinity, onWait: () => undefined });
}

async function bytesOf(
  image: UsableImage | GeneratedImage | undefined,
  clock: Clock = systemClock,
  signal: AbortSignal = NOBODY_ABORTS,
): Promise<Buffer> {
  if (image === undefined || "problem" in image) throw new Error("There is no image.");
  const chunks: Uint8Array[] = [];
  for await (const chunk of clientFor("http://127.0.0.1:9", clock).readImage(image, signal)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test("a request is one POST with the key and exactly the body that was asked for", async () => {
  await using api = await startStandIn({ script: [deliver([IMAGE])] });

  await ask(api, { request: { seed: 0, prompt: "ein Käfer 🐞" } }).outcome;

  expect(api.requests).toMatchObject([
    {
      method: "POST",
      url: "/v1/image_generation",
      headers: { authorization: `Bearer ${STAND_IN_KEY}`, "content-type": "application/json" },
    },
  ]);
  expect(api.requests[0]?.body).toEqual({ ...DEFAULT_REQUEST, seed: 0, prompt: "ein Käfer 🐞" });
});

test("a request that succeeds gives the images in MiniMax's order, with the id and the counts", async () => {
  const second = Buffer.from("another one");
  await using api = await startStandIn({ script: [deliver([IMAGE, second])] });

  const generation = await ask(api, { request: { n: 2 } }).outcome;

  expect(generation).toMatchObject({ metadata: { failed_count: "0", success_count: "2" } });
  expect(generation.id).toMatch(/^[0-9a-f]{32}$/);
  expect(await Promise.all(generation.images.map((image) => bytesOf(image)))).toEqual([IMAGE, second]);
});

test("a request whose proxy wants a password is refused with the host and what to do", async () => {
  await using web = await startWebServer((_, response) => response.writeHead(407).end());

  const error = await failureOf(ask(web).outcome);

  expect(error.message).toBe(`${new URL(web.url).host} responded with HTTP 407 and no image.`);
  expect(error.details.recovery).toContain("HTTPS_PROXY");
});

test("a request says what is being done", async () => {
  await using api = await startStandIn({ script: [deliver([IMAGE])] });

  const { outcome, activities } = ask(api, { request: { n: 3 } });
  await outcome;

  expect(activities).toEqual(["generating 3 images, 0 s"]);
});

test("a request does not follow a redirect, and takes the key nowhere else", async () => {
  await using elsewhere = await startWebServer((_, response) => response.end("{}"));
  await using api = await startStandIn({ script: [status(307, { headers: { Location: elsewhere.url } })] });

  const error = await failureOf(ask(api).outcome);

  expect(error.name).toBe("HttpError");
  expect(error.message).toContain("HTTP 307");
  expect(elsewhere.requests).toEqual([]);
});

test("a refusal: a refusal that says that nothing was generated is waited out, said, and the request is retried", async () => {
  await using api = await startStandIn({ script: [refuse(1002), deliver([IMAGE])] });
  const clock = instantClock({ unixMs: UNIX_MS });

  const { outcome, activities } = ask(api, { clock });

  expect((await outcome).images).toHaveLength(1);
  expect(api.requests).toHaveLength(2);
  expect(waits(clock)[0]).toBe(60_500);
  expect(activities.slice(0, 2)).toEqual([
    "generating 1 image, 0 s",
    expect.stringMatching(/rate limit.* Attempt 2 of 4 in 61 s\.$/),
  ]);
});

test.each<readonly [string, string, number]>([
  ["seconds", "20", 20_500],
  ["no seconds at all", "0", 500],
  ["an HTTP date", new Date(UNIX_MS + 90_000).toUTCString(), 90_500],
  ["a date that has passed", new Date(UNIX_MS - 90_000).toUTCString(), 500],
  ["a date in C's old form", "Tue Jan  1 12:01:30 2030", 90_500],
  ["a date in C's old form, in winter", "Tue Jan  1 12:00:10 2030 ", 10_500],
  ["an ISO date", "2030-01-01T12:01:30Z", 90_500],
  ["an ISO date with an offset", "2030-01-01T14:01:30+02:00", 90_500],
  ["something else", "soon", 500],
  ["nothing", "", 500],
  ["more seconds than there are", "9".repeat(400), 500],
])("a refusal: a Retry-After of %s is waited for that long, with jitter on top", async (_form, header, expected) => {
  await using api = await startStandIn({
    script: [status(503, { headers: { "Retry-After": header } }), deliver([IMAGE])],
  });
  const clock = instantClock({ unixMs: UNIX_MS });

  await ask(api, { clock }).outcome;

  expect(waits(clock)).toEqual([expected]);
});

test.each<readonly [string, Behaviour, number]>([
  ["with code 1002", refuse(1002), 60_000],
  ["with a Retry-After", status(429, { headers: { "Retry-After": "7" } }), ERROR_BODY_WAIT_MS + 7_000],
  [
    "with a Retry-After of a day, for as long as a call may take,",
    status(429, { headers: { "Retry-After": "86400" } }),
    ERROR_BODY_WAIT_MS + CALL_BUDGET_RANGE_MS.maximum,
  ],
])("a refusal: a refusal %s holds back every other request as well", async (_what, fault, pauseMs) => {
  await using api = await startStandIn({ script: [fault] });
  const clock = instantClock();
  const nowMs = clock.monotonicMs();
  const { limiter, outcome } = ask(api, { clock, deadlineMs: nowMs + 1_000 });
  await failureOf(outcome);

  await take(limiter);

  expect(clock.monotonicMs()).toBe(nowMs + pauseMs);
});

test("a refusal: a refusal that asks for no pause holds back nobody", async () => {
  await using api = await startStandIn({ script: [refuse(1000)] });
  const clock = instantClock();
  const nowMs = clock.monotonicMs();
  const { limiter, outcome } = ask(api, { clock, deadlineMs: nowMs + 100 });
  await failureOf(outcome);

  await take(limiter);

  expect(clock.monotonicMs()).toBe(nowMs);
});

test("a refusal: a body that is no JSON is an unknown outcome with the reason, and is never retried", async () => {
  await using api = await startStandIn({ script: [answer("pong")] });

  const error = await failureOf(ask(api).outcome);

  expect(error.name).toBe("UnknownOutcomeError");
  expect(error.message).toContain("its response could not be read: the body is not JSON");
  expect(api.requests).toHaveLength(1);
});

test("where nothing listens: no request is sent, and connecting is retried", async () => {
  const clock = instantClock();
  const url = `http://${await closedHost()}`;

  const { outcome, activities } = ask({ url }, { clock });
  const error = await failureOf(outcome);

  expect(error.name).toBe("RetriesExhaustedError");
  expect(error.message).toContain(`Could not connect to ${new URL(url).host} (ECONNREFUSED)`);
  expect(error.message).toContain("Tried 4 times");
  expect(error.details.recovery).toContain("Nothing was sent or billed");
  expect(activities.filter((activity) => activity.includes("Could not connect"))).toHaveLength(3);
  expect(waits(clock)).toEqual([500, 1_000, 2_000]);
});

test("where nothing listens: the failed connection is the cause of the error", async () => {
  const url = `http://${await closedHost()}`;

  const { cause } = await failureOf(ask({ url }).outcome);

  expect(cause).toHaveProperty("cause.cause.code", "ECONNREFUSED");
});

test("where nothing listens: the check of the host says so, with the failed connection as the cause", async () => {
  const url = `http://${await closedHost()}`;

  const error = await failureOf(clientFor(url, systemClock).checkKey(NOBODY_ABORTS));

  expect(error.message).toBe(`Could not connect to ${new URL(url).host} (ECONNREFUSED).`);
  expect(error).toHaveProperty("cause.cause.code", "ECONNREFUSED");
});

test("a proxy that is configured is named where no connection can be established for a request", async () => {
  const url = `http://${await closedHost()}`;

  const { message } = await failureOf(ask({ url }, { proxy: PROXY }).outcome);

  expect(message).toContain(`(ECONNREFUSED; a proxy is configured: ${PROXY})`);
});

test("a proxy that is configured is named where no connection can be established for the check of the host", async () => {
  const url = `http://${await closedHost()}`;

  const { message } = await failureOf(clientFor(url, systemClock, { proxy: PROXY }).checkKey(NOBODY_ABORTS));

  expect(message).toContain(`(ECONNREFUSED; a proxy is configured: ${PROXY})`);
});

test("a proxy that is configured is named where no connection can be established for a download", async () => {
  const url = `http://${await closedHost()}`;
  const reader = clientFor(url, systemClock, { proxy: PROXY }).readImage({ link: url }, NOBODY_ABORTS);

  const { message } = await failureOf(reader.next());

  expect(message).toContain(`(ECONNREFUSED; a proxy is configured: ${PROXY})`);
});

test("a request that is ended by the used up budget while it waits for the answer has an unknown outcome", async () => {
  await using api = await startStandIn({ script: [fallSilent()] });
  const { outcome, abort } = ask(api);
  await waitFor("the request", () => api.requests.length === 1);

  abort(BUDGET_SPENT);

  const error = await failureOf(outcome);
  expect(error.name).toBe("UnknownOutcomeError");
  expect(error.message).toContain("no complete response came within the call's 230 s");
  expect(error.message).toContain("may have been generated and billed");
  await waitFor("the closed connection", () => api.openExchanges() === 0);
  expect(api.requests).toHaveLength(1);
});

test.each([
  ["an error that shows images", 400],
  ["the answer", 200],
])("a request that is ended by the used up budget while it reads %s has an unknown outcome", async (_what, code) => {
  const { body, hasBegun } = endlessBody(code);
  await using api = await startStandIn({ script: [body] });
  const { outcome, abort } = ask(api);
  await waitFor("the reading of the answer", hasBegun);

  abort(BUDGET_SPENT);

  const error = await failureOf(outcome);
  expect(error.name).toBe("UnknownOutcomeError");
  expect(error.message).toContain("may have been generated and billed");
  await waitFor("the closed connection", () => api.openExchanges() === 0);
  expect(api.requests).toHaveLength(1);
});

describe.each<readonly [string, unknown]>([
  ["cancelled", CANCELLED],
  ["ended by the used up budget", BUDGET_SPENT],
])("a request that is %s", (_how, reason) => {
  test("in the queue is not sent, ends with the reason, and lets the next one go", async () => {
    await using api = await startStandIn();
    const clock = manualClock();
    const limiter = new RateLimiter(clock, 1, WINDOW_MS);
    await take(limiter);
    const { outcome, abort, activities } = ask(api, { clock, limiter });
    expect(activities).toEqual(["waiting for a slot under the rate limit, 0 calls ahead, about 61 s"]);
    const next = take(limiter);

    abort(reason);

    await expect(outcome).rejects.toBe(reason);
    await clock.advance(WINDOW_MS);
    await next;
    expect(api.requests).toEqual([]);
  });

  test("while it waits for its next attempt is not sent again, and ends with the reason", async () => {
    await using api = await startStandIn({ script: [refuse(1002)] });
    const { outcome, abort, activities } = ask(api, { clock: manualClock() });
    await waitFor("the wait", () => activities.some((activity) => activity.includes("Attempt 2 of 4")));

    abort(reason);

    await expect(outcome).rejects.toBe(reason);
    expect(api.requests).toHaveLength(1);
  });
});

test("a request that is cancelled while it waits for the answer ends with the reason, and closes its connection", async () => {
  await using api = await startStandIn({ script: [fallSilent()] });
  const { outcome, abort } = ask(api);
  await waitFor("the request", () => api.requests.length === 1);

  abort(CANCELLED);

  await expect(outcome).rejects.toBe(CANCELLED);
  await waitFor("the closed connection", () => api.openExchanges() === 0);
  expect(api.requests).toHaveLength(1);
});

test.each([
  ["the answer", 200],
  ["a refusal", 503],
])(
  "a request that is cancelled while it reads %s ends with the reason, and closes its connection",
  async (_what, code) => {
    const { body, hasBegun } = endlessBody(code);
    await using api = await startStandIn({ script: [body] });
    const { outcome, abort } = ask(api);
    await waitFor("the reading of the answer", hasBegun);

    abort(CANCELLED);

    await expect(outcome).rejects.toBe(CANCELLED);
    await waitFor("the closed connection", () => api.openExchanges() === 0);
    expect(api.requests).toHaveLength(1);
  },
);

test("the queue: a request whose slot would come too late is not sent", async () => {
  await using api = await startStandIn();
  const clock = instantClock();
  const limiter = new RateLimiter(clock, 1, WINDOW_MS);
  await take(limiter);

  const error = await failureOf(ask(api, { clock, limiter, deadlineMs: clock.monotonicMs() + 50_000 }).outcome);

  expect(error.name).toBe("QueueTimeoutError");
  expect(error.message).toContain("the next free slot is in 61 s");
  expect(api.requests).toEqual([]);
});

test.each([
  ["its slot", 1, []],
  ["its next attempt", 0, [refuse(1002)]],
])(
  "the queue: a request is not sent when the process was suspended past the deadline while it waited for %s",
  async (_what, limit, script) => {
    await using api = await startStandIn({ script });
    const clock = instantClock();
    const asleep: Clock = { ...clock, sleep: (ms, signal) => clock.sleep(ms + 300_000, signal) };
    const limiter = new RateLimiter(asleep, limit, WINDOW_MS);
    if (limit > 0) await take(limiter);

    const error = await failureOf(
      ask(api, { clock: asleep, limiter, deadlineMs: clock.monotonicMs() + 230_000 }).outcome,
    );

    expect(error.message).toBe("The call ran out of time before its request could be sent.");
    expect(api.requests).toHaveLength(script.length);
  },
);

test("the queue: a request that a pause keeps past its deadline is refused with the pause, not with a queue", async () => {
  await using api = await startStandIn();
  const clock = instantClock();
  const limiter = new RateLimiter(clock, 10, WINDOW_MS);
  limiter.pauseUntil(clock.monotonicMs() + 300_000);

  const error = await failureOf(ask(api, { clock, limiter, deadlineMs: clock.monotonicMs() + 230_000 }).outcome);

  expect(error.message).toBe(
    "MiniMax asked for a pause: the next request may be sent in 300 s, after this call's deadline.",
  );
  expect(error.details.recovery).toBe("Nothing was sent or billed. Call again after that.");
});

test("the queue: a request that is retried queues again, behind those that came meanwhile", async () => {
  await using api = await startStandIn({ script: [refuse(1000), deliver([IMAGE])] });
  const clock = instantClock();
  const limiter = new RateLimiter(clock, 1, WINDOW_MS);
  const sent: number[] = [];
  const onActivity = (activity: string): void => {
    if (activity.includes("Attempt 2 of 4")) void take(limiter).then(() => sent.push(api.requests.length));
  };

  const { outcome, activities } = ask(api, { clock, limiter, onActivity });

  expect((await outcome).images).toHaveLength(1);
  expect(sent).toEqual([1]);
  expect(activities).toContainEqual(
    expect.stringMatching(/^waiting for a slot .*, 1 call ahead, about (?:1[0-2]\d|6\d) s$/),
  );
});

test("the trace id is passed on with a refusal", async () => {
  await using api = await startStandIn({ script: [answer(refusal(2013), { headers: { "Trace-Id": "04a1b2" } })] });

  expect((await failureOf(ask(api).outcome)).details.traceId).toBe("04a1b2");
});

test("the trace id is bounded, and never holds the key", async () => {
  const header = `${STAND_IN_KEY} ${"x".repeat(90)}${STAND_IN_KEY}${"y".repeat(4_000)}`;
  await using api = await startStandIn({ script: [answer(refusal(2013), { headers: { "Trace-Id": header } })] });

  const { traceId = "" } = (await failureOf(ask(api).outcome)).details;

  expect(traceId).toMatch(/^\[API key\] x+/);
  expect(traceId.length).toBeLessThanOrEqual(101);
  expect(traceId).not.toContain("sk-api");
});

test("the trace id stands in for an id that the body does not have", async () => {
  const body = JSON.stringify({
    data: { image_base64: [IMAGE.toString("base64")] },
    base_resp: { status_code: 0 },
  });
  await using api = await startStandIn({
    script: [answer(body, { headers: { "Trace-Id": "04a1b2" } }), answer(body)],
  });

  expect((await ask(api).outcome).id).toBe("04a1b2");
  expect((await ask(api).outcome).id).toBeUndefined();
});

test("the key is taken out of what MiniMax says", async () => {
  await using api = await startStandIn({ script: [echoKey(2013)] });

  const { message } = await failureOf(ask(api).outcome);

  expect(message).toContain("Bearer [API key]");
  expect(message).not.toContain(STAND_IN_KEY);
});

test("the key that is wrong is refused, and is not shown", async () => {
  await using api = await startStandIn();

  const error = await failureOf(ask(api, { apiKey: "sk-api-wrong" }).outcome);

  expect(error.details.code).toBe(2049);
  expect(error.details.recovery).toContain("MINIMAX_API_HOST");
  expect(`${error.message} ${JSON.stringify(error.details)}`).not.toContain("sk-api-wrong");
});

test("an image that came with the answer is read without another request", async () => {
  const chunks = [Uint8Array.of(1, 2), Uint8Array.of(3)];

  expect(await bytesOf({ chunks })).toEqual(Buffer.of(1, 2, 3));
});

test("an image behind a link is downloaded to the byte, without the key, and the link is kept to the letter", async () => {
  await using api = await startStandIn({ script: [succeed()] });
  const { images } = await ask(api, { request: { response_format: "url" } }).outcome;

  expect(await bytesOf(images[0])).toEqual(api.deliveredImages[0]);

  expect(api.downloads).toHaveLength(1);
  expect(api.downloads[0]?.headers.authorization).toBeUndefined();
  expect(images).toEqual([{ index: 0, link: `${api.url}${api.downloads[0]?.url ?? ""}` }]);
});

test("an image of no bytes is passed on as it is", async () => {
  await using web = await startWebServer((_, response) => response.writeHead(204).end());

  expect(await bytesOf({ link: web.url })).toEqual(Buffer.alloc(0));
});

test("an image that is as large as allowed is passed on, and one that is larger is not", async () => {
  await using web = await startWebServer((request, response) => {
    response.end(Buffer.alloc(IMAGE_MAX_BYTES + Number(request.url?.slice(1))));
  });

  expect(await bytesOf({ link: `${web.url}/0` })).toHaveLength(IMAGE_MAX_BYTES);
  expect((await failureOf(bytesOf({ link: `${web.url}/1` }))).message).toContain("larger than 33554432 bytes");
});

test.each([
  ["HTTP 500", linkStatus(500), "HTTP 500"],
  ["HTTP 408", linkStatus(408), "HTTP 408"],
  ["HTTP 429", linkStatus(429), "HTTP 429"],
  ["HTTP 504", linkStatus(504), "HTTP 504"],
  ["a connection that breaks", linkBreaksOff("close"), "could not be downloaded from 127.0.0.1"],
])("a download that may work the next time because of %s says so", async (_what, fault, words) => {
  await using api = await startStandIn({ linkScript: [fault] });
  const { images } = await ask(api, { request: { response_format: "url" } }).outcome;

  const error = await failureOf(bytesOf(images[0]));

  expect(error).toBeInstanceOf(ImageError);
  expect(error.message).toContain(words);
  expect(error.details.retryAfterMs).toBe(0);
});

test("a download that may work the next time because nothing listens says so, without the signed part of the link", async () => {
  const url = `http://${await closedHost()}`;

  const error = await failureOf(bytesOf({ link: `${url}/a?Signature=secret` }));

  expect(error.message).toBe(`The image could not be downloaded from ${new URL(url).host} (ECONNREFUSED).`);
  expect(error.details.retryAfterMs).toBe(0);
  expect(error).toHaveProperty("cause.cause.code", "ECONNREFUSED");
});

test.each([
  ["in the middle", linkBreaksOff("silence")],
  ["from the beginning", () => undefined],
])(
  "a download that may work the next time because nothing comes %s is given up after a while, and its connection is closed",
  async (_when, fault) => {
    await using api = await startStandIn({ linkScript: [fault] });
    const { images } = await ask(api, { request: { response_format: "url" } }).outcome;

    const error = await failureOf(bytesOf(images[0], fastClock(100)));

    expect(error.message).toContain("nothing came for 20 s");
    expect(error.details.retryAfterMs).toBe(0);
    await waitFor("the closed connection", () => api.openExchanges() === 0);
  },
);

test("a download that may work the next time is not given up while something comes now and then", async () => {
  const responses: ServerResponse[] = [];
  await using web = await startWebServer((_, response) => responses.push(response.writeHead(200)));
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

test("a download that may work the next time is not given up while a slow disk writes what came", async () => {
  await using web = await startWebServer((_, response) => {
    response.writeHead(200).write("one");
    setImmediate(() => response.end("two"));
  });
  const clock = manualClock();
  const reader = clientFor(web.url, clock).readImage({ link: web.url }, NOBODY_ABORTS);
  let bytes = Buffer.from((await reader.next()).value ?? []);

  await clock.advance(DOWNLOAD_STALL_MS * 3);
  for await (const chunk of reader) bytes = Buffer.concat([bytes, chunk]);

  expect(String(bytes)).toBe("onetwo");
});

test.each([
  ["that is refused", 403, "HTTP 403"],
  ["that leads nowhere", 302, "no URL"],
])("the rest of an answer %s is not waited for, and its connection is closed", async (_what, code, words) => {
  await using web = await startWebServer((_, response) => {
    response.writeHead(code, { Location: "http://" }).write("a page without end");
  });

  const error = await failureOf(bytesOf({ link: web.url }));

  expect(error.message).toContain(words);
  await waitFor("the closed connection", () => web.openExchanges() === 0);
});

test.each([
  ["a redirect that does not say where to", 302],
  ["an answer without a body", 304],
])("a download ends with %s, and it is said", async (_what, code) => {
  await using web = await startWebServer((_, response) => response.writeHead(code).end());

  const error = await failureOf(bytesOf({ link: web.url }));

  expect(error.message).toBe(
    `The image could not be downloaded: ${new URL(web.url).host} responded with HTTP ${code}.`,
  );
  expect(error.details.retryAfterMs).toBeUndefined();
  expect(web.requests).toHaveLength(1);
});

test("a link that holds credentials is not retried, and neither they nor its signed part are shown", async () => {
  const error = await failureOf(bytesOf({ link: "http://user:password@127.0.0.1:9/a?Signature=signed" }));

  expect(error).toBeInstanceOf(ImageError);
  expect(error.details.retryAfterMs).toBeUndefined();
  expect(error.message).toBe("MiniMax's link cannot be used.");
});

test("a link to this machine from a host elsewhere is not asked for", async () => {
  await using web = await startWebServer((_, response) => response.end(IMAGE));
  const client = clientFor("https://api.minimax.io", systemClock);

  const error = await failureOf(client.readImage({ link: web.url }, NOBODY_ABORTS).next());

  expect(error.message).toBe("MiniMax's link cannot be used.");
  expect(web.requests).toEqual([]);
});

test("a redirect of a download may be relative, and is followed without the key", async () => {
  await using web = await startWebServer((request, response) => {
    if (request.url === "/a/b.jpeg?x=1") response.writeHead(302, { Location: "../c.jpeg?y=2" }).end();
    else response.end(IMAGE);
  });

  expect(await bytesOf({ link: `${web.url}/a/b.jpeg?x=1` })).toEqual(IMAGE);

  expect(web.requests.map(({ url }) => url)).toEqual(["/a/b.jpeg?x=1", "/c.jpeg?y=2"]);
  expect(web.requests.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
});

test("a redirect of a download may lead to another host", async () => {
  await using store = await startWebServer((_, response) => response.end(IMAGE));
  await using web = await startWebServer((_, response) =>
    response.writeHead(307, { Location: `${store.url}/x` }).end(),
  );

  expect(await bytesOf({ link: web.url })).toEqual(IMAGE);
});

test.each([300, 301, 302, 303, 307, 308, 399])("a redirect of a download is followed with HTTP %i", async (code) => {
  await using web = await startWebServer((request, response) => {
    if (request.url === "/") response.writeHead(code, { Location: "/next" }).end();
    else response.end(IMAGE);
  });

  expect(await bytesOf({ link: web.url })).toEqual(IMAGE);
});

test("a redirect of a download is none with HTTP 400, even when that names a place", async () => {
  await using web = await startWebServer((_, response) => response.writeHead(400, { Location: "/next" }).end());

  expect((await failureOf(bytesOf({ link: web.url }))).message).toContain("HTTP 400");
  expect(web.requests).toHaveLength(1);
});

test("a redirect of a download is followed three times, and not a fourth time", async () => {
  await using web = await startWebServer((request, response) => {
    const left = Number(request.url?.slice(1));
    if (left === 0) response.end(IMAGE);
    else response.writeHead(301, { Location: `/${left - 1}` }).end();
  });

  expect(await bytesOf({ link: `${web.url}/3` })).toEqual(IMAGE);
  const error = await failureOf(bytesOf({ link: `${web.url}/4` }));

  expect(error.message).toBe("The image could not be downloaded: more than 3 redirects.");
  expect(error.details.retryAfterMs).toBeUndefined();
  expect(web.requests).toHaveLength(8);
});

test("a redirect of a download to a place that refuses names that place", async () => {
  await using store = await startWebServer((_, response) => response.writeHead(403).end());
  await using web = await startWebServer((_, response) => response.writeHead(302, { Location: store.url }).end());

  const { message } = await failureOf(bytesOf({ link: web.url }));

  expect(message).toBe(`The image could not be downloaded: ${new URL(store.url).host} responded with HTTP 403.`);
});

describe.each<readonly [string, unknown]>([
  ["cancelled", CANCELLED],
  ["ended by the used up budget", BUDGET_SPENT],
])("a download that is %s ends with the reason", (_how, reason) => {
  test("before it begins, and then nothing is asked for", async () => {
    await using web = await startWebServer((_, response) => response.end(IMAGE));

    await expect(bytesOf({ link: web.url }, systemClock, AbortSignal.abort(reason))).rejects.toBe(reason);

    expect(web.requests).toEqual([]);
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
    await using web = await startWebServer(listener);
    const controller = new AbortController();
    const reading = bytesOf({ link: web.url }, systemClock, controller.signal);
    reading.catch(() => undefined);
    await waitFor("the request", () => web.requests.length === requests);

    controller.abort(reason);

    await expect(reading).rejects.toBe(reason);
    await waitFor("the closed connection", () => web.openExchanges() === 0);
  });

  test("in the middle of the image, and its connection is closed", async () => {
    await using web = await startWebServer((_, response) => response.write("half of i"));
    const controller = new AbortController();
    const reader = clientFor(web.url, systemClock).readImage({ link: web.url }, controller.signal);
    expect(await reader.next()).toMatchObject({ done: false });
    const rest = reader.next();

    controller.abort(reason);

    await expect(rest).rejects.toBe(reason);
    await waitFor("the closed connection", () => web.openExchanges() === 0);
  });
});

test.each<readonly [string, RequestListener]>([
  ["is whole", (_, response) => response.end(IMAGE)],
  ["is refused", (_, response) => response.writeHead(403).end()],
  ["breaks off", (_, response) => response.destroy()],
])("nobody watches over a download any more once it %s", async (_how, listener) => {
  await using web = await startWebServer(listener);
  const clock = manualClock();

  await Promise.allSettled([bytesOf({ link: web.url }, clock)]);

  await waitFor("the end of the watch", () => clock.sleepers() === 0);
});

test("a reader that has seen enough closes the connection of its download", async () => {
  await using api = await startStandIn({ linkScript: [linkWithoutEnd()] });
  const { images } = await ask(api, { request: { response_format: "url" } }).outcome;
  const [image] = images;
  if (image === undefined || "problem" in image) throw new Error("There is no image.");

  const reader = clientFor(api.url, systemClock).readImage(image, NOBODY_ABORTS);
  await reader.next();
  await reader.return(undefined);

  await waitFor("the closed connection", () => api.openExchanges() === 0);
});

function refusal(code: number): string {
  return JSON.stringify({ base_resp: { status_code: code, status_msg: "no" } });
}

/** A body that has begun and does not end; more of it than the system buffers has been read once `hasBegun` says so. */
function endlessBody(code: number): { readonly body: Behaviour; readonly hasBegun: () => boolean } {
  let hasBegun = false;
  const body: Behaviour = ({ response }) => {
    response.writeHead(code, { "Content-Type": "application/json" });
    response.write(`{"data":{"image_base64":["${"/9j/".repeat(UNBUFFERED_BYTES / 4)}`, () => {
      hasBegun = true;
    });
  };
  return { body, hasBegun: () => hasBegun };
}

function waits({ sleeps }: InstantClock): number[] {
  return sleeps.filter((ms) => ms > 0 && ms !== ERROR_BODY_WAIT_MS);
}
