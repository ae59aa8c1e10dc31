import { posix, win32 } from "node:path";
import { expect, test } from "vitest";
import { mistakeInForm, mistakeInKey, mistakeInPath, mistakeInProxy, placeholdersIn } from "./mistakes.ts";

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
  ["$(pwd)/img", posix, "shell substitution"],
  ["img/`date`", posix, "shell substitution"],
  ["https://e.test/img", posix, "is a URL"],
  ["s3://b/img", win32, "is a URL"],
  ["C:\new\test", win32, "control characters: in JSON, write each backslash twice"],
  ["D:\\images", posix, "is a Windows path"],
  ["a\0b", posix, "control characters"],
  ["images\\hero", posix, "is a Windows path"],
])("the path %s is a mistake", (text, path, words) => {
  expect(mistakeInPath(text, path)).toContain(words);
});

test.each([
  "app/routes/$postId",
  "{{cookiecutter.slug}}/img",
  "templates/<name>",
  "public/My\\ Pictures",
  "My\\ Pictures",
  "a:b/c",
  "100%",
])("the form of %s is a path's", (text) => {
  expect(mistakeInForm(text, posix)).toBeUndefined();
});

test.each([
  ["app/routes/$postId/img", ["app/routes/$postId"]],
  ["/srv/{{a}}/<b>/c", ["/srv/{{a}}", "/srv/{{a}}/<b>"]],
  ["C:\\x\\%NAME%", ["C:\\x\\%NAME%"]],
  ["${HOME}", ["${HOME}"]],
  ["a$b/$1/100%/{a}/US$", []],
])("%s is a placeholder up to %j", (text, parts) => {
  expect(placeholdersIn(text)).toEqual(parts);
});

test.each([
  "sk-api-0123",
  "eyJhbGciOi.x.y_z-1",
  "a$b",
  `sk-api-my_${"Q7d".repeat(30)}`,
  `your-${"Q7d".repeat(30)}`,
  `sk-xxx${"Q7d".repeat(30)}`,
  "nullable-0123",
  "sk-api-undefined0123",
])("the key %s is accepted", (key) => {
  expect(mistakeInKey(key)).toBeUndefined();
});

test.each([
  "$MINIMAX_API_KEY",
  "%MINIMAX_API_KEY%",
  "<your-key>",
  "your-key",
  "sk-your-key",
  "YOUR_API_KEY",
  '"sk-a"',
  "sk-xxxxxxxx",
  `sk-api-${"X".repeat(60)}`,
  "None",
  "NULL",
  "sk-api-xxxxxxxx",
  "sk-...",
  "sk-****",
  "...",
  "MINIMAX_API_KEY=sk-a",
  "null",
  "undefined",
  "sk-your-key",
  "my_key",
  "insert-key-here",
  "${KEY}",
  "{env:KEY}",
])("the key %s is a mistake that is not repeated", (key) => {
  expect(mistakeInKey(key)).toMatch(/placeholder|quotation marks/);
  expect(mistakeInKey(key)).not.toContain(key);
});

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
