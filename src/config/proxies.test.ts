import { expect, test } from "vitest";
import { ConfigurationError } from "../errors.ts";
import { parseConfig } from "./config.ts";
import { type Proxies, redactProxy } from "./proxies.ts";

const PROXY = "http://proxy.example:3128";
const PROXY_RULE =
  "must be the http:// or https:// URL of a proxy without a path, with % in its user and password written as %25";
const SOCKS_RULE = "names a SOCKS proxy, which is not supported: give the http:// or https:// URL of a proxy";

function proxiesOf(environment: NodeJS.ProcessEnv): Proxies | undefined {
  const directories = { workingDirectory: undefined, homeDirectory: undefined };
  return parseConfig({ MINIMAX_API_KEY: "sk-api-0123456789abcdef", ...environment }, directories).proxies;
}

test.each([
  [{ HTTPS_PROXY: PROXY }, { https: PROXY, http: undefined, none: "" }],
  [{ HTTP_PROXY: PROXY }, { https: undefined, http: PROXY, none: "" }],
  [
    { HTTPS_PROXY: PROXY, HTTP_PROXY: "https://b.example", NO_PROXY: "localhost,.example" },
    { https: PROXY, http: "https://b.example", none: "localhost,.example" },
  ],
  [{ NO_PROXY: "*" }, undefined],
])("the proxies of %j", (environment, proxies) => {
  expect(proxiesOf(environment)).toEqual(proxies);
});

const SPELLINGS = [
  ["HTTPS_PROXY", "https_proxy", "https"],
  ["HTTP_PROXY", "http_proxy", "http"],
  ["NO_PROXY", "no_proxy", "none"],
] as const;

test.each(SPELLINGS)("%s yields to %s, unless that is blank", (upper, lower, field) => {
  const others = { HTTPS_PROXY: PROXY, HTTP_PROXY: PROXY };
  const proxyFor = (upperValue: string, lowerValue: string): string | undefined =>
    proxiesOf({ ...others, [upper]: upperValue, [lower]: lowerValue })?.[field];

  expect(proxyFor("http://a.example", "http://b.example")).toBe("http://b.example");
  expect(proxyFor("http://a.example", "${proxy}")).toBe("http://a.example");
  expect(proxyFor(" ", "http://b.example")).toBe("http://b.example");
});

test.each([
  ["proxy.example:3128", PROXY],
  [" 127.0.0.1:8080 ", "http://127.0.0.1:8080"],
  ["ada:secret@proxy.example:3128", "http://ada:secret@proxy.example:3128"],
  ["https://ada:s%25cret@proxy.example", "https://ada:s%25cret@proxy.example"],
  ["HTTPS://socks.example", "HTTPS://socks.example"],
  ["http://http:secret@proxy.example", "http://http:secret@proxy.example"],
])("the proxy %s is %s", (text, url) => {
  expect(proxiesOf({ HTTPS_PROXY: text })?.https).toBe(url);
});

test.each([
  ["HTTPS_PROXY", "ftp://ada:secret@proxy.example", PROXY_RULE],
  ["https_proxy", "http://", PROXY_RULE],
  ["HTTPS_PROXY", "http://secret:%zz@proxy.example", PROXY_RULE],
  ["HTTPS_PROXY", "http:/ada:secret@proxy.example:3128", PROXY_RULE],
  ["HTTP_PROXY", "HTTP:ada:secret@proxy.example", PROXY_RULE],
  ["HTTP_PROXY", "http//ada:secret@proxy.example", PROXY_RULE],
  ["HTTP_PROXY", "http://ada:secret@proxy.example/path", PROXY_RULE],
  ["HTTP_PROXY", "http://ada:secret@proxy.example?path", PROXY_RULE],
  ["HTTP_PROXY", "http://ada:secret@proxy.example#path", PROXY_RULE],
  ["HTTPS_PROXY", "socks5://secret.example:1080", SOCKS_RULE],
  ["http_proxy", "$SECRET_PROXY", "is an unfilled placeholder: put the URL itself there"],
])("%s=%s is refused and not repeated", (name, text, problem) => {
  const message = `The server cannot start:\n- ${name.toUpperCase()} ${problem}.`;

  expect(() => proxiesOf({ [name]: text })).toThrow(new ConfigurationError(message));
});

test.each([
  ["http://ada:secret@proxy.example:3128", undefined, "http://proxy.example:3128/"],
  ["https://a.example", "http://b.example", "https://a.example/"],
  [undefined, "http://:secret@b.example", "http://b.example/"],
  [undefined, undefined, undefined],
])("a proxy is shown without user and password (case %#)", (https, http, shown) => {
  expect(redactProxy({ https, http, none: "*" })).toBe(shown);
});
