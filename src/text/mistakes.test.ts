import { posix, win32 } from "node:path";
import { expect, test } from "vitest";
import { mistakeInForm, mistakeInKey, mistakeInPath, mistakeInProxy, placeholdersIn } from "./mistakes.ts";

test.each(["~/images", "a$b", "100%", "it's", "/srv/a\\b", "a/file:b", "a/bc://d", '"a" b'])(
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
  ["/Volumes/x", win32, "is a path of another system"],
  ["/var/www", win32, "is a path of another system"],
  ["/c", win32, "is a path of another system"],
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
  ["C:\new\test", win32, "control characters: in JSON, write each backslash twice"],
  ["C:\bilder", win32, "control characters"],
  ["a\0b", posix, "control characters"],
  ["images\\hero", posix, "is a Windows path"],
  ["D:", posix, "is a Windows path"],
  ["D:/images", posix, "is a Windows path"],
  ["\\images", posix, "is a Windows path"],
])("the path %s is a mistake", (text, path, words) => {
  expect(mistakeInPath(text, path)).toContain(words);
});

test.each(["app/routes/$postId", "templates/<name>", "My\\ Pictures", "a:b/c"])(
  "the form of %s is a path's",
  (text) => {
    expect(mistakeInForm(text, posix)).toBeUndefined();
  },
);

test.each([
  ["app/routes/$postId/img", ["app/routes/$postId"]],
  ["/srv/{{a}}/<b>/c", ["/srv/{{a}}", "/srv/{{a}}/<b>"]],
  ["C:\\x\\%NAME%", ["C:\\x\\%NAME%"]],
  ["${HOME}", ["${HOME}"]],
  ["a$b/$1/100%/{a}/US$/$A-b/x%A%/%A%x", []],
])("%s is a placeholder up to %j", (text, parts) => {
  expect(placeholdersIn(text)).toEqual(parts);
});

const GOOD_KEYS = [
  "eyJ.x.y_z-1",
  "$KEY-1",
  "x%KEY%",
  "nullable",
  "sk-undefined0",
  "Qyour-1",
  "sk-x1",
  "sk-*1",
  "sk-.1",
];
const UNFILLED_KEYS = ["$KEY", "%KEY%", "<your-key>", "None", "undefined", "${KEY}", "{env:KEY}", "MINIMAX_API_KEY=a"];
const SAMPLE_KEYS = [
  "sk-your-key",
  "YOUR_API_KEY",
  "insert-key",
  "replace-me",
  "paste_key",
  "enter-key",
  "sk-api-xxxxxxxx",
  "sk-...",
  "sk-****",
];

test.each([...GOOD_KEYS, `sk-api-my_${"Q7d".repeat(11)}`])("the key %s is accepted", (key) => {
  expect(mistakeInKey(key)).toBeUndefined();
});

test.each([...UNFILLED_KEYS, ...SAMPLE_KEYS, '"sk-a"', `sk-api-${"X".repeat(60)}`, `my_${"x".repeat(37)}`])(
  "the key %s is a mistake that is not repeated",
  (key) => {
    expect(mistakeInKey(key)).toMatch(/placeholder|quotation marks/);
    expect(mistakeInKey(key)).not.toContain(key);
  },
);

test.each(["http://proxy:3128", "http://ada:pa$s%24@proxy", "http://$ada@proxy", "http://ada:<b@proxy"])(
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
