import { mkdir, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";

const { MINIMAX_API_KEY = "", MINIMAX_API_HOST = "", MINIMAX_OUTPUT_DIR = "" } = process.env;
let files = 0;

/** @param {{ protocolVersion: string }} parameters */
function initialize({ protocolVersion }) {
  return { protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "baseline", version: "1.0.0" } };
}

/** @param {{ arguments: { prompt: string, n: number } }} parameters */
async function callTool({ arguments: { prompt, n } }) {
  const response = await fetch(`${MINIMAX_API_HOST}/v1/image_generation`, {
    method: "POST",
    headers: { Authorization: `Bearer ${MINIMAX_API_KEY}`, "Content-Type": "application/json" },
    body: JSON.stringify({ model: "image-01", prompt, n, response_format: "base64" }),
  });
  /** @type {{ data: { image_base64: string[] } }} */
  const { data } = JSON.parse(await response.text());
  await mkdir(MINIMAX_OUTPUT_DIR, { recursive: true });
  const paths = await Promise.all(data.image_base64.map(save));
  return { content: [{ type: "text", text: paths.join("\n") }], structuredContent: { file_paths: paths } };
}

/** @param {string} text */
async function save(text) {
  files += 1;
  const path = resolve(MINIMAX_OUTPUT_DIR, `${String(files)}.jpeg`);
  await writeFile(path, Buffer.from(text, "base64"));
  return path;
}

createInterface({ input: process.stdin }).on("line", (line) => {
  /**
   * @type {{ id: number, method: string, params: Parameters<typeof initialize>[0] & Parameters<typeof callTool>[0] }}
   */
  const { id, method, params } = JSON.parse(line);
  void (async () => {
    const result = method === "initialize" ? initialize(params) : await callTool(params);
    process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, result })}\n`);
  })();
});
