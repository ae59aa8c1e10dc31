import { expect, test } from "vitest";
import { clearTextNotice, isProxyUrl, redactProxy } from "./proxy.ts";

test("a proxy is shown without the user and the password", () => {
  expect(redactProxy({ https: "http://ada:secret@proxy.example:3128", http: undefined, none: "" })).toBe(
    "http://proxy.example:3128/",
  );
});

test("a proxy is shown as the one for https where both are set", () => {
  expect(redactProxy({ https: "https://a.example", http: "http://b.example", none: "" })).toBe("https://a.example/");
});

test("a proxy is shown as the one for http where it is the only one", () => {
  expect(redactProxy({ https: undefined, http: "http://:secret@b.example", none: "" })).toBe("http://b.example/");
});

test("a proxy is shown not at all where none is set", () => {
  expect(redactProxy({ https: undefined, http: undefined, none: "*" })).toBeUndefined();
});

test.each([
  ["http://127.0.0.1:3000", "", true],
  ["http://127.0.0.1:3000", "example.com", true],
  ["http://127.0.0.1:3000", "127.0.0.1:80", true],
  ["http://127.0.0.1:3000", "127.0.0.1", false],
  ["http://127.0.0.1:3000", "127.0.0.1:3000", false],
  ["http://localhost", "other, localhost:80", false],
  ["http://localhost:3000", "*", false],
  ["https://api.minimax.io", "", false],
])("a key that goes through HTTP_PROXY in the clear to %s, with NO_PROXY=%j, is warned of: %s", (apiHost, none, is) => {
  const notice = clearTextNotice({ apiHost, proxies: { https: undefined, http: "http://a:secret@p.example", none } });

  expect(notice !== undefined).toBe(is);
  expect(notice ?? "").not.toContain("secret");
});

test("without a proxy for http nothing is warned of", () => {
  expect(clearTextNotice({ apiHost: "http://localhost", proxies: undefined })).toBeUndefined();
});

test.each([
  ["http://proxy.example:3128", true],
  ["https://ada:s%25cret@proxy.example", true],
  ["http://ada:%zz@proxy.example", false],
  ["ftp://proxy.example", false],
  ["http://proxy.example:99999", false],
])("%s is the URL of a proxy: %s", (text, is) => {
  expect(isProxyUrl(text)).toBe(is);
});
