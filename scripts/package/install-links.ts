import { name } from "../../package.json";

const SERVER = "minimax-image";
const INPUT = { type: "promptString", id: "minimax-api-key", description: "MiniMax API key", password: true };
const NPX = { command: "npx", args: ["-y", name] };

/**
 * Opens Cursor, which shows the configuration and the place for the key in it. By way of Cursor's web site, because
 * many pages show only https links. Source: Cursor documentation, "MCP install links".
 */
export function cursorLink(): string {
  const server = { ...NPX, env: { MINIMAX_API_KEY: "your-key" } };
  const config = Buffer.from(JSON.stringify(server)).toString("base64");
  return `https://cursor.com/link/mcp/install?name=${SERVER}&config=${encodeURIComponent(config)}`;
}

/**
 * Opens VS Code by way of its web site; it asks for the key and keeps it as a secret. Source: VS Code documentation,
 * "MCP developer guide", URL handler.
 */
export function vsCodeLink(): string {
  const server = { name: SERVER, inputs: [INPUT], ...NPX, env: { MINIMAX_API_KEY: `\${input:${INPUT.id}}` } };
  const app = `vscode:mcp/install?${encodeURIComponent(JSON.stringify(server))}`;
  return `https://vscode.dev/redirect?url=${encodeURIComponent(app)}`;
}
