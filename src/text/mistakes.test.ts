import { posix, win32 } from "node:path";
import { expect, test } from "vitest";
import { mistakeInKey, mistakeInPath, mistakeInProxy } from "./mistakes.ts";

test.each(["images", "/home/me/images", "~/images", "a$b", "100%", "it's", "/home/a\\ b", "your-brand/hero"])(
  "the path %s is accepted on Linux and macOS",
  (text) => {
    expect(mistakeInPath(text, posix)).toBeUndefined();
  },
);

test.each(["C:\\Users\\me", "images\\hero", "D:/x", "\\\\nas\\share", "/Users/me", "\\images"])(
  "the path %s is accepted on Windows",
  (text) => {
    expect(mistakeInPath(text, win32)).toBeUndefined();
  },
);

test.each([
  ["C:\\Users\\me", posix, "is a Windows path"],
  ["\\\\nas\\share", posix, "is a Windows path"],
  ["/home/me/x", win32, "is a path of another system"],
  ["/mnt/c/x", win32, "is a path of another system"],
  ["/c/Users", win32, "is a path of another system"],
  ["file:///tmp/x", posix, "is a file: URL"],
  ["${userHome}", posix, "placeholder"],
  ["{{home}}/x", posix, "placeholder"],
  ["{env:HOME}", posix, "placeholder"],
  ["<faces>", posix, "placeholder"],
  ["$HOME/x", posix, "placeholder"],
  ["%USERPROFILE%\\x", win32, "placeholder"],
  ["“x”", posix, "quotation marks"],
])("the path %s is a mistake", (text, path, words) => {
  expect(mistakeInPath(text, path)).toContain(words);
});

test.each(["sk-api-0123", "eyJhbGciOi.x.y_z-1", "a$b"])("the key %s is accepted", (key) => {
  expect(mistakeInKey(key)).toBeUndefined();
});

test.each(["$MINIMAX_API_KEY", "%MINIMAX_API_KEY%", "<your-key>", "your-key", "sk-your-key", "YOUR_API_KEY", '"sk-a"'])(
  "the key %s is a mistake that is not repeated",
  (key) => {
    expect(mistakeInKey(key)).toMatch(/placeholder|quotation marks/);
    expect(mistakeInKey(key)).not.toContain(key);
  },
);

test.each(["http://proxy:3128", "http://ada:pa$s%24@proxy", "proxy.example", "http://$ada@proxy", "http://[::1]:1"])(
  "the proxy %s is accepted",
  (proxy) => {
    expect(mistakeInProxy(proxy)).toBeUndefined();
  },
);

test.each(["$PROXY", "http://$PROXY", "https://${proxy}/", "http://%PROXY%:1", "<proxy>", "{{proxy}}", "'http://a'"])(
  "the proxy %s is a mistake that is not repeated",
  (proxy) => {
    expect(mistakeInProxy(proxy)).toMatch(/placeholder|quotation marks/);
    expect(mistakeInProxy(proxy)).not.toContain(proxy);
  },
);
