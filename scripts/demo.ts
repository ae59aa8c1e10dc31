import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { toolOutputSchema } from "../src/schemas.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";

const ARGUMENTS = {
  prompt: "A lighthouse over a calm sea at dawn, wide and quiet",
  aspect_ratio: "16:9",
  n: 3,
  seed: 7,
};
const GENERATION_MS = 14_000;

await using standIn = await startStandIn({ generationMs: GENERATION_MS });
const outputDirectory = resolve("output", "demo");
const transport = new StdioClientTransport({
  command: process.execPath,
  args: [resolve("dist", "index.js")],
  env: { MINIMAX_API_KEY: STAND_IN_KEY, MINIMAX_API_HOST: standIn.url, MINIMAX_OUTPUT_DIR: outputDirectory },
  stderr: "inherit",
});
const client = new Client({ name: "demo", version: "1.0.0" });

console.log(
  "Demo: a real MCP client spawns the built server over stdio.\n" +
    "No key is used and MiniMax is not called: a stand-in on this machine answers in its place and draws the pictures.\n",
);
await client.connect(transport);
console.log(`prompt    ${ARGUMENTS.prompt}`);
console.log(`asked for ${ARGUMENTS.n} pictures, ${ARGUMENTS.aspect_ratio}, seed ${ARGUMENTS.seed}`);

const result = await client.callTool({ name: "minimax_image_generate", arguments: ARGUMENTS }, CallToolResultSchema, {
  onprogress: ({ progress, total, message }) => {
    const percent = Math.round((100 * progress) / (total ?? 1));
    console.log(`progress  ${String(percent).padStart(3)} %  ${message ?? ""}`);
  },
});
await client.close();

const output = toolOutputSchema.parse(result.structuredContent);
for (const { path, width, height } of output.images) {
  const { size } = await stat(path);
  console.log(`saved     ${path}  ${width}x${height} pixels, ${size} bytes`);
}
console.log(`\nDone: ${output.saved_count} pictures, drawn by the stand-in. Open one of the files above.`);
