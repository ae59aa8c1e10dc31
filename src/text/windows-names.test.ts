import { posix, win32 } from "node:path";
import { expect, test } from "vitest";
import { badDirectoryName, isWindowsName } from "./windows-names.ts";

const GOOD = [
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
];
const DEVICES = ["CON", "con", "con.jpeg", "con .jpeg", "nul", "aux", "PRN.txt", "COM1", "com0", "lpt9.a.b", "COM¹"];
const CONSOLES = ["conin$", "CONOUT$"];
const BAD_ENDS = ["", "trail.", "trail ", "...", " "];
const BAD_CHARACTERS = ["<", ">", ":", '"', "/", "\\", "|", "?", "*", "\t", "\0", "\x7f"];

test.each(GOOD)("the name %j is valid", (name) => {
  expect(isWindowsName(name)).toBe(true);
});

test.each([...DEVICES, ...CONSOLES, ...BAD_ENDS, ...BAD_CHARACTERS.map((character) => `a${character}b`)])(
  "the name %j is not valid",
  (name) => {
    expect(isWindowsName(name)).toBe(false);
  },
);

test.each([
  "",
  ".",
  "..",
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
])("the path %j has valid names only", (directory) => {
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
  ["a\\..\\aux.d", "aux.d"],
  ["D:\\a\\C:\\b", "C:"],
])("the path %j contains the invalid name %j", (directory, name) => {
  expect(badDirectoryName(directory, win32)).toBe(name);
});

test.each(["trail.", "CON", "a:b", "what?"])("the path %j is valid elsewhere", (directory) => {
  expect(badDirectoryName(directory, posix)).toBeUndefined();
});
