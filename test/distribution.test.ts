import { readFile } from "node:fs/promises";
import { Ajv } from "ajv";
import addFormats from "ajv-formats";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import manifest from "../package.json";

const parameters = z.object({
  command: z.literal("npx"),
  args: z.tuple([z.literal("-y"), z.literal(manifest.name)]),
  env: z.strictObject({ MINIMAX_API_KEY: z.string() }),
});

async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await readFile(path, "utf8"));
}

describe("the entry in the MCP Registry", () => {
  test("is what the registry's schema asks for", async () => {
    const schema = z.record(z.string(), z.unknown()).parse(await readJson("test/package/server.schema.json"));
    const ajv = new Ajv({ strict: false });
    addFormats(ajv);
    const validate = ajv.compile(schema);

    expect(validate(await readJson("server.json")) ? [] : validate.errors).toEqual([]);
    expect(validate({ ...z.looseObject({}).parse(await readJson("server.json")), description: "x".repeat(101) })).toBe(
      false,
    );
  });

  test("names the package as the package names it, in the same version", async () => {
    expect(await readJson("server.json")).toMatchObject({
      name: manifest.mcpName,
      version: manifest.version,
      packages: [{ registryType: "npm", identifier: manifest.name, version: manifest.version }],
    });
  });

  test("keeps the key a secret", async () => {
    expect(JSON.stringify(await readJson("server.json"))).toMatch(
      /"name":"MINIMAX_API_KEY","description":"[^"]+","isRequired":true,"isSecret":true/,
    );
  });
});

describe("the README's install links", () => {
  const addresses = async (start: string): Promise<string[]> => {
    const readme = await readFile("README.md", "utf8");
    return readme.split(/[\s()]/).filter((word) => word.startsWith(start));
  };

  test.each(["cursor://anysphere.cursor-deeplink/mcp/install?", "https://cursor.com/en/install-mcp?"])(
    "to Cursor starts the package: %s",
    async (start) => {
      const [address = ""] = await addresses(start);
      const query = new URL(address).searchParams;
      const config: unknown = JSON.parse(Buffer.from(query.get("config") ?? "", "base64").toString("utf8"));

      expect(query.get("name")).toBe("minimax-image");
      expect(parameters.parse(config).env.MINIMAX_API_KEY).toBe("your-key");
    },
  );

  test("to VS Code starts the package, and asks for the key without showing it", async () => {
    const [app = ""] = await addresses("vscode:mcp/install?");
    const [web = ""] = await addresses("https://vscode.dev/redirect?");
    const config: unknown = JSON.parse(decodeURIComponent(app.slice(app.indexOf("?") + 1)));

    expect(config).toMatchObject({
      name: "minimax-image",
      inputs: [{ type: "promptString", id: "minimax-api-key", password: true }],
    });
    expect(parameters.parse(config).env.MINIMAX_API_KEY).toBe("${input:minimax-api-key}");
    expect(new URL(web).searchParams.get("url")).toBe(app);
  });
});

describe("the README's configurations", () => {
  const blocks = async (language: string): Promise<string[]> => {
    const readme = await readFile("README.md", "utf8");
    return [...readme.matchAll(new RegExp(`\`\`\`${language}\\n([^\`]+)\`\`\``, "g"))].flatMap(
      ([, text]) => text ?? [],
    );
  };

  test("are JSON that can be copied, and start the package or a clone of it", async () => {
    const configurations = (await blocks("json")).filter((text) => text.includes("minimax-image"));

    expect(configurations.length).toBeGreaterThan(10);
    for (const text of configurations) {
      expect(JSON.parse(text)).toBeTypeOf("object");
      expect(text).toMatch(/"-y",\s+"minimax-image-mcp"|minimax-image-mcp\/dist\/index\.js/);
      expect(text).toContain("MINIMAX_API_KEY");
    }
  });

  test("on Windows run npx by cmd, because it is a script there", async () => {
    const windows = (await readFile("README.md", "utf8")).split("Windows:\n").slice(1);

    expect(windows.length).toBeGreaterThan(5);
    for (const text of windows) expect(text.slice(0, 400)).toMatch(/"cmd"[\s\S]*"\/c",\s*"npx"/);
  });
});
