import { description, homepage, mcpName, name, repository, version } from "../../package.json";
import { settings } from "./settings.ts";

const REPOSITORY = repository.url.replace(/^git\+|\.git$/g, "");
const SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json";

/** The entry in the MCP Registry: the npm package of this version, with the variables that a client asks for. */
export function serverJson(): object {
  return {
    $schema: SCHEMA,
    name: mcpName,
    title: "MiniMax Image",
    description,
    version,
    websiteUrl: homepage,
    repository: { url: REPOSITORY, source: "github" },
    icons: [{ src: iconAddress(), mimeType: "image/png", sizes: ["512x512"] }],
    packages: [
      {
        registryType: "npm",
        identifier: name,
        version,
        runtimeHint: "npx",
        transport: { type: "stdio" },
        environmentVariables: settings().map((setting) => ({
          name: setting.variable,
          description: setting.description,
          isRequired: setting.isRequired,
          isSecret: setting.isSecret,
          default: setting.preset,
        })),
      },
    ],
  };
}

/** By the version's tag: an entry in the registry never changes. */
function iconAddress(): string {
  return `${REPOSITORY.replace("//github.com/", "//raw.githubusercontent.com/")}/v${version}/.github/icon.png`;
}
