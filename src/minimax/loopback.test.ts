import { expect, test } from "vitest";
import { isLoopback } from "./loopback.ts";

function isLoopbackUrl(url: string): boolean {
  return isLoopback(new URL(url).hostname);
}

test.each([
  "http://localhost",
  "http://LOCALHOST:8080/path",
  "http://127.0.0.1:3000",
  "http://127.0.0.0",
  "http://127.255.255.254",
  "http://127.1",
  "http://0x7f000001",
  "http://2130706433",
  "http://[::1]:3000",
  "http://[0:0:0:0:0:0:0:1]",
  "http://user:password@127.0.0.1",
])("isLoopback: %s is this machine", (url) => {
  expect(isLoopbackUrl(url)).toBe(true);
});

test("isLoopback: an IPv6 address is understood with and without brackets", () => {
  expect(isLoopback("[::1]")).toBe(true);
  expect(isLoopback("::1")).toBe(true);
});

test.each([
  "http://example.com",
  "http://localhost.example.com",
  "http://127.0.0.1.example.com",
  "http://notlocalhost",
  "http://localhost@example.com",
  "http://127.0.0.1@example.com",
  "http://example.com/localhost",
  "http://example.com#127.0.0.1",
  "http://126.255.255.255",
  "http://128.0.0.1",
  "http://0.0.0.0",
  "http://10.0.0.1",
  "http://192.168.1.1",
  "http://169.254.169.254",
  "http://[::]",
  "http://[::2]",
  "http://[fe80::1]",
  "http://[::ffff:8.8.8.8]",
  "http://l\u043ecalhost",
])("isLoopback: %s is another machine", (url) => {
  expect(isLoopbackUrl(url)).toBe(false);
});

test.each(["", "[]", "127.0.0.1:80", "127.0.0", " localhost"])(
  "isLoopback: %j is no host name of this machine",
  (hostname) => {
    expect(isLoopback(hostname)).toBe(false);
  },
);
