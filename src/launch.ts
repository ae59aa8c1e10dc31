#!/usr/bin/env node
import nodeModule from "node:module";
import { engines, name } from "../package.json";

/** Room for the calls whose drive does not answer; where Node asks earlier (Node 20), its own four stay. */
const FILE_SYSTEM_THREADS = "16";

const minimum = engines.node.replace(">=", "");
const [minimumMajor = 0, minimumMinor = 0] = minimum.split(".").map(Number);
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major < minimumMajor || (major === minimumMajor && minor < minimumMinor)) {
  process.stderr.write(`${name} needs Node.js ${minimum} or newer, but this is ${process.versions.node}.\n`);
  process.exitCode = 1;
} else {
  if ("bun" in process.versions || "deno" in process.versions) {
    process.stderr.write(`${name} needs Node.js to know whether a request was sent.\n`);
  }
  if (!("UV_THREADPOOL_SIZE" in process.env)) process.env["UV_THREADPOOL_SIZE"] = FILE_SYSTEM_THREADS;
  const { enableCompileCache }: { enableCompileCache?: () => unknown; isBuiltin: unknown } = nodeModule;
  if (enableCompileCache) enableCompileCache();
  void import("./index.ts");
}
