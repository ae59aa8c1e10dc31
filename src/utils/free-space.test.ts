import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { OutputDirectoryError } from "../errors.ts";
import { assertFreeSpace } from "./free-space.ts";

test("a disk with room for the images passes", async () => {
  await using directory = await temporaryDirectory();

  await expect(assertFreeSpace(directory.path, 1)).resolves.toBeUndefined();
});

test("a disk without room for the images is refused, and the sizes are named", async () => {
  await using directory = await temporaryDirectory();

  const refusal = assertFreeSpace(directory.path, 1e18);

  await expect(refusal).rejects.toBeInstanceOf(OutputDirectoryError);
  await expect(refusal).rejects.toHaveProperty("message", expect.stringContaining("1000000000000000 kB"));
});

test("a file system that does not say how large it is passes", async () => {
  await using directory = await temporaryDirectory();

  await expect(assertFreeSpace(join(directory.path, "missing"), 1e18)).resolves.toBeUndefined();
});
