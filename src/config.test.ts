import { delimiter, resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { anyText } from "../test/support/any-text.ts";
import { type Config, parseConfig } from "./config.ts";
import { ConfigurationError } from "./errors.ts";

const KEY = "sk-api-0123456789abcdef";
const DIRECTORIES = { workingDirectory: resolve("/srv/site"), homeDirectory: resolve("/home/ada") };

function configOf(environment: NodeJS.ProcessEnv): Config {
  return parseConfig({ MINIMAX_API_KEY: KEY, ...environment }, DIRECTORIES);
}

function refusalOf(environment: NodeJS.ProcessEnv): string {
  try {
    parseConfig(environment, DIRECTORIES);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message;
    throw error;
  }
  throw new Error("The environment was accepted.");
}

function linesAbout(variable: string, message: string): string[] {
  return message.split("\n").filter((line) => line.includes(variable));
}

test("a key is all that has to be set", () => {
  expect(configOf({})).toEqual({
    apiKey: KEY,
    apiHost: "https://api.minimax.io",
    outputDirectory: undefined,
    callBudgetMs: 230_000,
    requestsPerMinute: 10,
    referenceDirectories: [],
    proxies: undefined,
  });
});

test("a setting that a client passes on as its placeholder is as good as none", () => {
  const unfilled = {
    MINIMAX_OUTPUT_DIR: "${user_config.output_directory}",
    MINIMAX_API_HOST: "${user_config.api_host}",
  };

  expect(configOf(unfilled)).toEqual(configOf({}));
  expect(refusalOf({ MINIMAX_API_KEY: "${user_config.api_key}" })).toContain("MINIMAX_API_KEY is required");
});

test("MINIMAX_API_KEY loses the white space around it", () => {
  expect(configOf({ MINIMAX_API_KEY: ` \t${KEY}\r\n` }).apiKey).toBe(KEY);
});

test("MINIMAX_API_KEY may hold every printable ASCII character", () => {
  const printable = Array.from({ length: 94 }, (_, offset) => String.fromCharCode(0x21 + offset)).join("");

  expect(configOf({ MINIMAX_API_KEY: printable }).apiKey).toBe(printable);
});

test.each([
  ["missing", {}],
  ["undefined", { MINIMAX_API_KEY: undefined }],
  ["empty", { MINIMAX_API_KEY: "" }],
  ["blank", { MINIMAX_API_KEY: " \t\r\n\u00a0" }],
])("MINIMAX_API_KEY that is %s is asked for, once, with the way to set it", (_state, environment) => {
  const message = refusalOf(environment);

  expect(linesAbout("MINIMAX_API_KEY", message)).toHaveLength(1);
  expect(message).toContain("env block");
  expect(message).toContain("https://platform.minimax.io");
});

test.each([
  ["a space", " "],
  ["a line break", "\n"],
  ["a carriage return", "\r"],
  ["a tab", "\t"],
  ["NUL", "\0"],
  ["DEL", "\x7f"],
  ["a no-break space", "\u00a0"],
  ["a typographic quotation mark", "\u201d"],
  ["a zero-width space", "\u200b"],
  ["an umlaut", "ü"],
  ["an emoji", "🔑"],
])("MINIMAX_API_KEY with %s in it cannot stand in a header and is refused unseen", (_name, character) => {
  const message = refusalOf({ MINIMAX_API_KEY: `sk-first${character}second` });

  expect(linesAbout("MINIMAX_API_KEY", message)).toHaveLength(1);
  expect(message).toContain("HTTP header");
  expect(message).not.toContain("sk-first");
  expect(message).not.toContain("second");
});

test("MINIMAX_API_KEY is either fit for a header or refused, whatever it holds", () => {
  const isKept = (key: string): boolean => {
    try {
      return configOf({ MINIMAX_API_KEY: key }).apiKey === key.trim();
    } catch {
      return false;
    }
  };
  const fits = (key: string): boolean =>
    key.trim() !== "" && Array.from(key.trim()).every((character) => character > " " && character < "\x7f");

  fc.assert(
    fc.property(anyText(), (key) => {
      expect(isKept(key)).toBe(fits(key));
    }),
    { numRuns: 150 },
  );
});

test.each([
  ["", "https://api.minimax.io"],
  ["  ", "https://api.minimax.io"],
  ["global", "https://api.minimax.io"],
  ["cn", "https://api.minimax.cn"],
  [" cn\n", "https://api.minimax.cn"],
  ["https://api.minimax.io", "https://api.minimax.io"],
  ["https://api.minimax.io/", "https://api.minimax.io"],
  ["https://api.minimaxi.com", "https://api.minimaxi.com"],
  ["HTTPS://API.MiniMax.IO", "https://api.minimax.io"],
  ["https://gateway.example:8443", "https://gateway.example:8443"],
  ["https://api.minimax.io:443", "https://api.minimax.io"],
  ["http://localhost:3000", "http://localhost:3000"],
  ["http://127.0.0.1:3000/", "http://127.0.0.1:3000"],
  ["http://127.8.9.1", "http://127.8.9.1"],
  ["http://[::1]:3000", "http://[::1]:3000"],
])("MINIMAX_API_HOST: %j means %s", (host, origin) => {
  expect(configOf({ MINIMAX_API_HOST: host }).apiHost).toBe(origin);
});

test.each([
  "http://api.minimax.io",
  "http://localhost.example:3000",
  "http://127.0.0.1.example",
  "http://10.0.0.1",
  "http://0.0.0.0:3000",
  "http://[::2]:3000",
  "ftp://localhost",
  "file:///etc/hosts",
  "api.minimax.io",
  "localhost:3000",
  "europe",
  "GLOBAL",
  "https://",
  "https://api.minimax.io/v1",
  "https://api.minimax.io/?region=eu",
  "https://api.minimax.io/#top",
  "https://ada@api.minimax.io",
  "https://:secret@api.minimax.io",
])("MINIMAX_API_HOST: %s is refused by name", (host) => {
  const message = refusalOf({ MINIMAX_API_KEY: KEY, MINIMAX_API_HOST: host });

  expect(linesAbout("MINIMAX_API_HOST", message)).toHaveLength(1);
  expect(message).toMatch(/global.*cn.*https/);
});

test("MINIMAX_API_HOST stays on one short line of the message, however it is written", () => {
  const message = refusalOf({ MINIMAX_API_KEY: KEY, MINIMAX_API_HOST: `a\n\x1b[31mb${"c".repeat(10_000)}` });

  expect(message.split("\n")).toHaveLength(2);
  expect(message).not.toContain("\x1b");
  expect(message.length).toBeLessThan(1000);
});

test.each([
  ["alone", KEY],
  ["before an @", `https://${KEY}@api.minimax.io`],
  ["in a query", `https://api.minimax.io/?key=${KEY}`],
])("MINIMAX_API_HOST that holds the key %s is refused without showing it", (_place, host) => {
  expect(refusalOf({ MINIMAX_API_KEY: KEY, MINIMAX_API_HOST: host })).not.toContain(KEY);
});

test("MINIMAX_API_HOST is a bare origin that is encrypted or on this machine, whatever was asked for", () => {
  const host = fc.oneof(
    fc.string(),
    fc.webUrl({ validSchemes: ["http", "https", "ws"], withQueryParameters: true }),
    fc.tuple(fc.constantFrom("http://", "https://", "//", ""), fc.ipV4()).map((parts) => parts.join("")),
  );

  fc.assert(
    fc.property(host, (text) => {
      try {
        expect(configOf({ MINIMAX_API_HOST: text }).apiHost).toMatch(
          /^(https:\/\/[^/?#@]+|http:\/\/(localhost|127(\.\d+){3}|\[::1\])(:\d+)?)$/,
        );
      } catch (error) {
        if (!(error instanceof ConfigurationError)) throw error;
      }
    }),
    { numRuns: 300 },
  );
});

const { workingDirectory, homeDirectory } = DIRECTORIES;

test.each([
  ["pictures", resolve(workingDirectory, "pictures")],
  ["./a/../b", resolve(workingDirectory, "b")],
  ["../shared", resolve(workingDirectory, "..", "shared")],
  [resolve("/srv/pictures"), resolve("/srv/pictures")],
  [` ${resolve("/srv/my pictures")}\n`, resolve("/srv/my pictures")],
  ["~", homeDirectory],
  ["~/Pictures", resolve(homeDirectory, "Pictures")],
  ["~/", homeDirectory],
  ["~bob", resolve(workingDirectory, "~bob")],
  ["a/~", resolve(workingDirectory, "a", "~")],
])("MINIMAX_OUTPUT_DIR: %j means %s", (directory, meant) => {
  expect(configOf({ MINIMAX_OUTPUT_DIR: directory }).outputDirectory).toBe(meant);
});

test.each(["", "  ", "\t\n"])("MINIMAX_OUTPUT_DIR: %j means that the server has to choose", (directory) => {
  expect(configOf({ MINIMAX_OUTPUT_DIR: directory }).outputDirectory).toBeUndefined();
});

test("MINIMAX_OUTPUT_DIR with a NUL character is refused by name", () => {
  const message = refusalOf({ MINIMAX_API_KEY: KEY, MINIMAX_OUTPUT_DIR: "pictures\0/../.." });

  expect(linesAbout("MINIMAX_OUTPUT_DIR", message)).toHaveLength(1);
  expect(message).not.toContain("\0");
});

const directoriesOf = (...parts: readonly string[]): readonly string[] =>
  configOf({ MINIMAX_REFERENCE_DIRS: parts.join(delimiter) }).referenceDirectories;

test("MINIMAX_REFERENCE_DIRS is a list, separated as in PATH", () => {
  expect(directoriesOf(resolve("/srv/faces"), resolve("/srv/more"))).toEqual([
    resolve("/srv/faces"),
    resolve("/srv/more"),
  ]);
});

test("MINIMAX_REFERENCE_DIRS takes relative directories and ~", () => {
  expect(directoriesOf("faces", "../shared", "~", "~/Pictures", "~bob")).toEqual([
    resolve(workingDirectory, "faces"),
    resolve(workingDirectory, "..", "shared"),
    homeDirectory,
    resolve(homeDirectory, "Pictures"),
    resolve(workingDirectory, "~bob"),
  ]);
});

test("MINIMAX_REFERENCE_DIRS loses empty parts, and the white space around the others", () => {
  expect(directoriesOf("", " faces\n", "  ", "")).toEqual([resolve(workingDirectory, "faces")]);
});

test.each(["", " ", delimiter])("MINIMAX_REFERENCE_DIRS as %j allows nothing more", (text) => {
  expect(directoriesOf(text)).toEqual([]);
});

const PROXY = "http://proxy.example:3128";

test("the proxies are read from HTTPS_PROXY, HTTP_PROXY and NO_PROXY", () => {
  expect(
    configOf({ HTTPS_PROXY: PROXY, HTTP_PROXY: "https://other.example", NO_PROXY: "localhost,.example" }).proxies,
  ).toEqual({ https: PROXY, http: "https://other.example", none: "localhost,.example" });
});

test("the proxies may be only one", () => {
  expect(configOf({ HTTPS_PROXY: PROXY }).proxies).toEqual({ https: PROXY, http: undefined, none: "" });
  expect(configOf({ HTTP_PROXY: PROXY }).proxies).toEqual({ https: undefined, http: PROXY, none: "" });
});

test.each([{ NO_PROXY: "*" }, { HTTPS_PROXY: "", HTTP_PROXY: " " }])(
  "the proxies are none with %j alone",
  (environment) => {
    expect(configOf(environment).proxies).toBeUndefined();
  },
);

test("the proxies are those in small letters where both are set", () => {
  const capitals = { HTTPS_PROXY: "http://a.example", HTTP_PROXY: "http://b.example", NO_PROXY: "c.example" };
  const small = { https_proxy: "http://x.example", http_proxy: "http://y.example", no_proxy: "z.example" };

  expect(configOf({ ...capitals, ...small }).proxies).toEqual({
    https: "http://x.example",
    http: "http://y.example",
    none: "z.example",
  });
});

test("the proxies are read in small letters alone", () => {
  expect(configOf({ https_proxy: PROXY }).proxies?.https).toBe(PROXY);
});

test.each([
  ["proxy.example:3128", PROXY],
  [" 127.0.0.1:8080 ", "http://127.0.0.1:8080"],
  ["ada:secret@proxy.example:3128", "http://ada:secret@proxy.example:3128"],
  ["HTTPS://proxy.example", "HTTPS://proxy.example"],
])("the proxies may be written %s, which means %s", (text, meant) => {
  expect(configOf({ HTTPS_PROXY: text }).proxies?.https).toBe(meant);
});

test.each([
  ["HTTPS_PROXY", "ftp://ada:secret@proxy.example"],
  ["HTTP_PROXY", "file:///secret"],
  ["https_proxy", "http://"],
  ["http_proxy", "http://secret secret"],
  ["HTTPS_PROXY", "proxy.example:secret"],
])("the proxies are refused by name and unseen: %s=%s", (name, text) => {
  const message = refusalOf({ MINIMAX_API_KEY: KEY, [name]: text });

  expect(message.split("\n")).toEqual([
    "The server cannot start:",
    `- ${name.toUpperCase()} must be the http:// or https:// URL of a proxy, with % in its user and password written as %25.`,
  ]);
  expect(message).not.toContain("secret");
});

test.each([
  ["HTTPS_PROXY", "$SECRET_PROXY", "is an unfilled placeholder: put the URL itself there"],
  ["https_proxy", "http://${secret}:3128", "is an unfilled placeholder: put the URL itself there"],
  ["HTTP_PROXY", "%SECRET%", "is an unfilled placeholder: put the URL itself there"],
  ["HTTP_PROXY", "<secret>", "is an unfilled placeholder: put the URL itself there"],
  ["http_proxy", '"http://secret.example:1"', "has quotation marks around it: leave them out"],
])("the proxies are refused where they can only be a mistake: %s=%s", (name, text, words) => {
  const message = refusalOf({ MINIMAX_API_KEY: KEY, [name]: text });

  expect(message.split("\n")).toEqual(["The server cannot start:", `- ${name.toUpperCase()} ${words}.`]);
  expect(message.toLowerCase()).not.toContain("secret");
});

test.each([
  { https_proxy: "${https_proxy}", HTTPS_PROXY: PROXY },
  { https_proxy: " ${env:X} ", HTTPS_PROXY: PROXY },
])("the proxies are not set by a setting that nobody filled in: %j", (environment) => {
  expect(configOf(environment).proxies?.https).toBe(PROXY);
});

test("every bad variable is named in one message, a line each", () => {
  const message = refusalOf({ MINIMAX_API_HOST: "http://example.com", MINIMAX_OUTPUT_DIR: "\0" });

  expect(message.split("\n")).toEqual([
    "The server cannot start:",
    expect.stringMatching(/^- MINIMAX_API_KEY .*\.$/),
    expect.stringMatching(/^- MINIMAX_OUTPUT_DIR .*\.$/),
    expect.stringMatching(/^- MINIMAX_API_HOST .*\.$/),
  ]);
});

test("variables of other programs do not matter", () => {
  expect(configOf({ PATH: "/bin", MINIMAX_MODEL: "\0", NODE_OPTIONS: "" })).toEqual(configOf({}));
});

describe.each([
  ["MINIMAX_TIMEOUT_MS", 1000, 300_000],
  ["MINIMAX_RPM", 0, 10_000],
] as const)("%s", (name, minimum, maximum) => {
  const valueOf = (text: string): number => {
    const config = configOf({ [name]: text });
    return name === "MINIMAX_RPM" ? config.requestsPerMinute : config.callBudgetMs;
  };

  test.each([minimum, maximum])("may be %i", (value) => {
    expect(valueOf(` ${value} `)).toBe(value);
  });

  test("is the default when it is empty", () => {
    expect(valueOf("")).toBe(valueOf(name === "MINIMAX_RPM" ? "10" : "230000"));
  });

  test.each([String(minimum - 1), String(maximum + 1), "1e3", "5.5", "ten", "0x10", "9".repeat(30)])(
    "is refused as %s",
    (text) => {
      expect(() => valueOf(text)).toThrow(`${name} must be a whole number from ${minimum} to ${maximum}`);
    },
  );
});

const directories = { workingDirectory: "/work-dir", homeDirectory: "/home-dir" };

test.each([
  ["MINIMAX_API_KEY", '"sk-secret"'],
  ["MINIMAX_API_KEY", "$MINIMAX_API_KEY"],
  ["MINIMAX_API_KEY", "your-key"],
  ["MINIMAX_OUTPUT_DIR", "${HOME}/images"],
  ["MINIMAX_OUTPUT_DIR", '"/tmp/images"'],
  ["MINIMAX_OUTPUT_DIR", "file:///tmp/images"],
  ["MINIMAX_REFERENCE_DIRS", "<faces>"],
  ["MINIMAX_REFERENCE_DIRS", "file:///tmp/faces"],
])("a value that can only be a mistake in %s is refused by the variable's name: %s", (name, value) => {
  const environment = { MINIMAX_API_KEY: "sk-test", [name]: value };

  expect(() => parseConfig(environment, directories)).toThrow(new RegExp(`- ${name} (?:has|contains|is) `));
});

test("a variable that is nothing but an unfilled setting counts as not set", () => {
  const environment = { MINIMAX_API_KEY: "sk-test", MINIMAX_OUTPUT_DIR: " ${user_config.dir} " };

  expect(parseConfig(environment, directories).outputDirectory).toBeUndefined();
});
