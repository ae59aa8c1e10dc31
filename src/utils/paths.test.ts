import nodePath from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expandHome, isInside } from "./paths.ts";

describe("inside", () => {
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
  ])("%s is %s", (base, target) => {
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
  ])("%s is not %s", (base, target) => {
    expect(isInside(base, target, nodePath.posix)).toBe(false);
  });

  test.each([
    ["C:\\base", "C:\\base"],
    ["C:\\base", "C:\\base\\cats"],
    ["C:\\base", "c:\\BASE\\cats"],
    ["C:\\base", "C:/base/cats"],
    ["C:\\base", "C:\\base\\..cats"],
    ["C:\\base", "C:\\base\\..cats\\more"],
    ["C:\\", "C:\\"],
    ["C:\\", "c:\\cats"],
    ["\\\\server\\share", "\\\\server\\share\\cats"],
    ["\\\\server\\share\\base", "\\\\SERVER\\Share\\base\\cats"],
  ])("%s is, on Windows, %s", (base, target) => {
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
  ])("%s is not, on Windows, %s", (base, target) => {
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

  test("agrees with a walk through the tree, for any segments on POSIX", () => {
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

  test("agrees with a walk through the tree, for any segments on Windows", () => {
    const bases = fc.constantFrom(
      { volume: "C:", path: [] },
      { volume: "C:", path: ["base"] },
      { volume: "c:", path: ["Srv", "Pictures", "..cats"] },
      { volume: "\\\\server\\share", path: ["base"] },
    );
    const separators = fc.constantFrom("\\", "/");
    const casing = fc.constantFrom(
      (text: string) => text,
      (text: string) => text.toUpperCase(),
    );
    const segment = fc.record({
      lead: fc.constantFrom("", "", "", "", "root", "C:", "D:"),
      steps: fc.array(
        names.filter((name) => name.toUpperCase().toLowerCase() === name.toLowerCase()),
        { maxLength: 4 },
      ),
      separator: separators,
      recase: casing,
    });

    fc.assert(
      fc.property(bases, fc.array(segment, { maxLength: 5 }), ({ volume, path }, segments) => {
        const root = `${volume}\\${path.join("\\")}`;
        const lower = path.map((name) => name.toLowerCase());
        let at = { volume: volume.toLowerCase(), place: lower };
        const texts = segments.map(({ lead, steps, separator, recase }) => {
          const words = steps.filter((step) => step !== "").map(recase);
          const drive = lead === "C:" || lead === "D:" ? lead : undefined;
          const from = lead === "" ? at.place : [];
          at = {
            volume: drive?.toLowerCase() ?? at.volume,
            place: walk(
              from,
              words.map((word) => word.toLowerCase()),
            ),
          };
          return (drive ?? "") + (lead === "" ? "" : separator) + words.join(separator);
        });

        const target = nodePath.win32.resolve(root, ...texts);

        const isSameVolume = at.volume === volume.toLowerCase();
        expect(isInside(root, target, nodePath.win32)).toBe(isSameVolume && startsWith(at.place, lower));
      }),
      { numRuns: 300 },
    );
  });
});

describe("a leading tilde", () => {
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
  ])("in %j means %j", (directory, meant) => {
    expect(expandHome(directory, "/home/ada", nodePath.posix)).toBe(meant);
  });

  test.each([
    ["~", "C:\\Users\\Ada"],
    ["~\\cats", "C:\\Users\\Ada\\cats"],
    ["~/cats", "C:\\Users\\Ada\\cats"],
    ["~bob", "~bob"],
    ["D:\\~", "D:\\~"],
  ])("in %j means, on Windows, %j", (directory, meant) => {
    expect(expandHome(directory, "C:\\Users\\Ada", nodePath.win32)).toBe(meant);
  });
});
