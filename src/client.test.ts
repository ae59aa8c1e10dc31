import type { RequestListener, ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import { type Behaviour, deliver, fallSilent, refuse, status, succeed } from "../stand-in/behaviours.ts";
import { linkBreaksOff, linkStatus, linkWithoutEnd } from "../stand-in/object-store.ts";
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
const STALL_MS = 20_000;
const PROXY = "http://proxy.example:3128/";
const BUDGET_SPENT = new DeadlineExceededError(230_000);
const CANCELLED = new Error("the client cancelled");
const NEVER = new AbortController().signal;
const IMAGE = Buffer.from("as good as an image for a client that only carries it");
const ENDS = [
  ["cancelled", CANCELLED],
  ["out of time", BUDGET_SPENT],
] as const;

interface AskOptions {
  readonly clock?: Clock;
  readonly limiter?: RateLimiter;
  readonly apiKey?: string;
  readonly proxy?: string;
  readonly args?: Readonly<Record<string, unknown>>;
  readonly deadlineMs?: number;
}

interface Asked {
  readonly outcome: Promise<GenerationResult>;
  readonly activities: readonly string[];
  /** Each time it was noted whether images may be billed. */
  readonly billing: readonly boolean[];
  readonly abort: (reason: unknown) => void;
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
  return {
    outcome,
    activities,
    billing,
    abort: (reason) => {
      controller.abort(reason);
    },
  };
}

function clientFor(
  url: string,
  {
    clock = systemClock,
    limiter = new RateLimiter(clock, 0, WINDOW_MS),
    apiKey = STAND_IN_KEY,
    proxy,
  }: AskOptions = {},
): MiniMaxClient {
  return new MiniMaxClient(apiKey, url, { clock, random: () => 0.5, policy: DEFAULT_POLICY }, limiter, proxy);
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

async function linkFrom(api: { readonly url: string }): Promise<string> {
  const [image] = (await ask(api, { args: { response_format: "url" } }).outcome).images;
  if (image === undefined || !("link" in image)) throw new Error("There is no link.");
  return image.link;
}

test("a request is one POST with the key and exactly the given fields", async () => {
  await using api = await startStandIn({ script: [deliver([IMAGE])] });

  const { outcome, activities, billing } = ask(api, {
    clock: manualClock(),
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
  ["code 1002", refuse(1002), 60_000],
  ["a Retry-After", status(429, { headers: { "Retry-After": "7" } }), 7_000],
  ["a Retry-After of a day", status(429, { headers: { "Retry-After": "86400" } }), 300_000],
  ["no pause", refuse(1000), 0],
])("%s holds back every other request, within limits", async (_what, fault, pauseMs) => {
  await using api = await startStandIn({ script: [fault] });
  const clock = manualClock(5_000);
  const limiter = new RateLimiter(clock, 0, WINDOW_MS);
  await failureOf(ask(api, { clock, limiter, deadlineMs: 5_100 }).outcome);

  const next = take(limiter, clock.monotonicMs() + Math.max(1, pauseMs));

  if (pauseMs === 0) await next;
  else await expect(next).rejects.toThrow(`may be sent in ${pauseMs / 1000} s`);
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

describe("where nothing listens", () => {
  test("nothing is sent, and connecting is tried four times", async () => {
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

  test("the check of the host says so", async () => {
    const host = await closedHost();

    const error = await failureOf(clientFor(`http://${host}`, { proxy: PROXY }).checkKey(NEVER));

    expect(error.message).toBe(`Could not connect to ${host} (ECONNREFUSED; a proxy is configured: ${PROXY}).`);
    expect(error).toHaveProperty("cause.cause.code", "ECONNREFUSED");
  });

  test("a download may be retried, and its signed link is not shown", async () => {
    const host = await closedHost();

    const error = await failureOf(bytesOf(readLink(`http://${host}/a?Signature=secret`, { proxy: PROXY })));

    expect(error.message).toBe(
      `The image could not be downloaded from ${host} (ECONNREFUSED; a proxy is configured: ${PROXY}).`,
    );
    expect(error.details.retryAfterMs).toBe(0);
    expect(error).toHaveProperty("cause.cause.code", "ECONNREFUSED");
  });
});

describe.each(ENDS)("a request that is %s", (_how, reason) => {
  test("in the queue is not sent, and lets the next one go", async () => {
    await using api = await startStandIn();
    const clock = manualClock();
    const limiter = new RateLimiter(clock, 1, WINDOW_MS);
    await take(limiter);
    const { outcome, abort, activities } = ask(api, { clock, limiter });
    expect(activities).toEqual(["waiting for a slot under the rate limit, 0 calls ahead, about 61 s"]);
    const next = take(limiter);

    abort(reason);

    await expect(outcome).rejects.toMatchObject({ message: reason.message });
    await clock.advance(WINDOW_MS);
    await next;
    expect(api.requests).toEqual([]);
  });

  test("while it waits for its next attempt is not sent again", async () => {
    await using api = await startStandIn({ script: [refuse(1002)] });
    const { outcome, abort, activities } = ask(api, { clock: manualClock() });
    await waitFor("the wait", () => activities.some((activity) => activity.includes("Attempt 2 of 4")));

    abort(reason);

    await expect(outcome).rejects.toMatchObject({ message: reason.message });
    expect(api.requests).toHaveLength(1);
  });

  test.each<readonly [string, Behaviour]>([
    ["waits for the response", fallSilent()],
    ["reads the body", endlessBody(200)],
    ["reads an error that shows images", endlessBody(503)],
  ])("while it %s closes its connection", async (_what, behaviour) => {
    await using api = await startStandIn({ script: [behaviour] });
    const { outcome, abort } = ask(api, { clock: manualClock() });
    await waitFor("the request", () => api.requests.length === 1);

    abort(reason);

    if (reason === CANCELLED) await expect(outcome).rejects.toBe(CANCELLED);
    else {
      const error = await failureOf(outcome);
      expect(error.name).toBe("UnknownOutcomeError");
      expect(error.message).toContain("no complete response came within the call's 230 s");
    }
    await waitFor("the closed connection", () => api.openExchanges() === 0);
    expect(api.requests).toHaveLength(1);
  });
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
  await using api = await startStandIn({ script: [succeed()] });
  const link = await linkFrom(api);

  expect(await bytesOf(readLink(link))).toEqual(api.deliveredImages[0]);

  expect(api.downloads.map(({ url, headers }) => [`${api.url}${url ?? ""}`, headers.authorization])).toEqual([
    [link, undefined],
  ]);
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
  ["HTTP 500", linkStatus(500), "HTTP 500", 0],
  ["HTTP 408", linkStatus(408), "HTTP 408", 0],
  ["HTTP 429", linkStatus(429), "HTTP 429", 0],
  ["HTTP 504", linkStatus(504), "HTTP 504", 0],
  ["HTTP 403", linkStatus(403), "HTTP 403", undefined],
  ["a connection that breaks", linkBreaksOff("close"), "could not be downloaded from 127.0.0.1", 0],
])("a download that fails with %s says whether to retry", async (_what, fault, words, retryAfterMs) => {
  await using api = await startStandIn({ linkScript: [fault] });

  const error = await failureOf(bytesOf(readLink(await linkFrom(api))));

  expect(error).toBeInstanceOf(ImageError);
  expect(error.message).toContain(words);
  expect(error.details.retryAfterMs).toBe(retryAfterMs);
});

test.each([
  ["in the middle", linkBreaksOff("silence")],
  ["from the beginning", () => undefined],
])("a download that is silent %s is given up, and closed", async (_when, fault) => {
  await using api = await startStandIn({ linkScript: [fault] });

  const error = await failureOf(bytesOf(readLink(await linkFrom(api), { clock: fastClock(100) })));

  expect(error.message).toContain("nothing came for 20 s");
  expect(error.details.retryAfterMs).toBe(0);
  await waitFor("the closed connection", () => api.openExchanges() === 0);
});

test("a download lasts while each read comes in time", async () => {
  const responses: ServerResponse[] = [];
  await using web = await startWebServer((_, response) => responses.push(response.writeHead(200)));
  const clock = manualClock();
  const reader = readLink(web.url, { clock });

  for (const piece of ["one", "two", "three"]) {
    const next = reader.next();
    const response = await waitFor("the request", () => responses[0]);
    await clock.advance(STALL_MS - 1);
    response.write(piece);
    expect(String(Buffer.from((await next).value ?? []))).toBe(piece);
    await clock.advance(STALL_MS * 3);
  }
  responses[0]?.end();

  expect(await reader.next()).toEqual({ done: true, value: undefined });
  expect(clock.sleepers()).toBe(0);
});

test.each([
  ["is refused", 403, "HTTP 403"],
  ["leads nowhere", 302, "no URL"],
])("the rest of a response that %s is not waited for", async (_what, code, words) => {
  await using web = await startWebServer((_, response) => {
    response.writeHead(code, { Location: "http://" }).write("a page without end");
  });

  const error = await failureOf(bytesOf(readLink(web.url)));

  expect(error.message).toContain(words);
  await waitFor("the closed connection", () => web.openExchanges() === 0);
});

test.each([
  ["credentials", "http://user:password@127.0.0.1:9/a?Signature=signed", "http://127.0.0.1:8"],
  ["this machine from elsewhere", "http://127.0.0.1:9/a?Signature=signed", "https://api.minimax.io"],
])("a link with %s is not asked for, nor shown", async (_what, link, apiHost) => {
  const error = await failureOf(bytesOf(clientFor(apiHost).readImage({ index: 0, link }, NEVER)));

  expect(error).toMatchObject({ name: "ImageError", message: "MiniMax's link cannot be used.", details: {} });
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

  test.each([300, 301, 302, 303, 307, 308, 399])("is followed with HTTP %i", async (code) => {
    await using store = await startWebServer((_, response) => response.end(IMAGE));
    await using web = await startWebServer((_, response) => response.writeHead(code, { Location: store.url }).end());

    expect(await bytesOf(readLink(web.url))).toEqual(IMAGE);
  });

  test.each([
    [302, undefined],
    [304, undefined],
    [400, "/next"],
  ])("is none with HTTP %i to %s", async (code, location) => {
    await using web = await startWebServer((_, response) =>
      response.writeHead(code, location === undefined ? {} : { Location: location }).end(),
    );

    const error = await failureOf(bytesOf(readLink(web.url)));

    expect(error.message).toContain(`${new URL(web.url).host} responded with HTTP ${code}.`);
    expect(error.details.retryAfterMs).toBeUndefined();
    expect(web.requests).toHaveLength(1);
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
    await using store = await startWebServer((_, response) => response.writeHead(403).end());
    await using web = await startWebServer((_, response) => response.writeHead(302, { Location: store.url }).end());

    const { message } = await failureOf(bytesOf(readLink(web.url)));

    expect(message).toBe(`The image could not be downloaded: ${new URL(store.url).host} responded with HTTP 403.`);
  });
});

describe.each(ENDS)("a download that is %s", (_how, reason) => {
  test("before it begins asks for nothing", async () => {
    await using web = await startWebServer((_, response) => response.end(IMAGE));

    await expect(bytesOf(readLink(web.url, { signal: AbortSignal.abort(reason) }))).rejects.toBe(reason);

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
  ])("%s closes its connection", async (_when, requests, listener) => {
    await using web = await startWebServer(listener);
    const controller = new AbortController();
    const reading = bytesOf(readLink(web.url, { signal: controller.signal }));
    reading.catch(() => undefined);
    await waitFor("the request", () => web.requests.length === requests);

    controller.abort(reason);

    await expect(reading).rejects.toBe(reason);
    await waitFor("the closed connection", () => web.openExchanges() === 0);
  });
});

test("a reader that has seen enough closes the connection", async () => {
  await using api = await startStandIn({ linkScript: [linkWithoutEnd()] });
  const reader = readLink(await linkFrom(api));

  await reader.next();
  await reader.return(undefined);

  await waitFor("the closed connection", () => api.openExchanges() === 0);
});

/** A body that shows images and does not end. */
function endlessBody(code: number): Behaviour {
  return ({ response }) => {
    response.writeHead(code, { "Content-Type": "application/json" }).write('{"data":{"image_base64":["/9j/');
  };
}
