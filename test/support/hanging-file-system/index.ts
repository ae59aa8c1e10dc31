import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
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
  /** Resolves when it answers nothing any more. */
  readonly hang: () => Promise<void>;
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
    hang: async () => {
      mount.kill("SIGSTOP");
      await waitFor("the mount to stop", () => isStopped(mount.pid ?? 0));
    },
    answer: () => void mount.kill("SIGCONT"),
    async [Symbol.asyncDispose]() {
      mount.kill("SIGCONT");
      spawnSync("fusermount", ["-u", "-z", mountPoint]);
      await closed;
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** A thread that has not stopped yet may take one more request, which then waits for its answer even when killed. */
async function isStopped(pid: number): Promise<boolean> {
  const tasks = `/proc/${pid}/task`;
  const states = (await readdir(tasks)).map((thread) => readFile(join(tasks, thread, "status"), "utf8"));
  return (await Promise.all(states)).every((status) => /^State:\s+T/m.test(status));
}
