import { readFile } from "node:fs/promises";
import { Ajv } from "ajv";
import addFormats from "ajv-formats";
import sharp from "sharp";
import { parse as parseToml } from "smol-toml";
import { expect, test } from "vitest";
import { z } from "zod";
import manifest from "../package.json";
import { bundleManifest } from "../scripts/package/bundle-manifest.ts";

const ENV = { MINIMAX_API_KEY: "your-key" };
const ENV_OF_VS_CODE = { MINIMAX_API_KEY: "${input:minimax-api-key}" };
const NPX = { command: "npx", args: ["-y", manifest.name] };
const KEY_INPUT = { type: "promptString", id: "minimax-api-key", password: true };

const bundleSchema = z.object({
  server: z.object({ mcp_config: z.object({ env: z.record(z.string(), z.string()) }) }),
});
const entrySchema = z.looseObject({
  icons: z.tuple([z.object({ src: z.url(), sizes: z.tuple([z.string()]) })]),
  packages: z.tuple([z.looseObject({ environmentVariables: z.array(z.looseObject({ name: z.string() })) })]),
});

const entry = entrySchema.parse(JSON.parse(await readFile("server.json", "utf8")));
const readme = await readFile("README.md", "utf8");

test("the registry entry is what the registry's schema asks for", async () => {
  const schema: unknown = JSON.parse(await readFile("test/package/server.schema.json", "utf8"));
  const ajv = new Ajv({ strict: false });
  addFormats(ajv);
  const validate = ajv.compile(z.record(z.string(), z.unknown()).parse(schema));

  expect(validate(entry) ? [] : validate.errors).toEqual([]);
  expect(validate({ ...entry, description: "x".repeat(101) })).toBe(false);
});

test("the registry entry names the package, its version and its secret", () => {
  expect(entry).toMatchObject({
    name: manifest.mcpName,
    version: manifest.version,
    packages: [{ registryType: "npm", identifier: manifest.name, version: manifest.version }],
  });
  const secrets = entry.packages[0].environmentVariables.filter(({ isSecret }) => isSecret === true);
  expect(secrets).toMatchObject([{ name: "MINIMAX_API_KEY", isRequired: true }]);
});

test("the registry entry lists the variables that the bundle asks for", () => {
  const { env } = bundleSchema.parse(bundleManifest()).server.mcp_config;

  expect(entry.packages[0].environmentVariables.map(({ name }) => name)).toEqual(Object.keys(env));
  expect(Object.keys(env)).toEqual(["MINIMAX_API_KEY", "MINIMAX_OUTPUT_DIR", "MINIMAX_API_HOST"]);
});

test("the registry entry's icon is a file of the tagged version", async () => {
  const [{ src, sizes }] = entry.icons;
  const [, path = ""] = src.split(`/v${manifest.version}/`);
  const { format, width, height } = await sharp(path).metadata();

  expect(src).toMatch(/^https:\/\/raw\.githubusercontent\.com\/alexlivre\/minimax-image-mcp\//);
  expect({ format, sizes }).toEqual({ format: "png", sizes: [`${width}x${height}`] });
});

/** The parameters of the README's link that begins so. */
function linkOf(start: string): URLSearchParams {
  return new URL(readme.split(/[\s()]/).find((word) => word.startsWith(start)) ?? "").searchParams;
}

test("the README's link to Cursor starts the package", () => {
  const query = linkOf("https://cursor.com/link/mcp/install?");
  const config: unknown = JSON.parse(Buffer.from(query.get("config") ?? "", "base64").toString("utf8"));

  expect(query.get("name")).toBe("minimax-image");
  expect(config).toEqual({ ...NPX, env: ENV });
});

test("the README's link to VS Code starts the package and hides the key", () => {
  const [app, config = ""] = linkOf("https://vscode.dev/redirect?").get("url")?.split("?") ?? [];

  expect(app).toBe("vscode:mcp/install");
  expect(JSON.parse(decodeURIComponent(config))).toMatchObject({
    name: "minimax-image",
    inputs: [KEY_INPUT],
    ...NPX,
    env: ENV_OF_VS_CODE,
  });
});

/** The README's section of a client. */
function sectionOf(client: string): string {
  return readme.split(`<b>${client}</b>`)[1]?.split("</details>")[0] ?? "";
}

/** What the first code block in one of these languages holds. */
function blockIn(text: string): unknown {
  const [, language, block = ""] = /```(json|toml)\n([^`]+)```/.exec(text) ?? [];
  return language === "toml" ? parseToml(block) : JSON.parse(block);
}

test("the README's first code block is the whole standard configuration", () => {
  expect(readme.indexOf("```json")).toBe(readme.indexOf("```"));
  expect(blockIn(readme)).toEqual({ mcpServers: { "minimax-image": { ...NPX, env: ENV } } });
});

test.each([
  ["VS Code", { inputs: [KEY_INPUT], servers: { "minimax-image": { type: "stdio", ...NPX, env: ENV_OF_VS_CODE } } }],
  [
    "opencode, Kilo",
    { mcp: { "minimax-image": { command: ["npx", ...NPX.args], environment: ENV, timeout: 300_000 } } },
  ],
  ["Codex", { mcp_servers: { "minimax-image": { ...NPX, env: ENV, startup_timeout_sec: 60, tool_timeout_sec: 300 } } }],
])("the README's configuration for %s starts the package", (client, configuration) => {
  expect(blockIn(sectionOf(client))).toMatchObject(configuration);
});

test.each([
  ["Cline", { timeout: 300 }],
  ["Zed", { timeout: 300 }],
  ["From a clone", { command: "node", args: [`/full/path/to/${manifest.name}/dist/index.js`] }],
])("the README changes the standard configuration for %s", (client, change) => {
  const [, members = ""] = /`("\w+": [^`]+)`/.exec(sectionOf(client)) ?? [];

  expect(JSON.parse(`{${members}}`)).toEqual(change);
});

test("every other client of the README takes the standard configuration", () => {
  const clients = [...readme.matchAll(/<summary><b>([^<]+)<\/b>/g)].flatMap(([, client]) => client ?? []);

  expect(clients).toHaveLength(10);
  for (const client of clients) expect(sectionOf(client)).toMatch(/```|standard configuration/);
});
