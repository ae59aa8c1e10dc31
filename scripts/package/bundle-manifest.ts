import { bugs, description, engines, homepage, keywords, license, name, repository, version } from "../../package.json";
import { TOOL_NAME } from "../../src/constants.ts";

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
        env: {
          MINIMAX_API_KEY: "${user_config.api_key}",
          MINIMAX_OUTPUT_DIR: "${user_config.output_directory}",
          MINIMAX_API_HOST: "${user_config.api_host}",
        },
      },
    },
    tools: [{ name: TOOL_NAME, description: "Generate 1 to 9 images from a prompt and save them as files." }],
    compatibility: { platforms: ["darwin", "win32", "linux"], runtimes: { node: engines.node } },
    user_config: {
      api_key: {
        type: "string",
        title: "MiniMax API key",
        description: "From platform.minimax.io, or platform.minimax.cn in mainland China.",
        sensitive: true,
        required: true,
      },
      output_directory: {
        type: "directory",
        title: "Where images are saved",
        description: "Nothing is written outside this directory. Left empty: Pictures/minimax-image-mcp.",
        required: false,
      },
      api_host: {
        type: "string",
        title: "Region of the key",
        description: "global, or cn for a key from platform.minimax.cn.",
        default: "global",
        required: false,
      },
    },
  };
}
