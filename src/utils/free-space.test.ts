import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { OutputDirectoryError } from "../errors.ts";
import { assertFits, freeSpaceOf } from "./free-space.ts";

test("a disk with room for the images passes", async () => {
  await using directory = await temporaryDirectory();

  assertFits(await freeSpaceOf(directory.path), 1);
});

test("a disk without room for the images is refused, and the sizes are named", async () => {
  await using directory = await temporaryDirectory();

  const space = await freeSpaceOf(directory.path);
  const refuse = (): void => {
    assertFits(space, 1e18);
  };

  expect(refuse).toThrow(OutputDirectoryError);
  expect(refuse).toThrow(
    `${Math.round(space.bytes / 1000)} kB are free, and the images need about 1000000000000000 kB`,
  );
});

test("a file system that does not say how large it is passes", async () => {
  await using directory = await temporaryDirectory();

  assertFits(await freeSpaceOf(join(directory.path, "missing")), 1e18);
});
