import type { RequestListener, ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import { type Behaviour, deliver, fallSilent, refuse, status } from "../stand-in/behaviours.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { failureOf } from "../test/support/failure-of.ts";
import { fastClock } from "../test/support/fast-clock.ts";
import { closedHost } from "../test/support/listening.ts";
import { manualClock } from "../test/support/manual-clock.ts";
import { waitFor } from "../test/support/wait-for.ts";
import { startWebServer } from "../test/support/web-server.ts";
import { MiniMaxClient, type RequestContext } from "./client.ts";
import { DeadlineExceededError, ImageError } from "./errors.ts";
import type { GenerationResult } from "./minimax/reply.ts";
import { IMAGE_MAX_BYTES } from "./minimax/reply-images.ts";
import { requestFields } from "./minimax/request.ts";
import { toolInputSchema } from "./schemas.ts";
import { type Clock, systemClock } from "./timing/clock.ts";
import { RateLimiter } from "./timing/rate-limiter.ts";
import { DEFAULT_POLICY } from "./timing/retry.ts";

const WINDOW_MS = 61_000;
const PROXY = "http://proxy.example:3128/";
const BUDGET_SPENT = new DeadlineExceededError(230_000);
const CANCELLED = new Error("the client cancelled");
const NEVER = new AbortController().signal;
const IMAGE = Buffer.from("as good as an image for a client that only carries it");

interface AskOptions {
  readonly clock?: Clock;
  readonly limiter?: RateLimiter;
  readonly proxy?: string;
  readonly args?: Readonly<Record<string, unknown>>;
  readonly deadlineMs?: number;
}

interface Asked {
  readonly outcome: Promise<GenerationResult>;
  readonly activities: readonly string[];
  /** Each time it was noted whether images may be billed. */
  readonly billing: readonly boolean[];
  readonly controller: AbortController;
}

function ask({ url }: { readonly url: string }, options: AskOptions = {}): Asked {
  const { clock = fastClock(1000), args, deadlineMs = Infinity } = options;
  const controller = new AbortController();
  const activities: string[] = [];
  const billing: boolean[] = [];
  const context: RequestContext = {
    signal: controller.signal,
    deadlineMs,
    report: (activity) => activities.push(activity(clock.monotonicMs())),
    setMayBeBilled: (mayBeBilled) => billing.push(mayBeBilled),
  };
  const request = {
    ...requestFields(toolInputSchema.parse({ prompt: "a cat", ...args })),
    subject_reference: undefined,
  };
  const outcome = clientFor(url, { ...options, clock }).generateImages(request, context);
  outcome.catch(() => undefined);
  return { outcome, activities, billing, controller };
}

function clientFor(
  url: string,
  { clock = systemClock, limiter = new RateLimiter(clock, 0, WINDOW_MS), proxy }: AskOptions = {},
): MiniMaxClient {
  return new MiniMaxClient(STAND_IN_KEY, url, { clock, random: () => 0.5, policy: DEFAULT_POLICY }, limiter, proxy);
}

function take(limiter: RateLimiter, deadlineMs = Infinity): Promise<void> {
  return limiter.acquire({ signal: NEVER, deadlineMs, onWait: () => undefined });
}

/** Reads the image behind a link. */
function readLink(
  link: string,
  { signal = NEVER, ...options }: AskOptions & { readonly signal?: AbortSignal } = {},
): AsyncGenerator<Uint8Array> {
  return clientFor("http://127.0.0.1:8", options).readImage({ index: 0, link }, signal);
}

async function bytesOf(reader: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of reader) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test("a request is one POST with the key and exactly the given fields", async () => {
  await using api = await startStandIn({ script: [deliver([IMAGE])] });

  const { outcome, activities, billing } = ask(api, {
    clock: manualClock(5_000),
    args: { seed: 0, n: 3, prompt: "ein Käfer 🐞" },
  });
  await outcome;

  expect(api.requests).toMatchObject([
    {
      method: "POST",
      url: "/v1/image_generation",
      headers: { authorization: `Bearer ${STAND_IN_KEY}`, "content-type": "application/json" },
    },
  ]);
  expect(api.requests[0]?.body).toEqual({
    model: "image-01",
    prompt: "ein Käfer 🐞",
    aspect_ratio: "1:1",
    response_format: "base64",
    n: 3,
    prompt_optimizer: false,
    seed: 0,
  });
  expect(activities).toEqual(["generating 3 images, 0 s"]);
  expect(billing).toEqual([true]);
});

test("a redirect is not followed, and the key goes nowhere else", async () => {
  await using elsewhere = await startWebServer((_, response) => response.end("{}"));
  await using api = await startStandIn({ script: [status(307, { headers: { Location: elsewhere.url } })] });

  const error = await failureOf(ask(api).outcome);

  expect(error.name).toBe("HttpError");
  expect(error.message).toContain("HTTP 307");
  expect(elsewhere.requests).toEqual([]);
});

test("a refusal is waited out, and the request is sent again", async () => {
  await using api = await startStandIn({ script: [refuse(1002), deliver([IMAGE])] });

  const { outcome, activities, billing } = ask(api);

  expect((await outcome).images).toHaveLength(1);
  expect(api.requests).toHaveLength(2);
  expect(activities).toContainEqual(expect.stringMatching(/rate limit.* Attempt 2 of 4 in \d\d s\.$/));
  expect(billing).toEqual([true, false, true]);
});

test.each<readonly [string, Behaviour, number]>([
  ["code 1002", refuse(1002), 60],
  ["a Retry-After of a day", status(429, { headers: { "Retry-After": "86400" } }), 300],
])("%s holds back every other request, within limits", async (_what, fault, pauseSeconds) => {
  await using api = await startStandIn({ script: [fault] });
  const clock = manualClock(5_000);
  const limiter = new RateLimiter(clock, 0, WINDOW_MS);
  await failureOf(ask(api, { clock, limiter, deadlineMs: 5_100 }).outcome);

  await expect(take(limiter, 5_001)).rejects.toThrow(`may be sent in ${pauseSeconds} s`);
});

test("a request queues again for its next attempt, behind others", async () => {
  await using api = await startStandIn({ script: [refuse(1000), deliver([IMAGE])] });
  const clock = manualClock();
  const limiter = new RateLimiter(clock, 1, WINDOW_MS);
  const { outcome, activities } = ask(api, { clock, limiter });
  await waitFor("the wait", () => activities.some((activity) => activity.includes("Attempt 2 of 4")));
  const other = take(limiter).then(() => api.requests.length);

  await clock.advance(WINDOW_MS * 2);

  expect((await outcome).images).toHaveLength(1);
  expect(await other).toBe(1);
  expect(activities).toContain("waiting for a slot under the rate limit, 1 call ahead, about 122 s");
});

test("an attempt that is not sent any more tells of the one that was", async () => {
  await using api = await startStandIn({ script: [refuse(1002)] });
  const clock = manualClock();
  const suspended: Clock = { ...clock, sleep: (ms, signal) => clock.sleep(ms + 300_000, signal) };
  const { outcome, activities } = ask(api, { clock: suspended, deadlineMs: 230_000 });
  await waitFor("the wait", () => activities.some((activity) => activity.includes("Attempt 2 of 4")));

  await clock.advance(400_000);

  const error = await failureOf(outcome);
  expect(error.message).toBe("The call ran out of time before its request could be sent.");
  expect(error.details.billing).toBe("sent before");
  expect(api.requests).toHaveLength(1);
});

test("where nothing listens, nothing is sent in four attempts", async () => {
  const host = await closedHost();

  const { outcome, activities, billing } = ask({ url: `http://${host}` }, { proxy: PROXY });
  const error = await failureOf(outcome);

  expect(error.message).toBe(
    `Could not connect to ${host} (ECONNREFUSED; a proxy is configured: ${PROXY}). Tried 4 times.`,
  );
  expect(error.details.billing).toBe("not sent");
  expect(error).toHaveProperty("cause.cause.cause.code", "ECONNREFUSED");
  expect(activities.filter((activity) => activity.includes("Could not connect"))).toHaveLength(3);
  expect(billing).not.toContain(true);
});

test("a request cancelled in the queue is not sent", async () => {
  await using api = await startStandIn();
  const clock = manualClock();
  const limiter = new RateLimiter(clock, 1, WINDOW_MS);
  await take(limiter);
  const { outcome, controller, activities } = ask(api, { clock, limiter });
  expect(activities).toEqual(["waiting for a slot under the rate limit, 0 calls ahead, about 61 s"]);

  controller.abort(CANCELLED);

  await expect(outcome).rejects.toBe(CANCELLED);
  expect(api.requests).toEqual([]);
});

test("a request cancelled before its next attempt is not sent again", async () => {
  await using api = await startStandIn({ script: [refuse(1002)] });
  const { outcome, controller, activities } = ask(api, { clock: manualClock() });
  await waitFor("the wait", () => activities.some((activity) => activity.includes("Attempt 2 of 4")));

  controller.abort(CANCELLED);

  await expect(outcome).rejects.toBe(CANCELLED);
  expect(api.requests).toHaveLength(1);
});

test.each([
  ["cancelled", CANCELLED, { message: CANCELLED.message }],
  ["out of time", BUDGET_SPENT, { name: "UnknownOutcomeError", cause: BUDGET_SPENT }],
])("a request %s before its response closes its connection", async (_how, reason, error) => {
  await using api = await startStandIn({ script: [fallSilent()] });
  const { outcome, controller } = ask(api, { clock: manualClock() });
  await waitFor("the request", () => api.requests.length === 1);

  controller.abort(reason);

  await expect(outcome).rejects.toMatchObject(error);
  await waitFor("the closed connection", () => api.openExchanges() === 0);
  expect(api.requests).toHaveLength(1);
});

test("an image that came with the response is read without a request", async () => {
  const client = clientFor("http://127.0.0.1:8");

  expect(await bytesOf(client.readImage({ index: 0, bytes: IMAGE }, NEVER))).toEqual(IMAGE);
  expect(await failureOf(bytesOf(client.readImage({ index: 0, problem: "it is empty" }, NEVER)))).toMatchObject({
    name: "ImageError",
    message: "MiniMax's image cannot be used: it is empty.",
    details: {},
  });
});

test("a link is downloaded to the letter, without the key", async () => {
  await using web = await startWebServer((_, response) => response.end(IMAGE));
  const path = "/a%2Fb%7E.jpeg?Expires=1&Signature=x%3D";

  expect(await bytesOf(readLink(`${web.url}${path}`))).toEqual(IMAGE);

  expect(web.requests.map(({ url, headers }) => [url, headers.authorization])).toEqual([[path, undefined]]);
});

test("an image may be as large as allowed, and no larger", async () => {
  await using web = await startWebServer((request, response) => {
    response.end(Buffer.alloc(IMAGE_MAX_BYTES + Number(request.url?.slice(1))));
  });

  expect(await bytesOf(readLink(`${web.url}/0`))).toHaveLength(IMAGE_MAX_BYTES);
  const error = await failureOf(bytesOf(readLink(`${web.url}/1`)));

  expect(error.message).toContain("larger than 33554432 bytes");
  expect(error.details.retryAfterMs).toBeUndefined();
});

test.each([
  [302, {}, undefined],
  [400, { Location: "/next" }, undefined],
  [408, {}, 0],
  [504, {}, 0],
])("HTTP %i with %j ends a download, and says whether to retry", async (code, headers, retryAfterMs) => {
  await using web = await startWebServer((_, response) => {
    response.writeHead(code, headers).write("a page without end");
  });

  const error = await failureOf(bytesOf(readLink(web.url)));

  expect(error).toBeInstanceOf(ImageError);
  expect(error.message).toContain(`${new URL(web.url).host} responded with HTTP ${code}.`);
  expect(error.details.retryAfterMs).toBe(retryAfterMs);
  expect(web.requests).toHaveLength(1);
  await waitFor("the closed connection", () => web.openExchanges() === 0);
});

test.each<readonly [string, RequestListener, RegExp]>([
  ["breaks off", (_, response) => response.write("half of i", () => response.destroy()), /\(.+; a proxy/],
  ["falls silent", (_, response) => response.write("half of i"), /\(nothing came for 20 s; a proxy/],
  ["never begins", () => undefined, /\(nothing came for 20 s; a proxy/],
])("a download that %s is closed, and may be retried", async (_what, listener, words) => {
  await using web = await startWebServer(listener);

  const error = await failureOf(bytesOf(readLink(web.url, { clock: fastClock(100), proxy: PROXY })));

  expect(error).toBeInstanceOf(ImageError);
  expect(error.message).toMatch(words);
  expect(error.details.retryAfterMs).toBe(0);
  await waitFor("the closed connection", () => web.openExchanges() === 0);
});

test("a download lasts while each read comes in time", async () => {
  const responses: ServerResponse[] = [];
  await using web = await startWebServer((_, response) => responses.push(response.writeHead(200)));
  const clock = manualClock();
  const reader = readLink(web.url, { clock });

  for (const piece of ["one", "two", "three"]) {
    const next = reader.next();
    const response = await waitFor("the request", () => responses[0]);
    await clock.advance(19_999);
    response.write(piece);
    expect(String(Buffer.from((await next).value ?? []))).toBe(piece);
  }
  responses[0]?.end();

  expect(await reader.next()).toEqual({ done: true, value: undefined });
  expect(clock.sleepers()).toBe(0);
});

test("a link to this machine from elsewhere is not asked for, nor shown", async () => {
  const link = "http://127.0.0.1:9/a?Signature=signed";

  const error = await failureOf(bytesOf(clientFor("https://api.minimax.io").readImage({ index: 0, link }, NEVER)));

  expect(error).toMatchObject({ name: "ImageError", message: "MiniMax's link cannot be used.", details: {} });
});

test("a download that cannot connect shows no signature of its link", async () => {
  const host = await closedHost();

  const { message } = await failureOf(bytesOf(readLink(`http://${host}/a?Signature=signed`)));

  expect(message).toBe(`The image could not be downloaded from ${host} (ECONNREFUSED).`);
});

describe("a redirect of a download", () => {
  test("may be relative, and is followed without the key", async () => {
    await using web = await startWebServer((request, response) => {
      if (request.url === "/a/b.jpeg?x=1") response.writeHead(302, { Location: "../c.jpeg?y=2" }).end();
      else response.end(IMAGE);
    });

    expect(await bytesOf(readLink(`${web.url}/a/b.jpeg?x=1`))).toEqual(IMAGE);

    expect(web.requests.map(({ url }) => url)).toEqual(["/a/b.jpeg?x=1", "/c.jpeg?y=2"]);
    expect(web.requests.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
  });

  test("is followed three times, and not a fourth time", async () => {
    await using web = await startWebServer((request, response) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) response.end(IMAGE);
      else response.writeHead(301, { Location: `/${left - 1}` }).end();
    });

    expect(await bytesOf(readLink(`${web.url}/3`))).toEqual(IMAGE);
    const error = await failureOf(bytesOf(readLink(`${web.url}/4`)));

    expect(error.message).toBe("The image could not be downloaded: more than 3 redirects.");
    expect(error.details.retryAfterMs).toBeUndefined();
    expect(web.requests).toHaveLength(8);
  });

  test("names the place that refuses", async () => {
    await using store = await startWebServer((_, response) => response.writeHead(304).end());
    await using web = await startWebServer((_, response) => response.writeHead(399, { Location: store.url }).end());

    const { message } = await failureOf(bytesOf(readLink(web.url)));

    expect(message).toBe(`The image could not be downloaded: ${new URL(store.url).host} responded with HTTP 304.`);
  });
});

test("a download cancelled before it begins asks for nothing", async () => {
  await using web = await startWebServer((_, response) => response.end(IMAGE));

  await expect(bytesOf(readLink(web.url, { signal: AbortSignal.abort(CANCELLED) }))).rejects.toBe(CANCELLED);

  expect(web.requests).toEqual([]);
});

test.each<readonly [string, number, RequestListener]>([
  ["while it waits for the response", 1, () => undefined],
  ["in the middle of the image", 1, (_, response) => response.write("half of i")],
  [
    "behind a redirect",
    2,
    (request, response) => {
      if (request.url === "/") response.writeHead(302, { Location: "/next" }).end();
    },
  ],
])("a download cancelled %s closes its connection", async (_when, requests, listener) => {
  await using web = await startWebServer(listener);
  const controller = new AbortController();
  const reading = bytesOf(readLink(web.url, { signal: controller.signal }));
  reading.catch(() => undefined);
  await waitFor("the request", () => web.requests.length === requests);

  controller.abort(CANCELLED);

  await expect(reading).rejects.toBe(CANCELLED);
  await waitFor("the closed connection", () => web.openExchanges() === 0);
});

test("a reader that has seen enough closes the connection", async () => {
  await using web = await startWebServer((_, response) => response.write("half of i"));
  const reader = readLink(web.url);

  await reader.next();
  await reader.return(undefined);

  await waitFor("the closed connection", () => web.openExchanges() === 0);
});
