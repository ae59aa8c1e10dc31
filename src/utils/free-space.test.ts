import { execFile, spawnSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { evaluating } from "../../test/support/evaluating.ts";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { OutputDirectoryError } from "../errors.ts";
import { assertFits } from "./free-space.ts";

const canMount =
  process.platform === "linux" && spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0;

test("a disk with enough space is accepted", async () => {
  await using directory = await temporaryDirectory();

  await assertFits(directory.path, 1);
});

test("a disk with too little space is refused, and both sizes are named", async () => {
  await using directory = await temporaryDirectory();

  const fitting = assertFits(directory.path, 1e18);

  await expect(fitting).rejects.toThrow(OutputDirectoryError);
  await expect(fitting).rejects.toThrow(
    /^Not enough disk space in .*: [\d.]+ [kM]B free, about 1000000000000\.0 MB needed\.$/,
  );
});

test("a file system that does not tell its size is accepted", async () => {
  await using directory = await temporaryDirectory();

  await assertFits(join(directory.path, "missing"), 1e18);
  if (process.platform === "linux") await assertFits("/proc", 1e18);
});

test.runIf(canMount).each([
  ["of 1 MiB in all", 1024, 0, "accepted"],
  ["without a free byte", 2048, 2048, "accepted"],
  ["of 2 MiB with 12 kB free", 2048, 2036, "12 kB free, about 20 kB needed"],
])("a disk %s is judged by plausible figures", async (_case, totalKib, usedKib, words) => {
  await using directory = await temporaryDirectory();
  const module = JSON.stringify(new URL("./free-space.ts", import.meta.url).href);
  const script = `import { assertFits } from ${module};
    assertFits(${JSON.stringify(directory.path)}, ${usedKib === 0 ? 1e12 : 20_000}).then(
      () => console.log("accepted"),
      (error) => console.log(error.message),
    );`;

  const { stdout } = await promisify(execFile)("unshare", [
    "-rm",
    "sh",
    "-c",
    'mount -t tmpfs -o "size=$1k" tmpfs "$0" && head -c "$(($2 * 1024))" /dev/zero > "$0/used" && shift 2 && exec "$@"',
    directory.path,
    String(totalKib),
    String(usedKib),
    ...evaluating(script),
  ]);

  expect(stdout).toContain(words);
});
