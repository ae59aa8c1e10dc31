import { homedir } from "node:os";
import process from "node:process";
import { run } from "../../src/run.ts";
import { DEFAULT_POLICY } from "../../src/timing/retry.ts";
import { fastClock } from "./fast-clock.ts";

void run({
  process,
  args: process.argv.slice(2),
  environment: process.env,
  workingDirectory: process.cwd(),
  homeDirectory: homedir(),
  timing: { clock: fastClock(Number(process.env["TEST_SPEED"])), random: Math.random, policy: DEFAULT_POLICY },
  exit: (code) => process.exit(code),
});
