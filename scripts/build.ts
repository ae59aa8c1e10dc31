import { build } from "rolldown";

await build({
  input: "src/index.ts",
  platform: "node",
  checks: { circularDependency: true },
  onLog: (_level, log) => {
    const isThirdPartyCycle = log.code === "CIRCULAR_DEPENDENCY" && log.message.includes("node_modules");
    if (!isThirdPartyCycle) throw new Error(log.message);
  },
  output: { file: "dist/index.js", format: "esm", minify: true, codeSplitting: false },
});
