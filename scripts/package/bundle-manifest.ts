import { bugs, description, engines, homepage, keywords, license, name, repository, version } from "../../package.json";
import { variables } from "../../src/config/config.ts";
import { TOOL_NAME } from "../../src/constants.ts";

/** One variable that Claude Desktop asks for. */
interface Setting {
  readonly variable: string;
  /** What the manifest calls it. */
  readonly key: string;
  /** What the variable's own description does not say, with a space in front. */
  readonly addition?: string;
  readonly form: Readonly<Record<string, string | boolean>>;
}

const SETTINGS: readonly Setting[] = [
  {
    variable: "MINIMAX_API_KEY",
    key: "api_key",
    addition: " Create one at platform.minimax.io, or at platform.minimax.cn in mainland China.",
    form: { type: "string", title: "MiniMax API key", sensitive: true },
  },
  {
    variable: "MINIMAX_OUTPUT_DIR",
    key: "output_directory",
    addition:
      " Left empty: output in the directory the server is started in or, where that cannot be used, Pictures/minimax-image-mcp in your home directory.",
    form: { type: "directory", title: "Where images are saved" },
  },
  {
    variable: "MINIMAX_API_HOST",
    key: "api_host",
    form: { type: "string", title: "Region of the key", default: "global" },
  },
];

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
    support: bugs.url,
    license,
    keywords,
    server: {
      type: "node",
      entry_point: "dist/index.js",
      mcp_config: {
        command: "node",
        args: ["${__dirname}/dist/index.js"],
        env: Object.fromEntries(SETTINGS.map(({ variable, key }) => [variable, `\${user_config.${key}}`])),
      },
    },
    tools: [{ name: TOOL_NAME, description: "Generate 1 to 9 images from a prompt and save them as files." }],
    compatibility: { platforms: ["darwin", "win32", "linux"], runtimes: { node: engines.node } },
    user_config: Object.fromEntries(SETTINGS.map((setting) => [setting.key, userSetting(setting)])),
  };
}

function userSetting({ variable, addition = "", form }: Setting): object {
  const known = variables().find((candidate) => candidate.name === variable);
  if (known === undefined) throw new Error(`There is no variable ${variable}.`);
  return { ...form, description: `${known.description}${addition}`, required: known.fallback === "required" };
}
