import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { similarName } from "./similar-name.ts";

test.each<[string, string[], string?]>([
  ["Screenshot 10.04 AM.png", ["Screenshot 10.04\u202fAM.png", "Tea.png"], "Screenshot 10.04\u202fAM.png"],
  ["Caf\u00e9.png", ["Tea.png", "Cafe\u0301.png"], "Cafe\u0301.png"],
  ["a b.png", ["a\u00a0 b.png"], "a\u00a0 b.png"],
  ["a b.png", ["1.png", "2.png", "a\u00a0b.png"], "a\u00a0b.png"],
  ["a b.png", ["1.png", "2.png", "a\u00a0b.png", "4.png"]],
  ["a b.png", ["a\u00a0b.png", "a\u202fb.png"]],
  ["a b.png", ["A b.png", "ab.png", "a b.jpeg"]],
  ["a b.png", []],
])("of at most 3 entries %j means, in %j, %j", async (asked, names, found) => {
  await using directory = await temporaryDirectory();
  for (const name of names) await writeFile(join(directory.path, name), "");

  expect(await similarName(join(directory.path, asked), [directory.path], 3)).toBe(
    found === undefined ? undefined : join(directory.path, found),
  );
});

test("only what lies inside after resolving links is listed", async () => {
  await using directory = await temporaryDirectory();
  const [base, outside] = [join(directory.path, "base"), join(directory.path, "outside")];
  for (const path of [base, outside]) await mkdir(path);
  await writeFile(join(outside, "a\u00a0b.png"), "");
  await symlink(outside, join(base, "link"), "junction");

  expect(await similarName(join(base, "link", "a b.png"), [base])).toBeUndefined();
  expect(await similarName(join(base, "link", "a b.png"), [outside])).toBe(join(outside, "a\u00a0b.png"));
});
