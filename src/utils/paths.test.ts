import nodePath from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { expandHome, isInside, isOnForeignShare } from "./paths.ts";

test.each([
  ["/base", "/base"],
  ["/base", "/base/cats"],
  ["/base/", "/base/cats/"],
  ["/base", "/base/..cats"],
  ["/base", "/base/..cats/more"],
  ["/base", "/base/..."],
  ["/base", "/base/cats/../.." + "/base"],
  ["/", "/"],
  ["/", "/cats"],
  ["/base", "/base/a\\..\\..\\b"],
])("inside: %s is %s", (base, target) => {
  expect(isInside(base, target, nodePath.posix)).toBe(true);
});

test.each([
  ["/base", "/"],
  ["/base", "/other"],
  ["/base", "/base-private"],
  ["/base", "/bas"],
  ["/base", "/Base/cats"],
  ["/base", "/base/.."],
  ["/base", "/base/../other"],
  ["/base/cats", "/base"],
  ["/base/cats", "/base/..cats"],
])("inside: %s is not %s", (base, target) => {
  expect(isInside(base, target, nodePath.posix)).toBe(false);
});

test.each([
  ["C:\\base", "C:\\base"],
  ["C:\\base", "C:\\base\\cats"],
  ["C:\\base", "C:/base/cats"],
  ["C:\\base\\", "C:\\base"],
  ["C:\\base", "C:\\base\\..cats"],
  ["C:\\base", "C:\\base\\..cats\\more"],
  ["C:\\", "C:\\"],
  ["C:\\", "C:\\cats"],
  ["\\\\server\\share", "\\\\server\\share\\cats"],
  ["\\\\server\\share\\", "\\\\server\\share"],
])("inside: %s is, on Windows, %s", (base, target) => {
  expect(isInside(base, target, nodePath.win32)).toBe(true);
});

test.each([
  ["C:\\base", "C:\\"],
  ["C:\\base", "C:\\other"],
  ["C:\\base", "C:\\base-private"],
  ["C:\\base", "C:\\base\\..\\other"],
  ["C:\\base", "C:/base/../other"],
  ["C:\\base", "D:\\base"],
  ["C:\\base", "D:\\base\\cats"],
  ["C:\\", "D:\\"],
  ["C:\\", "D:\\cats"],
  ["C:\\base", "\\\\server\\share\\base"],
  ["C:\\", "\\\\server\\share"],
  ["\\\\server\\share\\base", "C:\\base"],
  ["\\\\server\\share\\base", "\\\\server\\share"],
  ["\\\\server\\share\\base", "\\\\server\\other\\base"],
  ["\\\\server\\share\\base", "\\\\another\\share\\base"],
  ["C:\\base", "\\\\?\\C:\\other"],
  ["C:\\base", "C:\\BASE\\cats"],
  ["C:\\base", "c:\\base"],
  ["C:\\kit", "C:\\\u212Ait"],
  ["C:\\\u00E5", "C:\\\u212B"],
  ["C:\\\u00E5", "C:\\a\u030A"],
  ["\\\\server\\share\\base", "\\\\SERVER\\share\\base\\cats"],
])("inside: %s is not, on Windows, %s", (base, target) => {
  expect(isInside(base, target, nodePath.win32)).toBe(false);
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

function startsWith(place: readonly string[], base: readonly string[]): boolean {
  return base.every((name, depth) => place[depth] === name);
}

test("inside agrees with a walk through the tree, for any segments on POSIX", () => {
  const bases = fc.constantFrom<string[]>([], ["base"], ["srv", "pictures", "..cats"]);
  const segment = fc.tuple(fc.constantFrom("", "", "", "/"), fc.array(names, { maxLength: 4 }));

  fc.assert(
    fc.property(bases, fc.array(segment, { maxLength: 5 }), (base, segments) => {
      const root = `/${base.join("/")}`;
      const texts = segments.map(([lead, steps]) => lead + steps.join("/"));
      const place = texts.reduce<string[]>((at, text) => walk(text.startsWith("/") ? [] : at, text.split("/")), base);

      const target = nodePath.posix.resolve(root, ...texts);

      expect(isInside(root, target, nodePath.posix)).toBe(startsWith(place, base));
    }),
    { numRuns: 300 },
  );
});

test("inside agrees with a walk through the tree, for any segments on Windows", () => {
  const bases = fc.constantFrom<{ volume: string; path: string[] }>(
    { volume: "C:", path: [] },
    { volume: "C:", path: ["base"] },
    { volume: "C:", path: ["Srv", "Pictures", "..cats"] },
    { volume: "\\\\server\\share", path: ["base"] },
  );
  const segment = fc.record({
    lead: fc.constantFrom("", "", "", "", "root", "C:", "D:"),
    steps: fc.array(names, { maxLength: 4 }),
    separator: fc.constantFrom("\\", "/"),
  });

  fc.assert(
    fc.property(bases, fc.array(segment, { maxLength: 5 }), ({ volume, path }, segments) => {
      const root = `${volume}\\${path.join("\\")}`;
      let at = { volume, place: path };
      const texts = segments.map(({ lead, steps, separator }) => {
        const words = steps.filter((step) => step !== "");
        const drive = lead === "C:" || lead === "D:" ? lead : undefined;
        at = { volume: drive ?? at.volume, place: walk(lead === "" ? at.place : [], words) };
        return (drive ?? "") + (lead === "" ? "" : separator) + words.join(separator);
      });

      const target = nodePath.win32.resolve(root, ...texts);

      expect(isInside(root, target, nodePath.win32)).toBe(at.volume === volume && startsWith(at.place, path));
    }),
    { numRuns: 300 },
  );
});

const ofNobody: readonly string[] = [
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
];

test.each(ofNobody)("a share of another machine, or a device is told by the words alone: %j", (target) => {
  expect(isOnForeignShare(target, ["C:\\out", "\\\\mine\\pictures\\base"], nodePath.win32)).toBe(true);
});

test.each([
  "\\\\mine\\pictures",
  "\\\\MINE\\Pictures\\a",
  "//mine/pictures/a",
  "\\\\?\\UNC\\mine\\pictures\\other",
  "//./unc/Mine/PICTURES",
  "\\\\mine\\pictures\\..\\..\\a",
])("a share of another machine, or a device is not foreign where a trusted directory lies on it: %j", (target) => {
  expect(isOnForeignShare(target, ["C:\\out", "\\\\mine\\pictures\\base"], nodePath.win32)).toBe(false);
});

test.each(["C:\\out", "c:/other", "D:\\", "\\\\?\\C:\\out", "//./D:/a", "\\\\host", "\\\\host\\"])(
  "a share of another machine, or a device is not meant by %j",
  (target) => {
    expect(isOnForeignShare(nodePath.win32.resolve("C:\\out", target), ["C:\\out"], nodePath.win32)).toBe(false);
  },
);

test("a share of another machine, or a device is known where the base names a device", () => {
  const volume = "\\\\?\\Volume{b75e2c83-0000-0000-0000-602f00000000}\\";

  expect(isOnForeignShare(`${volume}a`, [volume], nodePath.win32)).toBe(false);
  expect(isOnForeignShare("\\\\.\\PhysicalDrive0", [volume], nodePath.win32)).toBe(true);
});

test("a share of another machine, or a device is no drive, also where only shares are allowed", () => {
  expect(isOnForeignShare("C:\\out", ["\\\\mine\\pictures"], nodePath.win32)).toBe(false);
  expect(isOnForeignShare("/srv", ["\\\\mine\\pictures"], nodePath.posix)).toBe(false);
});

test.each(["//host/share", "\\\\host\\share", "/srv"])(
  "a share of another machine, or a device is nothing that %j could mean elsewhere",
  (target) => {
    expect(isOnForeignShare(target, ["/srv"], nodePath.posix)).toBe(false);
    expect(isOnForeignShare(target, [], nodePath.posix)).toBe(false);
  },
);

test.each([
  ["~", "/home/ada"],
  ["~/", "/home/ada"],
  ["~/cats", "/home/ada/cats"],
  ["~/../bob", "/home/bob"],
  ["~//cats", "/home/ada/cats"],
  ["~bob", "~bob"],
  ["~bob/cats", "~bob/cats"],
  ["~\\cats", "~\\cats"],
  ["cats/~", "cats/~"],
  [" ~", " ~"],
  ["", ""],
  ["/srv/~/cats", "/srv/~/cats"],
])("a leading tilde in %j means %j", (directory, meant) => {
  expect(expandHome(directory, "/home/ada", nodePath.posix)).toBe(meant);
});

test.each([
  ["~", "C:\\Users\\Ada"],
  ["~\\cats", "C:\\Users\\Ada\\cats"],
  ["~/cats", "C:\\Users\\Ada\\cats"],
  ["~bob", "~bob"],
  ["D:\\~", "D:\\~"],
])("a leading tilde in %j means, on Windows, %j", (directory, meant) => {
  expect(expandHome(directory, "C:\\Users\\Ada", nodePath.win32)).toBe(meant);
});
