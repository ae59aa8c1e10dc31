import { name } from "../../package.json";

const SERVER = "minimax-image";
const INPUT = { type: "promptString", id: "minimax-api-key", description: "MiniMax API key", password: true };
const NPX = { command: "npx", args: ["-y", name] };

/** Links that install the server with one click. */
export interface InstallLinks {
  /** The client's own scheme, which the operating system hands to it. */
  readonly app: string;
  /** The same by way of the client's web site, for pages that show only https links. */
  readonly web: string;
}

/**
 * Opens Cursor, which shows the configuration and the place for the key in it. Source: Cursor documentation, "MCP
 * install links".
 */
export function cursorLinks(): InstallLinks {
  const server = { ...NPX, env: { MINIMAX_API_KEY: "your-key" } };
  const query = `name=${SERVER}&config=${encodeURIComponent(Buffer.from(JSON.stringify(server)).toString("base64"))}`;
  return {
    app: `cursor://anysphere.cursor-deeplink/mcp/install?${query}`,
    web: `https://cursor.com/link/mcp/install?${query}`,
  };
}

/**
 * Opens VS Code, which asks for the key and keeps it as a secret. Source: VS Code documentation, "MCP developer guide",
 * URL handler.
 */
export function vsCodeLinks(): InstallLinks {
  const server = { name: SERVER, inputs: [INPUT], ...NPX, env: { MINIMAX_API_KEY: `\${input:${INPUT.id}}` } };
  const app = `vscode:mcp/install?${encodeURIComponent(JSON.stringify(server))}`;
  return { app, web: `https://vscode.dev/redirect?url=${encodeURIComponent(app)}` };
}
