import { build } from "rolldown";

await build({
  input: "src/index.ts",
  platform: "node",
  output: { file: "dist/index.js", format: "esm", minify: true, codeSplitting: false },
});
