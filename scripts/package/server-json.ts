import { description, homepage, mcpName, name, repository, version } from "../../package.json";
import { settings } from "./settings.ts";

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
    repository: { url: repository.url.replace(/^git\+|\.git$/g, ""), source: "github" },
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
