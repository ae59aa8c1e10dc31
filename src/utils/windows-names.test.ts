import { posix, win32 } from "node:path";
import { expect, test } from "vitest";
import { badDirectoryName, isWindowsName } from "./windows-names.ts";

test.each([
  "cats",
  "..cats",
  ".hidden",
  "my cats",
  "con-cats",
  "comet",
  "com",
  "com10",
  "CONIN",
  "猫",
  "a.b",
  "-",
  "~",
])("%j can be used", (name) => {
  expect(isWindowsName(name)).toBe(true);
});

test.each([
  "",
  "trail.",
  "trail ",
  "...",
  " ",
  "CON",
  "con",
  "con.jpeg",
  "con .jpeg",
  "nul",
  "aux",
  "PRN.txt",
  "COM1",
  "com0",
  "lpt9.a.b",
  "COM¹",
  "conin$",
  "CONOUT$",
  "a:b",
  "cats::$INDEX_ALLOCATION",
  "a<b",
  "a>b",
  'a"b',
  "a|b",
  "a?b",
  "a*b",
  "a/b",
  "a\\b",
  "a\tb",
  "a\u0000b",
  "a\u007fb",
])("%j cannot be used", (name) => {
  expect(isWindowsName(name)).toBe(false);
});

test.each([
  "",
  ".",
  "..",
  "cats",
  "a/../b/./c",
  "a\\b//c\\",
  "C:\\out\\cats",
  "C:cats",
  "c:/out",
  "\\\\?\\C:\\out\\cats",
  "//./C:/out",
  "\\\\host\\share\\cats",
  "\\\\?\\UNC\\host\\share\\cats",
  "~\\cats",
])("the directories of a path are all good in %j on Windows", (directory) => {
  expect(badDirectoryName(directory, win32)).toBeUndefined();
});

test.each([
  ["trail.", "trail."],
  ["cats/trail ", "trail "],
  ["C:\\out\\CON\\cats", "CON"],
  ["C:nul", "nul"],
  ["\\\\?\\C:\\out\\a:b", "a:b"],
  ["\\\\host\\share\\what?", "what?"],
  ["\\??\\UNC\\host\\share", "??"],
  ["...", "..."],
  ["a\\..\\aux.d", "aux.d"],
  ["D:\\a\\C:\\b", "C:"],
])("the directories of a path in %j hold, on Windows, the bad one %j", (directory, name) => {
  expect(badDirectoryName(directory, win32)).toBe(name);
});

test.each(["trail.", "CON", "a:b", "what?"])("the directories of a path may be called %j elsewhere", (directory) => {
  expect(badDirectoryName(directory, posix)).toBeUndefined();
});
