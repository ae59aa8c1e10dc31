#!/usr/bin/env node
import { homedir } from "node:os";
import process from "node:process";
import { run } from "./run.ts";
import { systemClock } from "./timing/clock.ts";
import { DEFAULT_POLICY } from "./timing/retry.ts";

void run({
  process,
  args: process.argv.slice(2),
  environment: process.env,
  workingDirectory: process.cwd(),
  homeDirectory: homedir(),
  timing: { clock: systemClock, random: Math.random, policy: DEFAULT_POLICY },
  exit: (code) => process.exit(code),
});
