import { readdir } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { startStandIn } from "../../stand-in/server.ts";
import { fastClock } from "../../test/support/fast-clock.ts";
import { closedHost } from "../../test/support/listening.ts";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { waitFor } from "../../test/support/wait-for.ts";
import { startWebServer } from "../../test/support/web-server.ts";
import { MiniMaxClient } from "../client.ts";
import type { Config } from "../config/config.ts";
import { type Clock, systemClock } from "../timing/clock.ts";
import { RateLimiter } from "../timing/rate-limiter.ts";
import { DEFAULT_POLICY } from "../timing/retry.ts";
import { Workspace } from "../utils/workspace.ts";
import { check } from "./check.ts";

const KEY = "sk-api-0123456789abcdef";

type CheckReport = Awaited<ReturnType<typeof check>>;

interface Options {
  readonly config?: Partial<Config>;
  readonly places?: Partial<Workspace["places"]>;
  readonly clock?: Clock;
  readonly regions?: Readonly<Record<string, string>>;
}

/** Checks with a directory of its own, and shows that nothing was left in it. */
async function checked(apiHost: string, options: Options = {}): Promise<CheckReport> {
  const { clock = systemClock, places, ...others } = options;
  await using directory = await temporaryDirectory();
  const config: Config = {
    apiKey: KEY,
    apiHost,
    outputDirectory: undefined,
    callBudgetMs: 230_000,
    requestsPerMinute: 10,
    referenceDirectories: [],
    proxies: undefined,
    ...others.config,
  };
  const timing = { clock, random: () => 0, policy: DEFAULT_POLICY };
  const workspace = new Workspace({
    base: directory.path,
    defaultDirectory: join(directory.path, "output"),
    referenceDirectories: config.referenceDirectories,
    homeDirectory: undefined,
    ...places,
  });
  const client = new MiniMaxClient(config.apiKey, apiHost, timing, new RateLimiter(clock, 0, 60_000));
  const report = await check({ ...others, config, workspace, client, timing });
  await waitFor("an empty directory", async () => (await readdir(directory.path)).length === 0);
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
  await using host = await startStandIn({ apiKey: KEY });

  const report = await checked(host.url);

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
  await using host = await startStandIn({ apiKey: KEY });

  const report = await checked(host.url, {
    config: {
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
  await using host = await startStandIn({ apiKey });

  const report = await checked(host.url, { config: { apiKey } });

  expect(lineOf(report, "API key")).toBe(`${shown} accepted by the host`);
  expect(report.text).not.toContain(` ${apiKey} `);
});

test.each([
  [KEY, "is accepted by HOST: set MINIMAX_API_HOST to cn"],
  ["a-third-key", "is refused by HOST, too: check MINIMAX_API_KEY"],
])("a refused key is tried at the other region (case %#)", async (key, words) => {
  await using host = await startStandIn({ apiKey: "another-key" });
  await using other = await startStandIn({ apiKey: key });

  const report = await checked(host.url, { regions: { global: host.url, cn: other.url } });

  expect(lineOf(report, "Region")).toBe(`the key ${words.replace("HOST", other.url)}`);
  expect(report.ok).toBe(false);
});

test("a region that cannot be reached says nothing of the key", async () => {
  await using host = await startStandIn({ apiKey: "another-key" });
  const regions = { global: host.url, cn: `http://${await closedHost()}` };

  expect((await checked(host.url, { regions })).text).not.toContain("Region");
});

test("a key refused by another host than MiniMax's is tried nowhere else", async () => {
  await using host = await startStandIn({ apiKey: "another-key" });
  await using other = await startStandIn({ apiKey: KEY });

  const report = await checked(host.url, { regions: { cn: other.url } });

  expect(other.requests).toEqual([]);
  expect(report.text).not.toMatch(new RegExp(`Region|${KEY}`));
});

const LOGIN_FAILS = '{"base_resp":{"status_code":1004,"status_msg":"login fail"}}';

test.each([
  [401, "", "refused by the host"],
  [401, "<html></html>", "refused by the host"],
  [403, '{"message":"forbidden"}', "refused by the host"],
  [403, LOGIN_FAILS, "refused by the host: .*login fail"],
  [403, "", "could not be judged: .*a firewall or proxy may have answered"],
  [403, "<html><h1>Access denied</h1></html>", "could not be judged: .*a firewall or proxy may have answered"],
  [200, "", "could not be judged: "],
  [302, "", "could not be judged: "],
  [404, "", "could not be judged: "],
  [500, "", "could not be judged: "],
])("after HTTP %i with the body %j the key was %s", async (status, body, words) => {
  await using host = await startWebServer((_, response) => response.writeHead(status).end(body));

  const report = await checked(host.url);

  const isRefused = words.startsWith("refused");
  expect(lineOf(report, "API host")).toContain(`can be reached (HTTP ${status})`);
  expect(lineOf(report, "API key")).toMatch(new RegExp(`^sk-a…cdef ${words}`));
  expect(report.text.includes("a firewall")).toBe(words.includes("a firewall"));
  expect(verdictOf(report)).toBe(`Not ready: the key ${isRefused ? "is refused" : "could not be checked"}.`);
  expect(report.text).not.toContain("billed");
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

  const report = await checked(host.url);

  expect(lineOf(report, "API host")).toContain(reach);
  expect(lineOf(report, "API key")).toContain(key);
  expect(verdictOf(report)).toBe("Not ready: the key could not be checked.");
  expect(report.text).not.toContain("billed");
});

test("a host that does not respond is reported after 10 s", async () => {
  await using host = await startWebServer();

  const report = await checked(host.url, { clock: fastClock(1000) });

  expect(lineOf(report, "API host")).toBe(`${host.url} cannot be reached: no answer within 10 s`);
  expect(report.ok).toBe(false);
});

test("a host and a directory that cannot be used are both reported", async () => {
  const host = await closedHost();
  const file = fileURLToPath(import.meta.url);

  const report = await checked(`http://${host}`, { places: { base: file, defaultDirectory: file } });

  expect(lineOf(report, "API key")).toBe("sk-a…cdef was not judged");
  expect(lineOf(report, "API host")).toBe(
    `http://${host} cannot be reached: Could not connect to ${host} (ECONNREFUSED).`,
  );
  expect(lineOf(report, "Output directory")).toBe(`${file} cannot be written`);
  expect(verdictOf(report)).toBe("Not ready: the host cannot be reached; the output directory cannot be written.");
});
