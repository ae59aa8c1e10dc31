import { createRequire } from "node:module";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { ConfigurationError } from "../errors.ts";
import { type Config, parseConfig, variables } from "./config.ts";

const KEY = "sk-api-0123456789abcdef";
const DIRECTORIES = { workingDirectory: resolve("/srv/site"), homeDirectory: resolve("/home/ada") };
const BLANKS = ["", " \t\r\n\u00a0", "${user_config.setting}", " ${env:SETTING} "];
const PORT_RULE = "- MINIMAX_API_HOST names a port that HTTP clients refuse to use: choose another.";
const KEY_IS_REQUIRED =
  "- MINIMAX_API_KEY is required: put it into the env block of this server in your MCP client's configuration (create a key at https://platform.minimax.io).";
const KEY_CHARACTERS =
  "- MINIMAX_API_KEY contains characters that are not allowed in an HTTP header: copy it again, without spaces, line breaks or typographic quotation marks.";
const HOST_RULE =
  "- MINIMAX_API_HOST must be global, cn, or an https:// origin without a path (http:// only on loopback).";

function configOf(environment: NodeJS.ProcessEnv): Config {
  return parseConfig({ MINIMAX_API_KEY: KEY, ...environment }, DIRECTORIES);
}

function problemsIn(environment: NodeJS.ProcessEnv): string[] {
  try {
    configOf(environment);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    const [first, ...problems] = error.message.split("\n");
    expect(first).toBe("The server cannot start:");
    return problems;
  }
  throw new Error("The environment was accepted.");
}

test("only the key is required", () => {
  expect(configOf({})).toEqual({
    apiKey: KEY,
    apiHost: "https://api.minimax.io",
    outputDirectory: undefined,
    callBudgetMs: 230_000,
    requestsPerMinute: 10,
    referenceDirectories: [],
    proxies: undefined,
  });
  expect(problemsIn({ MINIMAX_API_KEY: undefined })).toEqual([KEY_IS_REQUIRED]);
  expect(variables().filter(({ fallback }) => fallback === "required")).toMatchObject([{ name: "MINIMAX_API_KEY" }]);
});

test("every variable has a default and a description in words", () => {
  for (const { fallback, description } of variables()) {
    expect(fallback).toMatch(/^(?!undefined)./);
    expect(description).toMatch(/^\w.*\.$/);
  }
});

test.each(variables().map(({ name }) => name))("%s counts as not set when it is blank", (name) => {
  const others = { HTTPS_PROXY: "http://a.example", HTTP_PROXY: "http://b.example" };

  for (const blank of BLANKS) {
    if (name === "MINIMAX_API_KEY") expect(problemsIn({ [name]: blank })).toEqual([KEY_IS_REQUIRED]);
    else expect(configOf({ ...others, [name]: blank })).toEqual(configOf({ ...others, [name]: undefined }));
  }
});

test("MINIMAX_API_KEY is trimmed, and may contain printable ASCII only", () => {
  expect(configOf({ MINIMAX_API_KEY: ` \t${KEY}\r\n` }).apiKey).toBe(KEY);
  for (const code of [...Array(0x100).keys(), 0x200b, 0x201d, 0xfeff, 0x1f511]) {
    const key = `sk-first${String.fromCodePoint(code)}second`;
    if (code > 0x20 && code < 0x7f) expect(configOf({ MINIMAX_API_KEY: key }).apiKey).toBe(key);
    else expect(problemsIn({ MINIMAX_API_KEY: key })).toEqual([KEY_CHARACTERS]);
  }
});

test.each([
  ["Global", "https://api.minimax.io"],
  [" CN\n", "https://api.minimax.cn"],
  ["https://api.minimax.io/", "https://api.minimax.io"],
  ["HTTPS://API.MiniMax.IO:443", "https://api.minimax.io"],
  ["https://gateway.example:8443", "https://gateway.example:8443"],
  ["http://localhost:3000", "http://localhost:3000"],
])("MINIMAX_API_HOST: %j is %s", (host, origin) => {
  expect(configOf({ MINIMAX_API_HOST: host }).apiHost).toBe(origin);
});

test.each([
  "http://api.minimax.io",
  "http://api.localhost:3000",
  "ftp://localhost",
  "europe-cn",
  "cn-north",
  "api.minimax.io",
  "https://api.minimax.io/v1",
  "https://api.minimax.io/?region=eu",
  "https://api.minimax.io/#top",
  "https://ada@api.minimax.io",
  "https://:secret@api.minimax.io",
  KEY,
])("MINIMAX_API_HOST: %s is refused and not repeated", (host) => {
  expect(problemsIn({ MINIMAX_API_HOST: host })).toEqual([HOST_RULE]);
});

test("MINIMAX_API_HOST: the ports that fetch refuses are refused", () => {
  const known: unknown = createRequire(import.meta.url)("undici/lib/web/fetch/constants.js");
  const { badPorts } = z.object({ badPorts: z.array(z.string()).min(80) }).parse(known);

  for (const port of ["0", ...badPorts]) {
    expect(problemsIn({ MINIMAX_API_HOST: `http://127.0.0.1:${port}` })).toEqual([PORT_RULE]);
    expect(problemsIn({ MINIMAX_API_HOST: `https://gateway.example:${port}/` })).toEqual([PORT_RULE]);
  }
  for (const port of [443, 6001, 10_081, 65_535]) {
    expect(configOf({ MINIMAX_API_HOST: `http://127.0.0.1:${port}` }).apiHost).toBe(`http://127.0.0.1:${port}`);
  }
});

describe.each([
  ["MINIMAX_TIMEOUT_MS", 1000, 300_000, "callBudgetMs"],
  ["MINIMAX_RPM", 0, 10_000, "requestsPerMinute"],
] as const)("%s", (name, minimum, maximum, field) => {
  test.each([minimum, maximum])("may be %i", (value) => {
    expect(configOf({ [name]: ` ${value} ` })[field]).toBe(value);
  });

  test.each([String(minimum - 1), String(maximum + 1), "1e3", "5.5", "ten", "0x10", "9".repeat(30)])(
    "may not be %s",
    (text) => {
      expect(problemsIn({ [name]: text })).toEqual([`- ${name} must be a whole number from ${minimum} to ${maximum}.`]);
    },
  );
});

test.each([
  ["MINIMAX_API_KEY", '"sk-secret"'],
  ["MINIMAX_OUTPUT_DIR", "${HOME}/images"],
  ["MINIMAX_OUTPUT_DIR", "C:UsersmePictures"],
  ["MINIMAX_REFERENCE_DIRS", "<faces>"],
  ["MINIMAX_REFERENCE_DIRS", "file:///tmp/faces"],
  ["HTTPS_PROXY", "$SECRET_PROXY"],
])("%s is refused when it can only be a mistake: %s", (name, value) => {
  expect(problemsIn({ [name]: value })).toEqual([expect.stringMatching(new RegExp(`^- ${name} (?:has|contains|is) `))]);
});

test("every bad variable is named on a line of its own", () => {
  expect(
    problemsIn({ MINIMAX_API_KEY: "", MINIMAX_API_HOST: "http://example.com", MINIMAX_OUTPUT_DIR: "${A}/${B}" }),
  ).toEqual([
    expect.stringMatching(/^- MINIMAX_API_KEY .*\.$/),
    expect.stringMatching(/^- MINIMAX_OUTPUT_DIR .*\.$/),
    expect.stringMatching(/^- MINIMAX_API_HOST .*\.$/),
  ]);
});

test("variables of other programs are ignored", () => {
  expect(configOf({ PATH: "/bin", MINIMAX_MODEL: "\0", NODE_OPTIONS: "" })).toEqual(configOf({}));
});
