import { name } from "../../package.json";
import { cursorLinks, vsCodeLinks } from "../package/install-links.ts";

const SERVER = "minimax-image";
const KEY = "your-key";
const RELEASES = "https://github.com/alexlivre/minimax-image-mcp/releases/latest";
const UNIX = { title: "macOS and Linux", command: "npx", args: ["-y", name], pictures: "/full/path/to/your/pictures" };
const WINDOWS = {
  title: "Windows",
  command: "cmd",
  args: ["/c", "npx", "-y", name],
  pictures: "C:\\Users\\you\\Pictures",
};

type Platform = typeof UNIX;

/** How to install the server in each client, one collapsible section a client. */
export function clients(): string {
  return [
    section("Claude Desktop", [
      `Download the \`.mcpb\` file of the [latest release](${RELEASES}) and open it: Claude Desktop asks for the key and the directory, and installs the server. Or open Settings → Developer → Edit Config, and add:`,
      ...platforms(({ command, args, pictures }) =>
        json({
          mcpServers: { [SERVER]: { command, args, env: { MINIMAX_API_KEY: KEY, MINIMAX_OUTPUT_DIR: pictures } } },
        }),
      ),
      "Then quit Claude Desktop completely and start it again.",
    ]),
    section("Claude Code", [
      "macOS and Linux:",
      code("sh", `claude mcp add ${SERVER} -e MINIMAX_API_KEY=${KEY} -- npx -y ${name}`),
      "Windows, in `cmd`; in PowerShell put the two dashes into quotation marks (`'--'`):",
      code("bat", `claude mcp add ${SERVER} -e MINIMAX_API_KEY=${KEY} -- cmd /c npx -y ${name}`),
      "Pictures go to `output` in the project you work in.",
    ]),
    section("Cursor", [
      "Use the link above, or open this address:",
      code("text", cursorLinks().app),
      "Or write into `~/.cursor/mcp.json` (all projects) or `.cursor/mcp.json` (one project):",
      ...mcpServers(),
    ]),
    section("VS Code", [
      "Use the link above, or open this address:",
      code("text", vsCodeLinks().app),
      "Or write into `.vscode/mcp.json`; VS Code asks for the key once and keeps it:",
      ...platforms(({ command, args }) =>
        json({
          inputs: [{ type: "promptString", id: "minimax-api-key", description: "MiniMax API key", password: true }],
          servers: { [SERVER]: { type: "stdio", command, args, env: { MINIMAX_API_KEY: "${input:minimax-api-key}" } } },
        }),
      ),
    ]),
    section("opencode", [
      "In `opencode.json` of the project, or in `~/.config/opencode/opencode.json`:",
      ...platforms(({ command, args }) =>
        json({
          mcp: {
            [SERVER]: {
              type: "local",
              command: [command, ...args],
              environment: { MINIMAX_API_KEY: KEY },
              enabled: true,
              timeout: 300_000,
            },
          },
        }),
      ),
    ]),
    section("Codex", [
      "In `~/.codex/config.toml`:",
      ...platforms(({ command, args }) =>
        code(
          "toml",
          `[mcp_servers.${SERVER}]\ncommand = "${command}"\nargs = ${JSON.stringify(args)}\nenv = { MINIMAX_API_KEY = "${KEY}" }\ntool_timeout_sec = 300`,
        ),
      ),
    ]),
    section("Gemini CLI", ["In `~/.gemini/settings.json`:", ...mcpServers()]),
    section("Windsurf, Cline, Zed and others", [
      "Most clients take the form that Cursor takes. Where a call is cut off after 60 seconds, raise the client's own limit to 300. Cline gives a server 1.5 seconds to start, too little for the first download by `npx`: run `npm install -g minimax-image-mcp` once, and give it `minimax-image-mcp` as the command (on Windows `cmd` with `/c`, `minimax-image-mcp`).",
      ...mcpServers(),
    ]),
    section("From a clone", [
      code("sh", "git clone https://github.com/alexlivre/minimax-image-mcp\ncd minimax-image-mcp\nnpm install"),
      "`npm install` builds the server. Then give your client `node` as the command and the full path of `dist/index.js` as its argument:",
      json({
        mcpServers: {
          [SERVER]: {
            command: "node",
            args: ["/full/path/to/minimax-image-mcp/dist/index.js"],
            env: { MINIMAX_API_KEY: KEY },
          },
        },
      }),
      "On Windows each backslash in JSON is written twice: `C:\\\\full\\\\path\\\\to\\\\minimax-image-mcp\\\\dist\\\\index.js`.",
    ]),
  ].join("\n\n");
}

function mcpServers(): string[] {
  return platforms(({ command, args }) =>
    json({ mcpServers: { [SERVER]: { command, args, env: { MINIMAX_API_KEY: KEY } } } }),
  );
}

function platforms(render: (platform: Platform) => string): string[] {
  return [UNIX, WINDOWS].flatMap((platform) => [`${platform.title}:`, render(platform)]);
}

function section(title: string, parts: readonly string[]): string {
  return [`<details>\n<summary><b>${title}</b></summary>`, ...parts, "</details>"].join("\n\n");
}

function json(value: unknown): string {
  return code("json", JSON.stringify(value, null, 2));
}

function code(language: string, text: string): string {
  return `\`\`\`${language}\n${text}\n\`\`\``;
}
