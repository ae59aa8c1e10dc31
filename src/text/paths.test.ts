import { posix, win32 } from "node:path";
import { expect, test } from "vitest";
import { badDirectoryName, expandHome, isInside, isOnForeignShare, isWindowsName } from "./paths.ts";

test.each([
  ["/base", "/base", true],
  ["/base", "/base/cats", true],
  ["/base", "/base/..cats/more", true],
  ["/base", "/base/cats/../../base", true],
  ["/", "/cats", true],
  ["/base", "/base/a\\..\\..\\b", true],
  ["/base", "/base-private", false],
  ["/base", "/Base/cats", false],
  ["/base", "/base/../other", false],
  ["/base/cats", "/base/..cats", false],
])("inside %s on POSIX: %s is %s", (base, target, is) => {
  expect(isInside(base, target, posix)).toBe(is);
});

test.each([
  ["C:\\base", "C:\\base", true],
  ["C:\\base", "C:/base/cats", true],
  ["C:\\base", "C:\\base\\..cats\\more", true],
  ["C:\\", "C:\\cats", true],
  ["\\\\server\\share\\", "\\\\server\\share", true],
  ["C:\\base", "C:\\base-private", false],
  ["C:\\base", "C:\\base\\..\\other", false],
  ["C:\\base", "D:\\base\\cats", false],
  ["C:\\", "\\\\server\\share", false],
  ["\\\\server\\share\\base", "\\\\server\\share", false],
  ["\\\\server\\share\\base", "\\\\another\\share\\base", false],
  ["C:\\base", "\\\\?\\C:\\other", false],
  ["C:\\base", "c:\\base", false],
  ["C:\\kit", "C:\\\u212Ait", false],
])("inside %s on Windows: %s is %s", (base, target, is) => {
  expect(isInside(base, target, win32)).toBe(is);
});

const TRUSTED = ["C:\\out", "\\\\mine\\pictures\\base"];

test.each([
  "\\\\host\\share\\a",
  "//host/share/a",
  "\\/host\\share",
  "\\\\203.0.113.5\\c$",
  "\\\\host@SSL@8443\\DavWWWRoot\\a",
  "\\\\?\\UNC\\host\\share\\a",
  "//./unc/host/share",
  "\\\\?\\UNC\\host",
  "\\\\?\\UNC\\mine\\pictures\\..\\..\\host\\share",
  "\\\\?\\C:\\..\\UNC\\host\\share",
  "\\\\?\\GLOBALROOT\\Device\\Mup\\host\\share",
  "\\\\.\\pipe\\cats",
  "\\\\.\\PhysicalDrive0",
  "\\\\?\\C:",
  "\\\\mine\\others\\a",
  "\\\\mine.\\pictures",
  "\\\\m\u0131ne\\pictures",
  "\\\\mine\\pictures2",
])("%j is on a foreign share", (target) => {
  expect(isOnForeignShare(target, TRUSTED, win32)).toBe(true);
});

test.each([
  "\\\\MINE\\Pictures\\a",
  "//mine/pictures",
  "\\\\?\\UNC\\mine\\pictures\\other",
  "//./unc/Mine/PICTURES",
  "\\\\mine\\pictures\\..\\..\\a",
  "c:/other",
  "\\\\?\\C:\\out",
  "//./D:/a",
  "\\\\host",
])("%j is not on a foreign share", (target) => {
  expect(isOnForeignShare(win32.resolve("C:\\out", target), TRUSTED, win32)).toBe(false);
});

test("a host that is equal by Unicode's letters alone is another one", () => {
  expect(isOnForeignShare("\\\\\u212aate\\a", ["\\\\kate\\a"], win32)).toBe(true);
});

test("a trusted device does not make another one trusted", () => {
  const volume = "\\\\?\\Volume{b75e2c83-0000-0000-0000-602f00000000}\\";

  expect(isOnForeignShare(`${volume}a`, [volume], win32)).toBe(false);
  expect(isOnForeignShare("\\\\.\\PhysicalDrive0", [volume], win32)).toBe(true);
  expect(isOnForeignShare("C:\\cats", [volume], win32)).toBe(false);
});

test.each(["//host/share", "\\\\host\\share"])("%j is not on a foreign share elsewhere", (target) => {
  expect(isOnForeignShare(target, ["/srv"], posix)).toBe(false);
});

test.each([
  ["~", posix, "/home/ada"],
  ["~/../bob", posix, "/home/bob"],
  ["~//cats", posix, "/home/ada/cats"],
  ["~bob/cats", posix, "~bob/cats"],
  ["~\\cats", posix, "~\\cats"],
  ["cats/~", posix, "cats/~"],
  ["~\\cats", win32, "\\home\\ada\\cats"],
  ["~/cats", win32, "\\home\\ada\\cats"],
  ["D:\\~", win32, "D:\\~"],
])("expandHome: %j (case %#)", (directory, path, expanded) => {
  expect(expandHome(directory, path.join("/", "home", "ada"), path)).toBe(expanded);
});

test("only a path below ~ needs a home directory", () => {
  expect(expandHome("~other/images", undefined)).toBe("~other/images");
  expect(expandHome("~/images", undefined)).toBeUndefined();
});

const GOOD = ["cats", "..cats", ".hidden", "my cats", "falcon", "comet", "com", "com10", "CONIN", "猫", "a.b"];
const DEVICES = ["CON", "con.jpeg", "con .jpeg", "nul", "aux", "PRN.txt", "COM1", "com0", "lpt9.a.b", "COM¹", "conin$"];
const BAD_ENDS = ["", "trail.", "trail ", "..."];
const BAD_CHARACTERS = ["<", ">", ":", '"', "/", "\\", "|", "?", "*", "\t", "\0", "\x7f"];

test.each(GOOD)("the name %j is valid", (name) => {
  expect(isWindowsName(name)).toBe(true);
});

test.each([...DEVICES, "CONOUT$", ...BAD_ENDS, ...BAD_CHARACTERS.map((character) => `a${character}b`)])(
  "the name %j is not valid",
  (name) => {
    expect(isWindowsName(name)).toBe(false);
  },
);

test.each(["", "a/../b/./c", "C:\\out\\cats", "C:cats", "\\\\?\\C:\\out\\cats", "//./C:/out", "\\\\?\\UNC\\host"])(
  "the path %j has valid names only",
  (directory) => {
    expect(badDirectoryName(directory, win32)).toBeUndefined();
  },
);

test.each([
  ["cats/trail ", "trail "],
  ["C:\\out\\CON\\cats", "CON"],
  ["C:nul", "nul"],
  ["\\\\?\\C:\\out\\a:b", "a:b"],
  ["\\\\host\\share\\what?", "what?"],
  ["\\??\\UNC\\host\\share", "??"],
  ["D:\\a\\C:\\b", "C:"],
])("the path %j contains the invalid name %j", (directory, name) => {
  expect(badDirectoryName(directory, win32)).toBe(name);
});

test.each(["trail.", "CON", "a:b"])("the path %j is valid elsewhere", (directory) => {
  expect(badDirectoryName(directory, posix)).toBeUndefined();
});
