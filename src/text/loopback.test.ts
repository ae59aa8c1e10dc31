import { expect, test } from "vitest";
import { isLoopback } from "./loopback.ts";

test.each([
  ["http://LOCALHOST.:8080/path", true],
  ["http://api.localhost", true],
  ["http://127.255.255.254", true],
  ["http://0x7f000001", true],
  ["http://0.0.0.0", true],
  ["http://[::]", true],
  ["http://[0:0:0:0:0:0:0:1]:3000", true],
  ["http://[::ffff:127.0.0.1]", true],
  ["http://[::ffff:0.0.0.0]", true],
  ["http://localhost.example.com", false],
  ["http://127.0.0.1.example.com", false],
  ["http://notlocalhost", false],
  ["http://127.0.0.1@example.com", false],
  ["http://128.0.0.1", false],
  ["http://10.0.0.1", false],
  ["http://169.254.169.254", false],
  ["http://[::2]", false],
  ["http://[::ffff:8.8.8.8]", false],
])("%s leads to this machine: %s", (url, isThisMachine) => {
  expect(isLoopback(new URL(url).hostname)).toBe(isThisMachine);
});

test.each(["", "[]", "127.0.0.1:80", "127.0.0", " localhost"])("%j is no host name of this machine", (hostname) => {
  expect(isLoopback(hostname)).toBe(false);
});
