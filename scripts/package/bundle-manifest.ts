import { bugs, description, engines, homepage, keywords, license, name, repository, version } from "../../package.json";
import { TOOL_NAME } from "../../src/constants.ts";
import { type Setting, settings } from "./settings.ts";

/** The icon's place in the bundle. */
export const BUNDLE_ICON = "icon.png";

/**
 * The manifest of the MCPB bundle: what Claude Desktop shows, asks for, and runs. Source: MCPB specification, manifest
 * version 0.4.
 */
export function bundleManifest(): object {
  return {
    manifest_version: "0.4",
    name,
    display_name: "MiniMax Image",
    version,
    description,
    author: { name: "minimax-image-mcp contributors", url: homepage },
    repository: { type: "git", url: repository.url.replace(/^git\+/, "") },
    homepage,
    documentation: homepage,
    icon: BUNDLE_ICON,
    support: bugs.url,
    license,
    keywords,
    server: {
      type: "node",
      entry_point: "dist/index.js",
      mcp_config: {
        command: "node",
        args: ["${__dirname}/dist/index.js"],
        env: Object.fromEntries(settings().map(({ variable, key }) => [variable, `\${user_config.${key}}`])),
      },
    },
    tools: [{ name: TOOL_NAME, description: "Generate 1 to 9 images from a prompt and save them as files." }],
    compatibility: { platforms: ["darwin", "win32", "linux"], runtimes: { node: engines.node } },
    user_config: Object.fromEntries(settings().map((setting) => [setting.key, userSetting(setting)])),
  };
}

function userSetting({ type, title, description, isRequired, isSecret, preset }: Setting): object {
  return { type, title, description, required: isRequired, sensitive: isSecret, default: preset };
}
