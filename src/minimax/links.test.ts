import { expect, test } from "vitest";
import { ImageError } from "../errors.ts";
import { redirectTarget, secureLink } from "./links.ts";

const SIGNED =
  "/image_inference_output%2Ftalkie%2Fprod%2Fa_aigc.jpeg?Expires=1&OSSAccessKeyId=LTAI&Signature=a%2Bb%2Fc%3D";
const HTTPS = new URL("https://images.example.com/a/b.jpeg?x=1");
const LOCAL = new URL("http://127.0.0.1:8080/a/b.jpeg");

test.each([
  ["that is https stays as it is", `https://oss.example.com${SIGNED}`, `https://oss.example.com${SIGNED}`],
  ["that is http is upgraded", `http://oss.example.com${SIGNED}`, `https://oss.example.com${SIGNED}`],
  ["keeps its port", "http://oss.example.com:8080/a", "https://oss.example.com:8080/a"],
  ["on this machine stays http", `http://127.0.0.1:8080${SIGNED}`, `http://127.0.0.1:8080${SIGNED}`],
  ["on this machine by name stays http", "http://localhost:8080/a", "http://localhost:8080/a"],
  ["on this machine by IPv6 stays http", "http://[::1]:8080/a", "http://[::1]:8080/a"],
  ["that only looks local is upgraded", "http://localhost.example.com/a", "https://localhost.example.com/a"],
  [
    "keeps encoded slashes and signs in its path and query",
    "http://e.com/a%2Fb?c=%2B%20+d",
    "https://e.com/a%2Fb?c=%2B%20+d",
  ],
])("a link from MiniMax: %s", (_what, link, expected) => {
  expect(secureLink(link, true)?.href).toBe(expected);
});

test.each([
  "ftp://oss.example.com/a.jpeg",
  "ftp://127.0.0.1/a.jpeg",
  "file:///etc/passwd",
  "data:image/jpeg;base64,/9j/",
  "javascript:alert(1)",
  "ws://127.0.0.1/",
  "/a/b.jpeg",
  "not a link",
  "https://user:password@example.com/a",
  "http://",
  "",
])("a link from MiniMax is not used when it is %j", (link) => {
  expect(secureLink(link, true)).toBeUndefined();
});

test.each(["http://127.0.0.1:8080/a", "https://localhost/a", "http://[::1]/a", "http://127.9.9.9/a"])(
  "a link to this machine from elsewhere is not used: %s",
  (link) => {
    expect(secureLink(link, false)).toBeUndefined();
  },
);

test("a redirect to this machine from elsewhere is not followed", () => {
  expect(() => redirectTarget(HTTPS, "https://127.0.0.1/a", false)).toThrow("to this machine");
});

test.each([
  ["to another https host", HTTPS, "https://cdn.example.org/c.jpeg?y=2", "https://cdn.example.org/c.jpeg?y=2"],
  ["to another path", HTTPS, "/c.jpeg", "https://images.example.com/c.jpeg"],
  ["to a neighbour", HTTPS, "c.jpeg?y=2", "https://images.example.com/a/c.jpeg?y=2"],
  ["to another query", HTTPS, "?y=2", "https://images.example.com/a/b.jpeg?y=2"],
  ["to another host of the same protocol", HTTPS, "//cdn.example.org/c", "https://cdn.example.org/c"],
  ["to itself", HTTPS, "", HTTPS.href],
  ["from this machine to https", LOCAL, "https://cdn.example.org/c", "https://cdn.example.org/c"],
  ["from this machine to itself", LOCAL, "http://localhost:9090/c", "http://localhost:9090/c"],
  ["within this machine", LOCAL, "../c.jpeg", "http://127.0.0.1:8080/c.jpeg"],
])("a redirect: %s is followed", (_where, from, location, expected) => {
  expect(redirectTarget(from, location, true).href).toBe(expected);
});

test.each([
  ["to plain http", HTTPS, "http://images.example.com/c.jpeg", "away from https"],
  ["from https to this machine", HTTPS, "http://127.0.0.1/c.jpeg", "away from https"],
  ["from this machine to plain http elsewhere", LOCAL, "http://images.example.com/c", "away from https"],
  ["to a file", HTTPS, "file:///etc/passwd", "away from https"],
  ["to data", HTTPS, "data:image/jpeg;base64,/9j/", "away from https"],
  ["to another protocol", HTTPS, "ftp://images.example.com/c.jpeg", "away from https"],
  ["to something that is no URL", HTTPS, "https://", "something that is no URL"],
  ["to credentials", HTTPS, "https://user:password@example.com/c", "to a link with credentials"],
  ["to a port that is none", HTTPS, "https://e.com:99999/", "something that is no URL"],
])("a redirect: %s is refused, and is not retried", (_where, from, location, words) => {
  const follow = (): URL => redirectTarget(from, location, true);

  expect(follow).toThrow(ImageError);
  expect(follow).toThrow(`The image could not be downloaded: it redirects`);
  expect(follow).toThrow(words);
  expect(factsOf(follow)).toEqual({});
});

function factsOf(operation: () => unknown): unknown {
  try {
    return operation();
  } catch (error) {
    return error instanceof ImageError ? error.details : error;
  }
}
