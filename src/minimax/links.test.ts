import { expect, test } from "vitest";
import { ImageError } from "../errors.ts";
import { redirectTarget, secureLink } from "./links.ts";

const SIGNED =
  "/image_inference_output%2Ftalkie%2Fprod%2Fa_aigc.jpeg?Expires=1&OSSAccessKeyId=LTAI&Signature=a%2Bb%2Fc%3D";
const HTTPS = new URL("https://images.example.com/a/b.jpeg?x=1");
const LOCAL = new URL("http://127.0.0.1:8080/a/b.jpeg");

test.each([
  ["that is https stays as it is", `https://oss.example.com${SIGNED}`, `https://oss.example.com${SIGNED}`],
  ["that is http is upgraded", `http://oss.example.com:8080${SIGNED}`, `https://oss.example.com:8080${SIGNED}`],
  ["on this machine stays http", `http://127.0.0.1:8080${SIGNED}`, `http://127.0.0.1:8080${SIGNED}`],
])("a link from MiniMax: %s", (_what, link, expected) => {
  expect(secureLink(link, true)?.href).toBe(expected);
});

test.each([
  "ftp://oss.example.com/a.jpeg",
  "ftp://127.0.0.1/a.jpeg",
  "data:image/jpeg;base64,/9j/",
  "/a/b.jpeg",
  "https://user@example.com/a",
  "https://:password@example.com/a",
])("a link from MiniMax is not used when it is %j", (link) => {
  expect(secureLink(link, true)).toBeUndefined();
});

test.each(["http://127.0.0.1:8080/a", "https://localhost/a"])("a link to this machine is not used: %s", (link) => {
  expect(secureLink(link, false)).toBeUndefined();
});

test.each([
  ["to another path", HTTPS, "/c.jpeg", "https://images.example.com/c.jpeg"],
  ["to a neighbour", HTTPS, "c.jpeg?y=2", "https://images.example.com/a/c.jpeg?y=2"],
  ["to another host of the same protocol", HTTPS, "//cdn.example.org/c", "https://cdn.example.org/c"],
  ["from this machine to https", LOCAL, "https://cdn.example.org/c", "https://cdn.example.org/c"],
  ["from this machine to itself", LOCAL, "http://localhost:9090/c", "http://localhost:9090/c"],
])("a redirect: %s is followed", (_where, from, location, expected) => {
  expect(redirectTarget(from, location, true).href).toBe(expected);
});

test.each([
  ["to plain http", HTTPS, "http://images.example.com/c.jpeg", "away from https"],
  ["from https to http on this machine", HTTPS, "http://127.0.0.1/c.jpeg", "away from https"],
  ["from this machine to plain http elsewhere", LOCAL, "http://images.example.com/c", "away from https"],
  ["to a file", HTTPS, "file:///etc/passwd", "away from https"],
  ["to something that is no URL", HTTPS, "https://", "to something that is no URL"],
  ["to credentials", HTTPS, "https://user:password@example.com/c", "to a link with credentials"],
  ["from elsewhere to this machine", HTTPS, "https://127.0.0.1/a", "to this machine"],
])("a redirect: %s is refused, and is not retried", (_where, from, location, words) => {
  const error = errorOf(() => redirectTarget(from, location, from === LOCAL));

  expect(error).toBeInstanceOf(ImageError);
  expect(error).toMatchObject({ message: `The image could not be downloaded: it redirects ${words}.` });
  expect(error).not.toHaveProperty("details.retryAfterMs");
});

function errorOf(operation: () => unknown): unknown {
  try {
    return operation();
  } catch (error) {
    return error;
  }
}
