import { readdir } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { type StandIn, startStandIn } from "../../stand-in/server.ts";
import { fastClock } from "../../test/support/fast-clock.ts";
import { closedHost } from "../../test/support/listening.ts";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { startWebServer } from "../../test/support/web-server.ts";
import { MiniMaxClient } from "../client.ts";
import type { Config } from "../config/config.ts";
import { type Clock, systemClock } from "../timing/clock.ts";
import { RateLimiter } from "../timing/rate-limiter.ts";
import { DEFAULT_POLICY } from "../timing/retry.ts";
import { Workspace } from "../utils/workspace.ts";
import { check } from "./check.ts";

const KEY = "sk-api-0123456789abcdef";

function accepting(apiKey = KEY): Promise<StandIn> {
  return startStandIn({ apiKey });
}

type CheckReport = Awaited<ReturnType<typeof check>>;

interface Checked {
  readonly config: Partial<Config> & Pick<Config, "apiHost">;
  readonly places?: Partial<Workspace["places"]>;
  readonly clock?: Clock;
  readonly regions?: Readonly<Record<string, string>>;
}

/** Checks with a directory of its own, and shows that nothing was left in it. */
async function checked({ config, places, clock = systemClock, regions }: Checked): Promise<CheckReport> {
  await using directory = await temporaryDirectory();
  const whole: Config = {
    apiKey: KEY,
    outputDirectory: undefined,
    callBudgetMs: 230_000,
    requestsPerMinute: 10,
    referenceDirectories: [],
    proxies: undefined,
    ...config,
  };
  const timing = { clock, random: () => 0, policy: DEFAULT_POLICY };
  const rateLimiter = new RateLimiter(clock, whole.requestsPerMinute, 60_000);
  const workspace = new Workspace({
    base: directory.path,
    defaultDirectory: join(directory.path, "output"),
    referenceDirectories: whole.referenceDirectories,
    homeDirectory: undefined,
    ...places,
  });
  const client = new MiniMaxClient(whole.apiKey, whole.apiHost, timing, rateLimiter);
  const report = await check({
    config: whole,
    workspace,
    client,
    timing,
    ...(regions === undefined ? {} : { regions }),
  });
  expect(await readdir(directory.path)).toEqual([]);
  return { ...report, text: report.text.replaceAll(directory.path, "BASE") };
}

/** The last line of the report. */
function verdictOf({ text }: CheckReport): string | undefined {
  return text.split("\n").at(-1);
}

function lineOf({ text }: CheckReport, term: string): string {
  const line = text.split("\n").find((candidate) => candidate.startsWith(term));
  if (line === undefined) throw new Error(`Nothing is said about ${term}.`);
  return line.slice(term.length).trim();
}

test("a check that succeeds costs nothing and creates nothing", async () => {
  await using host = await accepting();

  const report = await checked({ config: { apiHost: host.url } });

  expect(report.text.split("\n")).toEqual([
    "API key            sk-a…cdef accepted by the host",
    `API host           ${host.url} can be reached (HTTP 200)`,
    `Output directory   ${join("BASE", "output")} can be written`,
    "Base directory     BASE",
    "Reference images   BASE",
    "Proxy              none",
    "Limits             230000 ms a call, 10 requests a minute",
    "",
    "Ready.",
  ]);
  expect(report.ok).toBe(true);
  expect(host.requests.map(({ body }) => body)).toEqual([{ model: "no-such-model", prompt: "check" }]);
  expect(host.deliveredImages).toEqual([]);
});

test("a check names all that is configured, without the proxy's password", async () => {
  await using host = await accepting();

  const report = await checked({
    config: {
      apiHost: host.url,
      requestsPerMinute: 0,
      referenceDirectories: ["/srv/faces", "/srv/more"],
      proxies: { https: "http://ada:secret@proxy.example:3128", http: undefined, none: "" },
    },
    places: { fallbackNotice: "Files go elsewhere." },
  });

  expect(lineOf(report, "Reference images")).toBe("BASE, /srv/faces, /srv/more");
  expect(lineOf(report, "Proxy")).toBe("http://proxy.example:3128/");
  expect(lineOf(report, "Limits")).toContain("unlimited requests a minute");
  expect(lineOf(report, "Note")).toBe("Files go elsewhere.");
  expect(report.text).not.toContain("secret");
});

test.each([
  ["k", "set (too short to show partially)"],
  ["fifteen-letters", "set (too short to show partially)"],
  ["0123456789abcdef", "0123…cdef"],
])("of the key %s only %s is shown", async (apiKey, shown) => {
  await using host = await accepting(apiKey);

  const report = await checked({ config: { apiHost: host.url, apiKey } });

  expect(lineOf(report, "API key")).toBe(`${shown} accepted by the host`);
  expect(report.text).not.toContain(` ${apiKey} `);
});

test("a refused key is reported in the host's words", async () => {
  await using host = await accepting("another-key");

  const report = await checked({ config: { apiHost: host.url } });

  expect(lineOf(report, "API key")).toMatch(/^sk-a…cdef refused by the host: .*invalid api key/);
  expect(report.text).not.toMatch(new RegExp(`Region|${KEY}`));
  expect(verdictOf(report)).toBe("Not ready: the key is refused.");
  expect(report.ok).toBe(false);
});

test.each([
  [KEY, "is accepted by HOST: set MINIMAX_API_HOST to cn"],
  ["a-third-key", "is refused by HOST, too: check MINIMAX_API_KEY"],
])("a refused key is tried at the other region (case %#)", async (key, words) => {
  await using host = await accepting("another-key");
  await using other = await accepting(key);

  const report = await checked({ config: { apiHost: host.url }, regions: { global: host.url, cn: other.url } });

  expect(lineOf(report, "Region")).toBe(`the key ${words.replace("HOST", other.url)}`);
  expect(report.ok).toBe(false);
});

test("a key refused by another host than MiniMax's is tried nowhere else", async () => {
  await using host = await accepting("another-key");
  await using other = await accepting();

  await checked({ config: { apiHost: host.url }, regions: { cn: other.url } });

  expect(other.requests).toEqual([]);
});

test.each([
  [401, "refused by the host", "is refused"],
  [200, "could not be judged: ", "could not be checked"],
  [302, "could not be judged: ", "could not be checked"],
  [404, "could not be judged: ", "could not be checked"],
  [500, "could not be judged: ", "could not be checked"],
])("after HTTP %i without a code the key was %s", async (status, words, verdict) => {
  await using host = await startWebServer((_, response) => response.writeHead(status).end());

  const report = await checked({ config: { apiHost: host.url } });

  expect(lineOf(report, "API host")).toContain(`can be reached (HTTP ${status})`);
  expect(lineOf(report, "API key")).toContain(words);
  expect(verdictOf(report)).toBe(`Not ready: the key ${verdict}.`);
  expect(report.text).not.toContain("billed");
  expect(report.ok).toBe(false);
});

test.each([
  ["a page", 403, "text/html", "<html><h1>Access denied</h1></html>", "could not be judged: ", true],
  ["no body", 403, "text/html", "", "could not be judged: ", true],
  ["JSON", 403, "application/json", '{"message":"forbidden"}', "refused by the host", false],
  [
    "MiniMax's refusal",
    403,
    "application/json",
    '{"base_resp":{"status_code":1004,"status_msg":"login fail"}}',
    "refused by the host",
    false,
  ],
  ["a page", 401, "text/html", "<html></html>", "refused by the host", false],
])("after %s with HTTP %i the key was judged", async (_what, status, type, body, words, isFirewall) => {
  await using host = await startWebServer((_, response) =>
    response.writeHead(status, { "Content-Type": type }).end(body),
  );

  const report = await checked({ config: { apiHost: host.url } });

  expect(lineOf(report, "API key")).toContain(words);
  expect(report.text.includes("a firewall or proxy may have answered")).toBe(isFirewall);
  expect(report.ok).toBe(false);
});

test.each<[string, RequestListener, string, string]>([
  [
    "is truncated",
    (_, response) => response.writeHead(200).write("{", () => response.destroy()),
    "can be reached (HTTP 200)",
    "could not be judged: ",
  ],
  ["never comes", ({ socket }) => socket.destroy(), "can be reached, but ", "was not judged"],
])("an answer that %s is reported without a word of billing", async (_case, listener, reach, key) => {
  await using host = await startWebServer(listener);

  const report = await checked({ config: { apiHost: host.url } });

  expect(lineOf(report, "API host")).toContain(reach);
  expect(lineOf(report, "API key")).toContain(key);
  expect(verdictOf(report)).toBe("Not ready: the key could not be checked.");
  expect(report.text).not.toContain("billed");
  expect(report.ok).toBe(false);
});

test("a host that refuses connections is reported", async () => {
  const host = await closedHost();

  const report = await checked({ config: { apiHost: `http://${host}` } });

  expect(lineOf(report, "API host")).toBe(
    `http://${host} cannot be reached: Could not connect to ${host} (ECONNREFUSED).`,
  );
  expect(lineOf(report, "Output directory")).toContain("can be written");
  expect(verdictOf(report)).toBe("Not ready: the host cannot be reached.");
  expect(report.ok).toBe(false);
});

test("a host that does not respond is reported after 10 s", async () => {
  await using host = await startWebServer();

  const report = await checked({ config: { apiHost: host.url }, clock: fastClock(1000) });

  expect(lineOf(report, "API host")).toBe(`${host.url} cannot be reached: no answer within 10 s`);
  expect(report.ok).toBe(false);
});

test("a directory that cannot be written is reported", async () => {
  await using host = await accepting();
  const file = fileURLToPath(import.meta.url);

  const report = await checked({ config: { apiHost: host.url }, places: { base: file, defaultDirectory: file } });

  expect(lineOf(report, "Output directory")).toBe(`${file} cannot be written`);
  expect(lineOf(report, "API host")).toContain("can be reached");
  expect(verdictOf(report)).toBe("Not ready: the output directory cannot be written.");
  expect(report.ok).toBe(false);
});

test("the verdict names every problem", async () => {
  const file = fileURLToPath(import.meta.url);

  const report = await checked({
    config: { apiHost: `http://${await closedHost()}` },
    places: { base: file, defaultDirectory: file },
  });

  expect(verdictOf(report)).toBe("Not ready: the host cannot be reached; the output directory cannot be written.");
});
