import type { Plugin } from "rolldown";

const THROW = '() => { throw new Error("This build has no such library."); }';
const LIBRARIES: ReadonlyMap<string, string> = new Map([
  ["ajv", "export default class {}"],
  ["ajv-formats", "export default () => undefined;"],
  ["zod/v3", `export const object = ${THROW};`],
  ["zod-to-json-schema", `export const zodToJsonSchema = ${THROW};`],
  [
    "undici",
    `import Dispatcher from "undici/lib/dispatcher/dispatcher.js";
    import api from "undici/lib/api/index.js";
    Object.assign(Dispatcher.prototype, api);
    export { default as EnvHttpProxyAgent } from "undici/lib/dispatcher/env-http-proxy-agent.js";
    export { setGlobalDispatcher } from "undici/lib/global.js";`,
  ],
]);

/**
 * Leaves out what the libraries bring for cases this server does not have. The SDK: JSON Schema validation of what a
 * client's user filled in (elicitation), and tools whose schemas are written with Zod 3. undici: everything but its
 * proxy agent, composed as its own index does.
 */
export const withoutUnusedLibraries: Plugin = {
  name: "without-unused-libraries",
  resolveId: (specifier) => (LIBRARIES.has(specifier) ? { id: `\0${specifier}` } : null),
  load: (id) => LIBRARIES.get(id.slice(1)) ?? null,
};
