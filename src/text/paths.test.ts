import { posix, win32 } from "node:path";
import fc from "fast-check";
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
  ["C:\\base\\", "C:\\base", true],
  ["C:\\base", "C:\\base\\..cats\\more", true],
  ["C:\\", "C:\\cats", true],
  ["\\\\server\\share\\", "\\\\server\\share", true],
  ["C:\\base", "C:\\base-private", false],
  ["C:\\base", "C:\\base\\..\\other", false],
  ["C:\\base", "D:\\base\\cats", false],
  ["C:\\", "\\\\server\\share", false],
  ["\\\\server\\share\\base", "\\\\server\\share", false],
  ["\\\\server\\share\\base", "\\\\server\\other\\base", false],
  ["\\\\server\\share\\base", "\\\\another\\share\\base", false],
  ["C:\\base", "\\\\?\\C:\\other", false],
  ["C:\\base", "c:\\base", false],
  ["C:\\base", "C:\\BASE\\cats", false],
  ["C:\\kit", "C:\\\u212Ait", false],
  ["C:\\\u00E5", "C:\\\u212B", false],
  ["C:\\\u00E5", "C:\\a\u030A", false],
  ["\\\\server\\share\\base", "\\\\SERVER\\share\\base\\cats", false],
])("inside %s on Windows: %s is %s", (base, target, is) => {
  expect(isInside(base, target, win32)).toBe(is);
});

const names = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("..", "..", ".", "") },
  { weight: 3, arbitrary: fc.constantFrom("base", "pictures", "..cats", "cats..", "...", "~", "my cats") },
  { weight: 1, arbitrary: fc.string({ maxLength: 4 }).filter((text) => !/[/\\:\0]/.test(text)) },
);

function walk(from: readonly string[], steps: readonly string[]): string[] {
  const place = [...from];
  for (const step of steps) {
    if (step === "..") place.pop();
    else if (step !== "." && step !== "") place.push(step);
  }
  return place;
}

test.each([
  [posix, "/"],
  [win32, "C:\\"],
  [win32, "\\\\server\\share\\"],
])("inside agrees with a walk through the tree (case %#)", (path, root) => {
  const bases = fc.constantFrom<string[]>([], ["base"], ["Srv", "Pictures", "..cats"]);
  const segment = fc.tuple(fc.boolean(), fc.array(names, { maxLength: 4 }), fc.constantFrom("/", path.sep));

  fc.assert(
    fc.property(bases, fc.array(segment, { maxLength: 5 }), (base, segments) => {
      let place = base;
      let target = root + base.join(path.sep);
      for (const [isAbsolute, steps, separator] of segments) {
        place = walk(isAbsolute ? [] : place, steps);
        target = path.resolve(isAbsolute ? root : target, steps.filter(Boolean).join(separator));
      }

      const isBelow = base.every((name, depth) => place[depth] === name);
      expect(isInside(root + base.join(path.sep), target, path)).toBe(isBelow);
    }),
    { numRuns: 300 },
  );
});

const TRUSTED = ["C:\\out", "\\\\mine\\pictures\\base"];

test.each([
  "\\\\host\\share",
  "\\\\host\\share\\a",
  "//host/share/a",
  "\\/host\\share/a",
  "/\\host/share",
  "\\\\host.example.com\\c$\\a",
  "\\\\203.0.113.5\\share",
  "\\\\fe80--1.ipv6-literal.net\\share",
  "\\\\host@SSL@8443\\DavWWWRoot\\a",
  "\\\\?\\UNC\\host\\share\\a",
  "\\\\?\\unc\\host\\share",
  "//?/UNC/host/share/a",
  "\\\\.\\UNC\\host\\share",
  "\\\\?\\UNC\\host",
  "\\\\?\\UNC\\mine\\pictures\\..\\..\\host\\share",
  "\\\\?\\C:\\..\\UNC\\host\\share",
  "\\\\?\\GLOBALROOT\\Device\\Mup\\host\\share",
  "\\\\?\\Volume{b75e2c83-0000-0000-0000-602f00000000}\\a",
  "\\\\.\\pipe\\cats",
  "\\\\.\\PhysicalDrive0",
  "\\\\.\\C:",
  "\\\\?\\C:",
  "\\\\mine\\others\\a",
  "\\\\mine.\\pictures",
  "\\\\m\u0131ne\\pictures",
  "\\\\mine\\p\u0131ctures",
  "\\\\mine\\pictures2",
])("%j is on a foreign share", (target) => {
  expect(isOnForeignShare(target, TRUSTED, win32)).toBe(true);
});

test.each([
  "\\\\mine\\pictures",
  "\\\\MINE\\Pictures\\a",
  "//mine/pictures/a",
  "\\\\?\\UNC\\mine\\pictures\\other",
  "//./unc/Mine/PICTURES",
  "\\\\mine\\pictures\\..\\..\\a",
  "C:\\out",
  "c:/other",
  "D:\\",
  "\\\\?\\C:\\out",
  "//./D:/a",
  "\\\\host",
  "\\\\host\\",
])("%j is not on a foreign share", (target) => {
  expect(isOnForeignShare(win32.resolve("C:\\out", target), TRUSTED, win32)).toBe(false);
});

test("a trusted device does not make another one trusted", () => {
  const volume = "\\\\?\\Volume{b75e2c83-0000-0000-0000-602f00000000}\\";

  expect(isOnForeignShare(`${volume}a`, [volume], win32)).toBe(false);
  expect(isOnForeignShare("\\\\.\\PhysicalDrive0", [volume], win32)).toBe(true);
});

test.each(["//host/share", "\\\\host\\share", "/srv"])("%j is not on a foreign share elsewhere", (target) => {
  expect(isOnForeignShare(target, ["/srv"], posix)).toBe(false);
  expect(isOnForeignShare(target, [], posix)).toBe(false);
});

test.each([
  ["~", posix, "/home/ada"],
  ["~/", posix, "/home/ada"],
  ["~/cats", posix, "/home/ada/cats"],
  ["~/../bob", posix, "/home/bob"],
  ["~//cats", posix, "/home/ada/cats"],
  ["~bob/cats", posix, "~bob/cats"],
  ["~\\cats", posix, "~\\cats"],
  ["cats/~", posix, "cats/~"],
  [" ~", posix, " ~"],
  ["", posix, ""],
  ["~", win32, "\\home\\ada"],
  ["~\\cats", win32, "\\home\\ada\\cats"],
  ["~/cats", win32, "\\home\\ada\\cats"],
  ["~bob", win32, "~bob"],
  ["D:\\~", win32, "D:\\~"],
])("expandHome: %j (case %#)", (directory, path, expanded) => {
  expect(expandHome(directory, path.join("/", "home", "ada"), path)).toBe(expanded);
});

test("only a path below ~ needs a home directory", () => {
  expect(["images", "~other/images", "~/images", "~"].map((path) => expandHome(path, undefined))).toEqual([
    "images",
    "~other/images",
    undefined,
    undefined,
  ]);
});

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
