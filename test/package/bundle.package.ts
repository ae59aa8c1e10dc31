import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import process from "node:process";
import { unpackExtension } from "@anthropic-ai/mcpb";
import type { ClientCapabilities } from "@modelcontextprotocol/sdk/types.js";
import sharp from "sharp";
import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import manifest from "../../package.json";
import { STAND_IN_KEY, startStandIn } from "../../stand-in/server.ts";
import { outputOf, type SpawnedServer, spawnServer } from "../support/server.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";
import { BUNDLE } from "./npm.ts";

const bundleSchema = z.object({
  version: z.string(),
  icon: z.string(),
  server: z.object({
    entry_point: z.string(),
    mcp_config: z.object({ command: z.string(), args: z.array(z.string()), env: z.record(z.string(), z.string()) }),
  }),
  tools: z.array(z.object({ name: z.string() })),
  user_config: z.record(z.string(), z.looseObject({ type: z.string() })),
});

let directory: TemporaryDirectory;
let bundle: z.infer<typeof bundleSchema>;

beforeAll(async () => {
  directory = await temporaryDirectory();
  await unpackExtension({ mcpbPath: resolve(BUNDLE), outputDir: directory.path, silent: true });
  bundle = bundleSchema.parse(JSON.parse(await readFile(join(directory.path, "manifest.json"), "utf8")));
  return () => directory[Symbol.asyncDispose]();
});

/** Fills the manifest's placeholders as Claude Desktop does: one without a setting stays as it stands. */
function filled(text: string, settings: Readonly<Record<string, string>>): string {
  return text
    .replace("${__dirname}", directory.path)
    .replace(/\$\{user_config\.(\w+)\}/g, (placeholder, name: string) => settings[name] ?? placeholder);
}

function start(
  api: { url: string },
  settings: Readonly<Record<string, string>> = {},
  capabilities: ClientCapabilities = {},
): Promise<SpawnedServer> {
  const all = { api_key: STAND_IN_KEY, api_host: api.url, ...settings };
  const { args, env } = bundle.server.mcp_config;
  const filledEnv = Object.entries(env).map(([name, value]): [string, string] => [name, filled(value, all)]);
  return spawnServer({
    api,
    capabilities,
    command: [process.execPath, ...args.map((argument) => filled(argument, all))],
    env: { HOME: directory.path, ...Object.fromEntries(filledEnv) },
  });
}

test("the bundle asks for the key as a secret", () => {
  expect(bundle.user_config).toMatchObject({
    api_key: { type: "string", sensitive: true, required: true },
    output_directory: { type: "directory" },
  });
  expect(bundle.version).toBe(manifest.version);
});

test("the bundle brings its icon along", async () => {
  expect(await sharp(join(directory.path, bundle.icon)).metadata()).toMatchObject({ format: "png", width: 512 });
});

test("the bundle has the tool that it names, and the view", async () => {
  await using api = await startStandIn();
  await using server = await start(api, {}, { extensions: { "io.modelcontextprotocol/ui": {} } });

  const { tools } = await server.client.listTools();
  const { resources } = await server.client.listResources();
  const { contents } = await server.client.readResource({ uri: resources[0]?.uri ?? "" });

  expect(bundle.tools.map(({ name }) => name)).toEqual(tools.map(({ name }) => name));
  expect(JSON.stringify(contents)).toContain("<!doctype html>");
});

test("the bundle saves in the chosen directory", async () => {
  await using api = await startStandIn();
  await using chosen = await temporaryDirectory();
  await using server = await start(api, { output_directory: chosen.path });

  const { file_paths } = outputOf(await server.generate({ prompt: "a cat" }));

  expect(file_paths).toEqual([expect.stringContaining(chosen.path)]);
  expect(await sharp(file_paths[0]).metadata()).toMatchObject({ format: "jpeg", width: 1024, height: 1024 });
});

test.each([
  ["left as a placeholder", {}],
  ["passed on empty", { output_directory: "" }],
])("the bundle saves without a chosen directory: %s", async (_case, settings) => {
  await using api = await startStandIn();
  await using server = await start(api, settings);

  const { file_paths } = outputOf(await server.generate({ prompt: "a cat" }));

  expect(file_paths).toEqual([expect.stringContaining(join(server.outputDir, "output"))]);
});
