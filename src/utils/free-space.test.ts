import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { OutputDirectoryError } from "../errors.ts";
import { assertFits } from "./free-space.ts";

const MIB = 1024 * 1024;

/** Judges a disk with these sizes in bytes for images that need 20 kB unless told otherwise. */
async function judge(totalBytes: number, freeBytes: number, neededBytes = 20_000): Promise<string> {
  const capacityOf = (): Promise<{ bsize: number; blocks: number; bavail: number }> =>
    Promise.resolve({ bsize: 512, blocks: totalBytes / 512, bavail: freeBytes / 512 });
  try {
    await assertFits("/images", neededBytes, capacityOf);
    return "accepted";
  } catch (error) {
    if (!(error instanceof OutputDirectoryError)) throw error;
    return `${error.message}\n${error.recovery ?? ""}`;
  }
}

test.each([
  ["with enough space", 100 * MIB, 20_480],
  ["with exactly the space", 100 * MIB, 20_480, 20_480],
  ["that reports no free space", 100 * MIB, 0],
  ["that reports 1 MiB in all", MIB, 512],
  ["that reports no size", 0, 0],
])("a disk %s is accepted", async (_case, totalBytes, freeBytes, neededBytes = 20_000) => {
  expect(await judge(totalBytes, freeBytes, neededBytes)).toBe("accepted");
});

test.each([
  ["12 kB free, about 20 kB", 2 * MIB, 12_288, 20_000],
  ["1 kB free, about 20 kB", MIB + 512, 512, 20_000],
  ["998 kB free, about 1.0 MB", 100 * MIB, 998_400, 1_000_000],
  ["102 kB free, about 3.7 MB", 100 * MIB, 102_400, 3_670_000],
])("a disk with %s needed is refused", async (words, totalBytes, freeBytes, neededBytes) => {
  expect(await judge(totalBytes, freeBytes, neededBytes)).toBe(
    `Not enough disk space in /images: ${words} needed.\nNo request was made. Free some space, or choose another output_dir inside the base directory.`,
  );
});

test("a real disk is asked, and a directory that is missing is accepted", async () => {
  await using directory = await temporaryDirectory();

  await assertFits(directory.path, 1);
  await expect(assertFits(directory.path, 1e18)).rejects.toThrow(/^Not enough disk space in .* needed\.$/);
  await assertFits(join(directory.path, "missing"), 1e18);
});
