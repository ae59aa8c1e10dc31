import { spawnSync } from "node:child_process";
import process from "node:process";

const VERSIONS = ["20", "22", "24", "26"];
const VITEST = ["node_modules/vitest/vitest.mjs", "run", "--coverage.enabled=false"];
const chosen = process.argv.slice(2);
const npm = process.env["npm_execpath"];
if (npm === undefined) throw new Error('This script runs npm: start it with "npm run test:nodes".');

const failed = (chosen.length > 0 ? chosen : VERSIONS).filter((version) => {
  console.log(`\nAll tests on Node ${version}:`);
  const node = ["exec", "--yes", `--package=node@${version}`, "--", "node"];
  return spawnSync(process.execPath, [npm, ...node, ...VITEST], { stdio: "inherit" }).status !== 0;
});
console.log(failed.length === 0 ? "\nAll passed." : `\nFailed on Node ${failed.join(", ")}.`);
if (failed.length > 0) process.exitCode = 1;
