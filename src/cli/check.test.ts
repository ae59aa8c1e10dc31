import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type StandIn, startStandIn } from "../../stand-in/server.ts";
import { fastClock } from "../../test/support/fast-clock.ts";
import { closedHost } from "../../test/support/listening.ts";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { startWebServer, type WebServer } from "../../test/support/web-server.ts";
import { MiniMaxClient } from "../client.ts";
import type { Config } from "../config.ts";
import { type Clock, systemClock } from "../timing/clock.ts";
import { RateLimiter } from "../timing/rate-limiter.ts";
import { DEFAULT_POLICY } from "../timing/retry.ts";
import type { OutputRoot } from "../utils/output-root.ts";
import { check, type CheckReport } from "./check.ts";

const KEY = "sk-api-0123456789abcdef";

function answering(status: number): Promise<WebServer> {
  return startWebServer((_, response) => response.writeHead(status).end());
}

function accepting(apiKey = KEY): Promise<StandIn> {
  return startStandIn({ apiKey });
}

function checked(
  outputRoot: OutputRoot,
  config: Partial<Config> & Pick<Config, "apiHost">,
  { clock = systemClock, regions }: { clock?: Clock; regions?: Readonly<Record<string, string>> } = {},
): Promise<CheckReport> {
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
  const client = new MiniMaxClient(whole.apiKey, whole.apiHost, timing, rateLimiter);
  return check({ config: whole, outputRoot, client, timing, ...(regions === undefined ? {} : { regions }) });
}

function lineOf({ text }: CheckReport, term: string): string {
  const line = text.split("\n").find((candidate) => candidate.startsWith(term));
  if (line === undefined) throw new Error(`Nothing is said about ${term}.`);
  return line.slice(term.length).trim();
}

test("a check where everything works says what is configured and that the key is accepted, costs nothing and creates nothing", async () => {
  await using host = await accepting();
  await using directory = await temporaryDirectory();
  const output = join(directory.path, "output");

  const report = await checked({ base: directory.path, defaultDirectory: output }, { apiHost: host.url });

  expect(report.text.split("\n")).toEqual([
    "API key            sk-a…cdef accepted by the host",
    `API host           ${host.url} can be reached (HTTP 200)`,
    `Output directory   ${output} can be written`,
    `Base directory     ${directory.path}`,
    `Reference images   ${directory.path}`,
    "Proxy              none",
    "Limits             230000 ms a call, 10 requests a minute",
  ]);
  expect(report.ok).toBe(true);
  expect(host.requests.map(({ body }) => body)).toEqual([{ model: "no-such-model", prompt: "check" }]);
  expect(host.deliveredImages).toEqual([]);
  expect(await readdir(directory.path)).toEqual([]);
});

test("a check where everything works names further directories, the proxy without its password, no limit, and the notice", async () => {
  await using host = await accepting();
  await using directory = await temporaryDirectory();
  const root = { base: directory.path, defaultDirectory: directory.path, fallbackNotice: "Files go elsewhere." };

  const report = await checked(root, {
    apiHost: host.url,
    requestsPerMinute: 0,
    referenceDirectories: ["/srv/faces", "/srv/more"],
    proxies: { https: "http://ada:secret@proxy.example:3128", http: undefined, none: "" },
  });

  expect(lineOf(report, "Reference images")).toBe(`${directory.path}, /srv/faces, /srv/more`);
  expect(lineOf(report, "Proxy")).toBe("http://proxy.example:3128/");
  expect(lineOf(report, "Limits")).toContain("unlimited requests a minute");
  expect(lineOf(report, "Note")).toBe("Files go elsewhere.");
  expect(report.text).not.toContain("secret");
});

test.each(["k", "fifteen-letters"])(
  "a check where everything works shows nothing of a key as short as %s",
  async (apiKey) => {
    await using host = await accepting(apiKey);
    await using directory = await temporaryDirectory();
    const root = { base: directory.path, defaultDirectory: directory.path };

    expect(lineOf(await checked(root, { apiHost: host.url, apiKey }), "API key")).toBe(
      "set (too short to show partially) accepted by the host",
    );
  },
);

test("a check where everything works never shows the whole key", async () => {
  await using host = await accepting();
  await using directory = await temporaryDirectory();
  const root = { base: directory.path, defaultDirectory: directory.path };

  const { text } = await checked(root, { apiHost: host.url, apiKey: "0123456789abcdef" });

  expect(text).toContain("0123…cdef");
  expect(text).not.toContain("56789");
});

test("a key that the host does not accept is refused in the host's words, and the check fails", async () => {
  await using host = await accepting("another-key");
  await using directory = await temporaryDirectory();

  const report = await checked({ base: directory.path, defaultDirectory: directory.path }, { apiHost: host.url });

  expect(lineOf(report, "API key")).toMatch(/^sk-a…cdef refused by the host: .*invalid api key/);
  expect(report.text).not.toContain("Region");
  expect(report.text).not.toContain(KEY);
  expect(report.ok).toBe(false);
});

test("a key that the host does not accept is shown to the other region's host, which accepts it: the report names the setting", async () => {
  await using host = await accepting("another-key");
  await using other = await accepting();
  await using directory = await temporaryDirectory();
  const root = { base: directory.path, defaultDirectory: directory.path };

  const report = await checked(root, { apiHost: host.url }, { regions: { global: host.url, cn: other.url } });

  expect(lineOf(report, "Region")).toBe(`the key is accepted by ${other.url}: set MINIMAX_API_HOST to cn`);
  expect(report.ok).toBe(false);
});

test("a key that the host does not accept is said to be wrong when the other region's host refuses it, too", async () => {
  await using host = await accepting("another-key");
  await using other = await accepting("a-third-key");
  await using directory = await temporaryDirectory();
  const root = { base: directory.path, defaultDirectory: directory.path };

  const report = await checked(root, { apiHost: host.url }, { regions: { global: host.url, cn: other.url } });

  expect(lineOf(report, "Region")).toBe(`the key is refused by ${other.url}, too: check MINIMAX_API_KEY`);
});

test("a key that the host does not accept is shown to nobody else when the host is none of MiniMax's", async () => {
  await using host = await accepting("another-key");
  await using other = await accepting();
  await using directory = await temporaryDirectory();
  const root = { base: directory.path, defaultDirectory: directory.path };

  await checked(root, { apiHost: host.url }, { regions: { cn: other.url } });

  expect(other.requests).toEqual([]);
});

test("a key that the host does not accept is refused by HTTP 401 without a code as well", async () => {
  await using host = await answering(401);
  await using directory = await temporaryDirectory();

  const report = await checked({ base: directory.path, defaultDirectory: directory.path }, { apiHost: host.url });

  expect(lineOf(report, "API key")).toContain("refused by the host");
});

test.each([200, 302, 404, 500])(
  "a key that the host does not accept could not be judged when the host answers HTTP %i and no code",
  async (status) => {
    await using host = await answering(status);
    await using directory = await temporaryDirectory();

    const report = await checked({ base: directory.path, defaultDirectory: directory.path }, { apiHost: host.url });

    expect(lineOf(report, "API host")).toContain(`can be reached (HTTP ${status})`);
    expect(lineOf(report, "API key")).toContain("could not be judged: ");
    expect(report.text).not.toContain("billed");
    expect(report.ok).toBe(false);
  },
);

test("a check fails where the host's answer breaks off, and speaks of no images", async () => {
  await using host = await startWebServer((_, response) => {
    response.writeHead(200).write("{", () => response.destroy());
  });
  await using directory = await temporaryDirectory();

  const report = await checked({ base: directory.path, defaultDirectory: directory.path }, { apiHost: host.url });

  expect(lineOf(report, "API host")).toContain("can be reached, but ");
  expect(report.text).not.toContain("billed");
  expect(report.ok).toBe(false);
});

test("a check fails where nothing listens, and says so", async () => {
  await using directory = await temporaryDirectory();
  const root = { base: directory.path, defaultDirectory: directory.path };
  const host = await closedHost();

  const report = await checked(root, { apiHost: `http://${host}` });

  expect(lineOf(report, "API host")).toBe(
    `http://${host} cannot be reached: Could not connect to ${host} (ECONNREFUSED).`,
  );
  expect(lineOf(report, "Output directory")).toContain("can be written");
  expect(report.ok).toBe(false);
});

test("a check fails when the host does not answer in time", async () => {
  await using host = await startWebServer();
  await using directory = await temporaryDirectory();
  const root = { base: directory.path, defaultDirectory: directory.path };
  const checking = checked(root, { apiHost: host.url }, { clock: fastClock(1000) });

  expect(lineOf(await checking, "API host")).toBe(`${host.url} cannot be reached: no answer within 10 s`);
  expect((await checking).ok).toBe(false);
});

test("a check fails where the directory cannot be written, and says so", async () => {
  await using host = await accepting();
  await using directory = await temporaryDirectory();
  const file = join(directory.path, "file");
  await writeFile(file, "");

  const report = await checked({ base: file, defaultDirectory: file }, { apiHost: host.url });

  expect(lineOf(report, "Output directory")).toBe(`${file} cannot be written`);
  expect(lineOf(report, "API host")).toContain("can be reached");
  expect(report.ok).toBe(false);
});
