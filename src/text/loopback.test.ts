import { expect, test } from "vitest";
import { isLoopback } from "./loopback.ts";

test.each([
  ["http://localhost", true],
  ["http://LOCALHOST.:8080/path", true],
  ["http://api.localhost", true],
  ["http://127.0.0.1:3000", true],
  ["http://127.255.255.254", true],
  ["http://127.1", true],
  ["http://0x7f000001", true],
  ["http://2130706433", true],
  ["http://0.0.0.0", true],
  ["http://[::]", true],
  ["http://[::1]:3000", true],
  ["http://[0:0:0:0:0:0:0:1]", true],
  ["http://[::ffff:127.0.0.1]", true],
  ["http://[::ffff:0.0.0.0]", true],
  ["http://user:password@127.0.0.1", true],
  ["http://example.com", false],
  ["http://localhost.example.com", false],
  ["http://127.0.0.1.example.com", false],
  ["http://notlocalhost", false],
  ["http://localhost@example.com", false],
  ["http://127.0.0.1@example.com", false],
  ["http://example.com/localhost", false],
  ["http://example.com#127.0.0.1", false],
  ["http://126.255.255.255", false],
  ["http://128.0.0.1", false],
  ["http://10.0.0.1", false],
  ["http://169.254.169.254", false],
  ["http://[::2]", false],
  ["http://[fe80::1]", false],
  ["http://[::ffff:8.8.8.8]", false],
  ["http://l\u043ecalhost", false],
])("%s leads to this machine: %s", (url, isThisMachine) => {
  expect(isLoopback(new URL(url).hostname)).toBe(isThisMachine);
});

test.each(["", "[]", "127.0.0.1:80", "127.0.0", " localhost"])("%j is no host name of this machine", (hostname) => {
  expect(isLoopback(hostname)).toBe(false);
});
