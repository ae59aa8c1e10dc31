import { expect, test } from "vitest";
import { parseConfig } from "./config.ts";
import { type Proxies, redactProxy } from "./proxies.ts";

const PROXY = "http://proxy.example:3128";
const PROXY_RULE =
  "must be the http:// or https:// URL of a proxy without a path, with % in its user and password written as %25";
const PLACEHOLDER = "is an unfilled placeholder: put the URL itself there";

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

test.each(SPELLINGS)("%s yields to %s when both are set", (upper, lower, field) => {
  const others = { HTTPS_PROXY: PROXY, HTTP_PROXY: PROXY };

  expect(proxiesOf({ ...others, [upper]: "http://a.example", [lower]: "http://b.example" })?.[field]).toBe(
    "http://b.example",
  );
});

test.each(SPELLINGS)("a blank %s or %s does not hide the other", (upper, lower, field) => {
  const others = { HTTPS_PROXY: PROXY, HTTP_PROXY: PROXY };

  for (const blank of ["", "  ", "${proxy}", undefined]) {
    for (const [filled, other] of [
      [upper, lower],
      [lower, upper],
    ]) {
      const environment = { ...others, [String(other)]: blank, [String(filled)]: "http://a.example" };
      expect(proxiesOf(environment)?.[field]).toBe("http://a.example");
    }
  }
});

test("blank proxies in both spellings are none", () => {
  expect(proxiesOf({ https_proxy: "", HTTPS_PROXY: "", http_proxy: " ", HTTP_PROXY: " " })).toBeUndefined();
});

test.each([
  ["proxy.example:3128", PROXY],
  [" 127.0.0.1:8080 ", "http://127.0.0.1:8080"],
  ["ada:secret@proxy.example:3128", "http://ada:secret@proxy.example:3128"],
  ["https://ada:s%25cret@proxy.example", "https://ada:s%25cret@proxy.example"],
  ["HTTPS://proxy.example", "HTTPS://proxy.example"],
])("the proxy %s is %s", (text, url) => {
  expect(proxiesOf({ HTTPS_PROXY: text })?.https).toBe(url);
});

test.each([
  ["HTTPS_PROXY", "ftp://ada:secret@proxy.example", PROXY_RULE],
  ["HTTP_PROXY", "file:///secret", PROXY_RULE],
  ["https_proxy", "http://", PROXY_RULE],
  ["http_proxy", "http://secret secret", PROXY_RULE],
  ["HTTPS_PROXY", "proxy.example:secret", PROXY_RULE],
  ["HTTPS_PROXY", "http://proxy.example:99999", PROXY_RULE],
  ["HTTPS_PROXY", "http://secret:%zz@proxy.example", PROXY_RULE],
  ["HTTPS_PROXY", "http:/ada:secret@proxy.example:3128", PROXY_RULE],
  ["HTTPS_PROXY", "http:ada:secret@proxy.example", PROXY_RULE],
  ["HTTP_PROXY", "HTTPS:ada:secret@proxy.example", PROXY_RULE],
  ["HTTP_PROXY", "http//ada:secret@proxy.example", PROXY_RULE],
  ["https_proxy", "http:\\\\ada:secret@proxy.example", PROXY_RULE],
  ["http_proxy", "http;//ada:secret@proxy.example", PROXY_RULE],
  ["HTTPS_PROXY", "htp://ada:secret@proxy.example", PROXY_RULE],
  ["HTTP_PROXY", "http://ada:secret@proxy.example/path", PROXY_RULE],
  ["HTTPS_PROXY", "socks5://secret.example:1080", expect.stringContaining("names a SOCKS proxy")],
  ["HTTPS_PROXY", "$SECRET_PROXY", PLACEHOLDER],
  ["https_proxy", "http://${secret}:3128", PLACEHOLDER],
  ["HTTP_PROXY", "%SECRET%", PLACEHOLDER],
  ["http_proxy", '"http://secret.example:1"', "has quotation marks around it: leave them out"],
])("%s=%s is refused and not repeated", (name, text, problem: unknown) => {
  const start = `The server cannot start:\n- ${name.toUpperCase()} `;
  try {
    proxiesOf({ [name]: text });
    expect.unreachable();
  } catch (error) {
    const { message } = error instanceof Error ? error : new Error();
    expect(message.startsWith(start)).toBe(true);
    expect(message.slice(start.length, -1)).toEqual(problem);
    expect(message.toLowerCase()).not.toContain("secret");
  }
});

test.each([
  ["http://ada:secret@proxy.example:3128", undefined, "http://proxy.example:3128/"],
  ["https://a.example", "http://b.example", "https://a.example/"],
  [undefined, "http://:secret@b.example", "http://b.example/"],
  [undefined, undefined, undefined],
])("a proxy is shown without user and password (case %#)", (https, http, shown) => {
  expect(redactProxy({ https, http, none: "*" })).toBe(shown);
});
