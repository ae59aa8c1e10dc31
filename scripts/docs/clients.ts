import { name, repository } from "../../package.json";
import { cursorLink, vsCodeLink } from "../package/install-links.ts";

const SERVER = "minimax-image";
const REPOSITORY = repository.url.replace(/^git\+|\.git$/g, "");
const ENV = { MINIMAX_API_KEY: "your-key" };
const NPX = { command: "npx", args: ["-y", name], env: ENV };

/** The configuration that most clients take, the same on every system but for one line. */
export function standardConfiguration(): string {
  return [
    json({ mcpServers: { [SERVER]: NPX } }),
    `On Windows, where \`npx\` is a script, write \`"command": "cmd", "args": ["/c", "npx", "-y", "${name}"]\` instead.`,
  ].join("\n\n");
}

/** What each client needs beyond the standard configuration, one collapsible section a client. */
export function clients(): string {
  return [
    section("Claude Desktop", [
      `Download the \`.mcpb\` file of the [latest release](${REPOSITORY}/releases/latest) and open it: Claude Desktop asks for the key, its region and the directory, and installs the server. Or add the standard configuration under Settings → Developer → Edit Config, with a \`MINIMAX_OUTPUT_DIR\` of your choice; then quit Claude Desktop completely and start it again.`,
    ]),
    section("Claude Code", [
      code("sh", `claude mcp add ${SERVER} -e MINIMAX_API_KEY=your-key -- npx -y ${name}`),
      `On Windows end with \`-- cmd /c npx -y ${name}\`; PowerShell wants \`'--'\` in quotation marks, Git Bash \`//c\`. Images go to \`output\` in the project you work in.`,
    ]),
    section("Cursor", [
      `[Install in Cursor](${cursorLink()}), or put the standard configuration into \`~/.cursor/mcp.json\` (all projects) or \`.cursor/mcp.json\` (one project).`,
    ]),
    section("VS Code", [
      `[Install in VS Code](${vsCodeLink()}), or write into \`.vscode/mcp.json\`. VS Code asks for the key once and keeps it:`,
      json({
        inputs: [{ type: "promptString", id: "minimax-api-key", description: "MiniMax API key", password: true }],
        servers: { [SERVER]: { type: "stdio", ...NPX, env: { MINIMAX_API_KEY: "${input:minimax-api-key}" } } },
      }),
    ]),
    section("Codex", [
      "In `~/.codex/config.toml`, with the first line above all tables. Codex starts a turn after one second, without the servers that are still starting; this line makes it wait for them and go on without one that cannot start, where `required = true` would end Codex itself:",
      code(
        "toml",
        [
          "mcp_optional_startup_grace_ms = 30000",
          "",
          `[mcp_servers.${SERVER}]`,
          'command = "npx"',
          `args = ["-y", "${name}"]`,
          'env = { MINIMAX_API_KEY = "your-key" }',
          "startup_timeout_sec = 60",
          "tool_timeout_sec = 300",
        ].join("\n"),
      ),
    ]),
    section("opencode, Kilo", [
      "In `opencode.json` of the project, or in `~/.config/opencode/opencode.json`; Kilo takes the same form:",
      json({
        mcp: {
          [SERVER]: {
            type: "local",
            command: [NPX.command, ...NPX.args],
            environment: ENV,
            enabled: true,
            timeout: 300_000,
          },
        },
      }),
    ]),
    section("Gemini CLI, Qwen Code, Copilot CLI, Windsurf", [
      "The standard configuration, in `~/.gemini/settings.json`, `~/.qwen/settings.json`, `~/.copilot/mcp-config.json`, or Windsurf's `mcp_config.json`.",
    ]),
    section("Cline", [
      'The standard configuration, in `cline_mcp_settings.json`, with `"timeout": 300` after the `env` block. It counts in seconds and covers the start as well as a call: without it Cline gives a server 1.5 seconds to start, and a call 60.',
    ]),
    section("Zed", [
      'The standard configuration, in `settings.json`, with `"context_servers"` in place of `"mcpServers"`, and `"timeout": 300` after the `env` block. It counts in seconds: without it Zed gives the start and each call 60.',
    ]),
    section("From a clone", [
      `Clone the repository and run \`npm install\` in it, which also builds the server. Then the standard configuration, with \`"command": "node", "args": ["/full/path/to/${name}/dist/index.js"]\` in it; on Windows each backslash in JSON is written twice. After \`git pull\` run \`npm install\` again.`,
    ]),
  ].join("\n\n");
}

function section(title: string, parts: readonly string[]): string {
  return [`<details>\n<summary><b>${title}</b></summary>`, ...parts, "</details>"].join("\n\n");
}

/** An object that holds neither objects nor lists stays on one line. */
function json(value: unknown): string {
  const text = JSON.stringify(value, null, 2);
  return code(
    "json",
    text.replace(/\{(?:"[^"]*"|[^{}[\]"])*\}/g, (object) => object.replace(/\s+/g, " ")),
  );
}

function code(language: string, text: string): string {
  return `\`\`\`${language}\n${text}\n\`\`\``;
}
