import { writeSync } from "node:fs";
import process from "node:process";

process.on("exit", () => {
  writeSync(process.stderr.fd, `\npeak memory in kB: ${String(process.resourceUsage().maxRSS)}\n`);
});
