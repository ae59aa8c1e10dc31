import { mkdir, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ErrorCode, McpError } from "@modelcontextprotocol/sdk/types.js";
import { expect, test } from "vitest";
import { z } from "zod";
import { TOOL_NAME } from "../src/constants.ts";
import { bigJpeg } from "./support/big-jpeg.ts";
import { type SpawnedServer, spawnServer } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";

const SHOWS_VIEWS = {
  extensions: { "io.modelcontextprotocol/ui": { mimeTypes: ["text/html;profile=mcp-app"] } },
};
const NO_API = { url: "http://127.0.0.1:8" };

const plain = shareServer();
const shared = shareServer({ capabilities: SHOWS_VIEWS });

const uriOf = (path: string): string => `minimax-image:///${encodeURIComponent(path)}`;

async function refusal(server: SpawnedServer, uri: string): Promise<McpError> {
  const error: unknown = await server.client.readResource({ uri }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof McpError)) throw new Error("It was not refused.");
  return error;
}

test("without views a client is told of tools alone", () => {
  const { server } = plain.begin();

  expect(server.client.getServerCapabilities()).toStrictEqual({ tools: { listChanged: true } });
  expect(server.client.getInstructions()).toContain(TOOL_NAME);
});

test("without views a client gets the view that the tool names", async () => {
  const { server } = plain.begin();
  const { tools } = await server.client.listTools();
  const { ui } = z.object({ ui: z.object({ resourceUri: z.string() }) }).parse(tools[0]?._meta);
  const uri = ui.resourceUri;

  expect((await server.client.readResource({ uri })).contents).toMatchObject([{ uri }]);
  expect((await refusal(server, uriOf("/etc/passwd"))).code).toBe(ErrorCode.InvalidParams);
});

test("without views a client pays less than 80 bytes of tools/list for them", async () => {
  const { server } = plain.begin();

  const { tools } = await server.client.listTools();

  expect(tools).toHaveLength(1);
  expect(JSON.stringify({ _meta: tools[0]?._meta }).length).toBeLessThan(80);
});

test("a client of an unknown revision is answered with the newest one", async () => {
  await using server = await spawnServer({ api: NO_API });
  const request = { protocolVersion: "2099-01-01", capabilities: {}, clientInfo: { name: "new", version: "1" } };

  server.transport.write(`${JSON.stringify({ jsonrpc: "2.0", id: "again", method: "initialize", params: request })}\n`);
  await expect.poll(() => server.transport.stdout).toMatch(/"protocolVersion":"20[\d-]+".*"id":"again"/);
});

test("with views a client finds one page by the tool, which loads nothing", async () => {
  const { client } = shared.begin().server;

  expect(client.getServerCapabilities()).toStrictEqual({
    tools: { listChanged: true },
    resources: {},
    extensions: { "io.modelcontextprotocol/ui": {} },
  });
  const { tools } = await client.listTools();
  const { resources } = await client.listResources();
  const uri = resources[0]?.uri ?? "";
  expect(tools[0]?._meta).toStrictEqual({ ui: { resourceUri: uri } });

  const [view] = (await client.readResource({ uri })).contents;
  expect(view).toMatchObject({
    uri,
    mimeType: "text/html;profile=mcp-app",
    _meta: { ui: { permissions: { clipboardWrite: {} }, prefersBorder: false } },
  });
  expect(JSON.stringify(view).length).toBeLessThan(25_000);
  expect(JSON.stringify(view)).not.toMatch(
    /<(?:link|script|img|iframe)\b[^>]*\s(?:src|href)=|@import|url\(|100vh|https?:\/\/(?!www\.w3\.org\/2000\/svg)/,
  );
});

test("an image below the base is read to the last byte, whatever its name", async () => {
  const { server } = shared.begin();
  const path = join(server.outputDir, "Ä cat #1 50% & (more)'s.png");
  const bytes = bigJpeg(300_000);
  await writeFile(path, bytes);

  const { contents } = await server.client.readResource({ uri: uriOf(path) });

  expect(contents).toStrictEqual([{ uri: uriOf(path), mimeType: "image/jpeg", blob: bytes.toString("base64") }]);
});

test("an image in a directory for references is read", async () => {
  await using elsewhere = await temporaryDirectory();
  await using server = await spawnServer({
    api: NO_API,
    capabilities: SHOWS_VIEWS,
    env: { MINIMAX_REFERENCE_DIRS: elsewhere.path },
  });
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
  ["a file outside by a way up", (base: string) => uriOf(join(base, "x", "..", "..", "..", "etc", "passwd"))],
  ["a file that is not there", (base: string) => uriOf(join(base, "gone.jpeg"))],
  ["a file that is no image", (base: string) => uriOf(join(base, "notes.txt"))],
  ["a directory", (base: string) => uriOf(base)],
  ["a relative path", () => uriOf("notes.txt")],
  ["a path below ~", () => uriOf("~/notes.txt")],
  ["a file URL", (base: string) => uriOf(`file://${base}/image.jpeg`)],
  ["a NUL character", (base: string) => uriOf(`${join(base, "image.jpeg")}\0`)],
  ["broken percent-encoding", () => "minimax-image:///%E0%A4%A"],
  ["another scheme", (base: string) => `file://${join(base, "image.jpeg")}`],
  ["another view", () => "ui://minimax-image/other"],
])("%s is not read", async (_, uri) => {
  await using outside = await temporaryDirectory();
  const { server } = shared.begin();
  await writeFile(join(outside.path, "secret.jpeg"), bigJpeg(5000));
  await writeFile(join(server.outputDir, "image.jpeg"), bigJpeg(5000));
  await writeFile(join(server.outputDir, "notes.txt"), "nothing to see");

  expect((await refusal(server, uri(server.outputDir, outside.path))).code).toBe(ErrorCode.InvalidParams);
  expect(
    (await server.client.readResource({ uri: uriOf(join(server.outputDir, "image.jpeg")) })).contents,
  ).toHaveLength(1);
});

test("a GIF is refused without a word of MiniMax", async () => {
  const { server } = shared.begin();
  await writeFile(join(server.outputDir, "image.gif"), "GIF89a______");

  const { message } = await refusal(server, uriOf(join(server.outputDir, "image.gif")));

  expect(message).toContain("is not a JPEG, PNG or WebP image");
  expect(message).not.toContain("MiniMax");
});

test.skipIf(process.platform === "win32")("what a link inside leads out to is not read", async () => {
  await using outside = await temporaryDirectory();
  const { server } = shared.begin();
  await writeFile(join(outside.path, "secret.jpeg"), bigJpeg(5000));
  await mkdir(join(server.outputDir, "inside"));
  await symlink(join(outside.path, "secret.jpeg"), join(server.outputDir, "link.jpeg"));
  await symlink(outside.path, join(server.outputDir, "inside", "directory"));

  for (const path of ["link.jpeg", join("inside", "directory", "secret.jpeg")]) {
    const { code, message } = await refusal(server, uriOf(join(server.outputDir, path)));
    expect(code).toBe(ErrorCode.InvalidParams);
    expect(message).toContain("outside the directories that may be read");
  }
});
