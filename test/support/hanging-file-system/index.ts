import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { temporaryDirectory } from "../temporary-directory.ts";
import { waitFor } from "../wait-for.ts";

const PYTHON = "/usr/bin/python3";

/** What this machine lacks to let the tests mount a file system of their own, if anything. */
export const missingForMounts: string | undefined = [
  { name: "/dev/fuse", isThere: () => existsSync("/dev/fuse") },
  { name: "fusermount", isThere: () => spawnSync("fusermount", ["--version"]).status === 0 },
  { name: "Python's fusepy", isThere: () => spawnSync(PYTHON, ["-c", "import fusepy"]).status === 0 },
].find(({ isThere }) => !isThere())?.name;

/** A mounted file system without hard links. */
export interface HangingFileSystem extends AsyncDisposable {
  /** What lies behind it, and always answers. */
  readonly behind: string;
  /** From now on it answers nothing. */
  readonly hang: () => void;
  /** It answers again. */
  readonly answer: () => void;
}

/** Mounts a real file system, by FUSE, that can be made to answer nothing. */
export async function mountHangingFileSystem(mountPoint: string): Promise<HangingFileSystem> {
  if (missingForMounts !== undefined) {
    throw new Error(`Without ${missingForMounts} nothing is mounted: apt-get install fuse3 python3-fusepy`);
  }
  const directory = await temporaryDirectory();
  const behind = join(directory.path, "behind");
  await Promise.all([mkdir(behind), mkdir(mountPoint)]);
  const mount: ChildProcess = spawn(
    PYTHON,
    [resolve("test", "support", "hanging-file-system", "mount.py"), behind, mountPoint],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const closed = once(mount, "close");
  let output = "";
  mount.stdout?.on("data", (text) => (output += String(text)));
  await waitFor("the mount", () => output.includes("mounted"));
  return {
    behind,
    hang: () => void mount.kill("SIGSTOP"),
    answer: () => void mount.kill("SIGCONT"),
    async [Symbol.asyncDispose]() {
      mount.kill("SIGCONT");
      spawnSync("fusermount", ["-u", "-z", mountPoint]);
      await closed;
      await directory[Symbol.asyncDispose]();
    },
  };
}
