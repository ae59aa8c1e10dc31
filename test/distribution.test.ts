import { readFile } from "node:fs/promises";
import { Ajv } from "ajv";
import addFormats from "ajv-formats";
import sharp from "sharp";
import { parse as parseToml } from "smol-toml";
import { expect, test } from "vitest";
import { z } from "zod";
import manifest from "../package.json";
import { bundleManifest } from "../scripts/package/bundle-manifest.ts";

const parameters = z.object({
  command: z.literal("npx"),
  args: z.tuple([z.literal("-y"), z.literal(manifest.name)]),
  env: z.strictObject({ MINIMAX_API_KEY: z.string() }),
});

async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await readFile(path, "utf8"));
}

test("the registry entry is what the registry's schema asks for", async () => {
  const schema = z.record(z.string(), z.unknown()).parse(await readJson("test/package/server.schema.json"));
  const ajv = new Ajv({ strict: false });
  addFormats(ajv);
  const validate = ajv.compile(schema);

  expect(validate(await readJson("server.json")) ? [] : validate.errors).toEqual([]);
  expect(validate({ ...z.looseObject({}).parse(await readJson("server.json")), description: "x".repeat(101) })).toBe(
    false,
  );
});

test("the registry entry names the package and its version", async () => {
  expect(await readJson("server.json")).toMatchObject({
    name: manifest.mcpName,
    version: manifest.version,
    packages: [{ registryType: "npm", identifier: manifest.name, version: manifest.version }],
  });
});

test("the registry entry keeps the key a secret", async () => {
  expect(JSON.stringify(await readJson("server.json"))).toMatch(
    /"name":"MINIMAX_API_KEY","description":"[^"]+","isRequired":true,"isSecret":true/,
  );
});

const bundleSchema = z.object({
  server: z.object({ mcp_config: z.object({ env: z.record(z.string(), z.string()) }) }),
});
const entrySchema = z.object({
  icons: z.tuple([z.object({ src: z.url(), sizes: z.tuple([z.string()]) })]),
  packages: z.tuple([z.object({ environmentVariables: z.array(z.looseObject({ name: z.string() })) })]),
});

test("the registry entry lists the variables that the bundle asks for", async () => {
  const [{ environmentVariables }] = entrySchema.parse(await readJson("server.json")).packages;
  const { env } = bundleSchema.parse(bundleManifest()).server.mcp_config;

  expect(environmentVariables.map(({ name }) => name)).toEqual(Object.keys(env));
  expect(Object.keys(env)).toEqual(["MINIMAX_API_KEY", "MINIMAX_OUTPUT_DIR", "MINIMAX_API_HOST"]);
});

test("the registry entry's icon is a file of the tagged version", async () => {
  const [{ src, sizes }] = entrySchema.parse(await readJson("server.json")).icons;
  const [, path = ""] = src.split(`/v${manifest.version}/`);
  const { format, width, height } = await sharp(path).metadata();

  expect(src).toMatch(/^https:\/\/raw\.githubusercontent\.com\/alexlivre\/minimax-image-mcp\//);
  expect({ format, sizes }).toEqual({ format: "png", sizes: [`${width}x${height}`] });
});

const address = async (start: string): Promise<URL> => {
  const readme = await readFile("README.md", "utf8");
  return new URL(readme.split(/[\s()]/).find((word) => word.startsWith(start)) ?? "");
};

test("the README's link to Cursor starts the package", async () => {
  const query = (await address("https://cursor.com/link/mcp/install?")).searchParams;
  const config: unknown = JSON.parse(Buffer.from(query.get("config") ?? "", "base64").toString("utf8"));

  expect(query.get("name")).toBe("minimax-image");
  expect(parameters.parse(config).env.MINIMAX_API_KEY).toBe("your-key");
});

test("the README's link to VS Code starts the package and hides the key", async () => {
  const app = (await address("https://vscode.dev/redirect?")).searchParams.get("url") ?? "";
  const config: unknown = JSON.parse(decodeURIComponent(app.slice(app.indexOf("?") + 1)));

  expect(app).toMatch(/^vscode:mcp\/install\?/);
  expect(config).toMatchObject({
    name: "minimax-image",
    inputs: [{ type: "promptString", id: "minimax-api-key", password: true }],
  });
  expect(parameters.parse(config).env.MINIMAX_API_KEY).toBe("${input:minimax-api-key}");
});

const ENV = { MINIMAX_API_KEY: "your-key" };
const NPX = { command: "npx", args: ["-y", manifest.name] };
const WINDOWS_ARGUMENTS = `"command": "cmd", "args": ["/c", "npx", "-y", "${manifest.name}"]`;

/** The README's section of a client. */
async function sectionOf(client: string): Promise<string> {
  const readme = await readFile("README.md", "utf8");
  return readme.split(`<b>${client}</b>`)[1]?.split("</details>")[0] ?? "";
}

/** The blocks of one language in the README's section of a client. */
async function blocksOf(client: string, language: string): Promise<string[]> {
  return [...(await sectionOf(client)).matchAll(new RegExp(`\`\`\`${language}\\n([^\`]+)\`\`\``, "g"))].flatMap(
    ([, text]) => text ?? [],
  );
}

/** The members that the README's section of a client adds to the standard configuration. */
async function changeOf(client: string): Promise<unknown> {
  const [, members = ""] = /`("\w+": [^`]+)`/.exec(await sectionOf(client)) ?? [];
  return JSON.parse(`{${members}}`);
}

test("the README's first code block is the whole standard configuration", async () => {
  const [, first = ""] = (await readFile("README.md", "utf8")).split(/```json\n|```/);

  expect(JSON.parse(first)).toEqual({ mcpServers: { "minimax-image": { ...NPX, env: ENV } } });
});

test("the README names the line that differs on Windows right below it", async () => {
  const [, configuration = ""] = (await readFile("README.md", "utf8")).split(/<!-- configuration:(?:start|end) -->/);

  expect(configuration).toContain(WINDOWS_ARGUMENTS);
});

test.each([
  [
    "VS Code",
    {
      inputs: [{ type: "promptString", id: "minimax-api-key", description: "MiniMax API key", password: true }],
      servers: { "minimax-image": { type: "stdio", ...NPX, env: { MINIMAX_API_KEY: "${input:minimax-api-key}" } } },
    },
  ],
  [
    "opencode, Kilo",
    {
      mcp: {
        "minimax-image": {
          type: "local",
          command: [NPX.command, ...NPX.args],
          environment: ENV,
          enabled: true,
          timeout: 300_000,
        },
      },
    },
  ],
])("the README's configuration for %s is its own", async (client, configuration) => {
  const [text = ""] = await blocksOf(client, "json");

  expect(JSON.parse(text)).toEqual(configuration);
});

test("the README's configuration for Codex waits for server and call", async () => {
  const [toml = ""] = await blocksOf("Codex", "toml");

  expect(parseToml(toml)).toEqual({
    mcp_optional_startup_grace_ms: 30_000,
    mcp_servers: { "minimax-image": { ...NPX, env: ENV, startup_timeout_sec: 60, tool_timeout_sec: 300 } },
  });
});

test.each([
  ["Cline", { timeout: 300 }],
  ["Zed", { timeout: 300 }],
  ["From a clone", { command: "node", args: [`/full/path/to/${manifest.name}/dist/index.js`] }],
])("the README changes the standard configuration for %s", async (client, change) => {
  expect(await changeOf(client)).toEqual(change);
});

test("the README names Zed's own key", async () => {
  expect(await sectionOf("Zed")).toContain('`"context_servers"` in place of `"mcpServers"`');
});

test("the README's command for Claude Code starts the package with the key", async () => {
  const [command = ""] = await blocksOf("Claude Code", "sh");

  expect(command.trim()).toBe(`claude mcp add minimax-image -e MINIMAX_API_KEY=your-key -- npx -y ${manifest.name}`);
});

test("every other client of the README takes the standard configuration", async () => {
  const readme = await readFile("README.md", "utf8");
  const clients = [...readme.matchAll(/<summary><b>([^<]+)<\/b>/g)].flatMap(([, client]) => client ?? []);

  expect(clients).toHaveLength(10);
  for (const client of clients) {
    expect(await sectionOf(client)).toMatch(/```|standard configuration/);
  }
});
