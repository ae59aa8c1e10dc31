import { symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ErrorCode, McpError } from "@modelcontextprotocol/sdk/types.js";
import { expect, test } from "vitest";
import { TOOL_NAME } from "../src/constants.ts";
import { VIEW_URI } from "../src/view/resources.ts";
import { bigJpeg } from "./support/big-jpeg.ts";
import { type SpawnedServer, spawnServer } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";

const SHOWS_VIEWS = {
  extensions: { "io.modelcontextprotocol/ui": { mimeTypes: ["text/html;profile=mcp-app"] } },
};

const plain = shareServer();
const shared = shareServer({ capabilities: SHOWS_VIEWS });

const uriOf = (path: string): string => `minimax-image:///${encodeURIComponent(path)}`;

async function refusal({ client }: SpawnedServer, uri: string): Promise<McpError> {
  const error: unknown = await client.readResource({ uri }).catch((reason: unknown) => reason);
  if (!(error instanceof McpError)) throw new Error("It was not refused.");
  return error;
}

test("a client without views is told of tools, and gets the view it asks for", async () => {
  const { client } = plain.begin().server;

  expect(client.getServerCapabilities()).toStrictEqual({ tools: { listChanged: true } });
  expect(client.getInstructions()).toContain(TOOL_NAME);
  expect((await client.listTools()).tools[0]?._meta).toStrictEqual({ ui: { resourceUri: VIEW_URI } });
  expect((await client.readResource({ uri: VIEW_URI })).contents).toMatchObject([{ uri: VIEW_URI }]);
});

test("a client with views finds one page by the tool, which loads nothing", async () => {
  const { client } = shared.begin().server;

  expect(client.getServerCapabilities()).toStrictEqual({
    tools: { listChanged: true },
    resources: {},
    extensions: { "io.modelcontextprotocol/ui": {} },
  });
  expect((await client.listResources()).resources).toMatchObject([{ uri: VIEW_URI }]);
  const [view] = (await client.readResource({ uri: VIEW_URI })).contents;
  expect(view).toMatchObject({
    uri: VIEW_URI,
    mimeType: "text/html;profile=mcp-app",
    _meta: { ui: { csp: { resourceDomains: ["data:"] }, permissions: { clipboardWrite: {} }, prefersBorder: false } },
  });
  expect(JSON.stringify(view).length).toBeLessThan(25_000);
  expect(JSON.stringify(view)).not.toMatch(
    /<(?:link|script|img|iframe)\b[^>]*\s(?:src|href)=|@import|url\(|100vh|https?:\/\/(?!www\.w3\.org\/2000\/svg)/,
  );
});

test("an image below the base is read to the last byte, whatever its name", async () => {
  const { server } = shared.begin();
  const path = join(server.outputDir, "Ä cat #1 50% & (more)'s.png");
  const uri = uriOf(path);
  const bytes = bigJpeg(300_000);
  await writeFile(path, bytes);

  const { contents } = await server.client.readResource({ uri });

  expect(contents).toStrictEqual([{ uri, mimeType: "image/jpeg", blob: bytes.toString("base64") }]);
});

test("an image in a directory for references is read", async () => {
  await using elsewhere = await temporaryDirectory();
  const env = { MINIMAX_REFERENCE_DIRS: elsewhere.path };
  await using server = await spawnServer({ api: { url: "http://127.0.0.1:8" }, capabilities: SHOWS_VIEWS, env });
  const path = join(elsewhere.path, "face.jpeg");
  await writeFile(path, bigJpeg(5000));

  expect((await server.client.readResource({ uri: uriOf(path) })).contents).toHaveLength(1);
});

test("an image is read up to 7 MB, which fits into the SDK's line", async () => {
  const { server } = shared.begin();
  const path = join(server.outputDir, "large.jpeg");
  await writeFile(path, bigJpeg(6_999_999));
  const { contents } = await server.client.readResource({ uri: uriOf(path) });
  expect(JSON.stringify(contents).length).toBeLessThan(10 * 1024 * 1024 - 1000);

  await truncate(path, 7_000_000);

  expect((await refusal(server, uriOf(path))).message).toContain("7 MB or larger");
});

test.each([
  ["a file outside", (_base: string, outside: string) => uriOf(join(outside, "secret.jpeg"))],
  ["a file to which a link leads out", (base: string) => uriOf(join(base, "link", "secret.jpeg"))],
  ["a file outside by a way up", (base: string) => uriOf(join(base, "x", "..", "..", "..", "etc", "passwd"))],
  ["a file that is no image", (base: string) => uriOf(join(base, "notes.txt"))],
  ["a path below ~", () => uriOf("~/notes.txt")],
  ["a file URL", (base: string) => uriOf(`file://${base}/image.jpeg`)],
  ["another scheme", (base: string) => uriOf(join(base, "image.jpeg")).replace(/^.{17}/, "http://127.0.0.1/")],
  ["another view", () => "ui://minimax-image/other"],
])("%s is not read, and MiniMax is not named", async (_, uri) => {
  await using outside = await temporaryDirectory();
  const { server } = shared.begin();
  await writeFile(join(outside.path, "secret.jpeg"), bigJpeg(5000));
  await symlink(outside.path, join(server.outputDir, "link"), "junction");
  await writeFile(join(server.outputDir, "image.jpeg"), bigJpeg(5000));
  await writeFile(join(server.outputDir, "notes.txt"), "nothing to see");

  const { code, message } = await refusal(server, uri(server.outputDir, outside.path));

  expect(code).toBe(ErrorCode.InvalidParams);
  expect(message).not.toContain("MiniMax");
});
