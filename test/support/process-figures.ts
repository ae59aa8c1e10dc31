import { readdirSync, readFileSync } from "node:fs";

/** What the system knows of a running process. */
export interface ProcessFigures {
  /** Resident set size. */
  readonly memoryBytes: number;
  /** Open file descriptors. */
  readonly descriptors: number;
}

/** Reads a process's figures. Only Linux tells them; elsewhere they are 0. */
export function processFigures(pid: number): ProcessFigures {
  if (process.platform !== "linux") return { memoryBytes: 0, descriptors: 0 };
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return {
    memoryBytes: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}
