import { description, mcpName, name, repository, version } from "../../package.json";
import { variables } from "../../src/config/config.ts";

const SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json";

/** The entry in the MCP Registry: the npm package of this version, with the variables that a client may ask for. */
export function serverJson(): object {
  return {
    $schema: SCHEMA,
    name: mcpName,
    title: "MiniMax Image",
    description,
    version,
    repository: { url: repository.url.replace(/^git\+|\.git$/g, ""), source: "github" },
    packages: [
      {
        registryType: "npm",
        identifier: name,
        version,
        runtimeHint: "npx",
        transport: { type: "stdio" },
        environmentVariables: variables().map((variable) => ({
          name: variable.name,
          description: variable.description,
          isRequired: variable.fallback === "required",
          isSecret: variable.name === "MINIMAX_API_KEY",
        })),
      },
    ],
  };
}
