import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { expect, test } from "vitest";
import { bigJpeg } from "../../test/support/big-jpeg.ts";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { readLocalImage } from "../utils/local-image.ts";
import { offerView, SHOWN_IMAGE_MAX_BYTES } from "./resources.ts";

const SHOWS_VIEWS = { extensions: { "io.modelcontextprotocol/ui": {} } };

async function connected(base: string, capabilities: object): Promise<Client> {
  const mcp = new McpServer({ name: "test", version: "1.0.0" });
  mcp.registerTool("nothing", {}, () => ({ content: [] }));
  const places = { base, referenceDirectories: [], homeDirectory: undefined };
  offerView(mcp, "Instructions.", (path) =>
    readLocalImage({ path, name: "image", limitBytes: SHOWN_IMAGE_MAX_BYTES }, places),
  );
  const client = new Client({ name: "test", version: "1.0.0" }, { capabilities });
  const [clientSide, serverSide] = InMemoryTransport.createLinkedPair();
  await Promise.all([mcp.connect(serverSide), client.connect(clientSide)]);
  return client;
}

test("a client that shows views lists the view and reads an image", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "a b.jpeg");
  const image = bigJpeg(5000);
  await writeFile(path, image);
  const client = await connected(directory.path, SHOWS_VIEWS);
  const uri = `minimax-image:///${encodeURIComponent(path)}`;

  expect((await client.listResources()).resources).toMatchObject([{ mimeType: "text/html;profile=mcp-app" }]);
  expect((await client.listResourceTemplates()).resourceTemplates).toHaveLength(1);
  expect(await client.readResource({ uri })).toEqual({
    contents: [{ uri, mimeType: "image/jpeg", blob: image.toString("base64") }],
  });
});

test.each([
  "minimax-image:///relative.jpeg",
  "minimax-image:///%ZZ",
  "file:///etc/hostname",
  "minimax-image:///%2Fetc%2Fhostname",
])("nothing is read for %s", async (uri) => {
  await using directory = await temporaryDirectory();
  const client = await connected(directory.path, SHOWS_VIEWS);

  await expect(client.readResource({ uri })).rejects.toThrow(/Expected minimax-image|outside the directories/);
});

test("a client that does not show views is told of no resources", async () => {
  await using directory = await temporaryDirectory();
  const client = await connected(directory.path, {});

  expect(client.getServerCapabilities()?.resources).toBeUndefined();
  expect(client.getInstructions()).toBe("Instructions.");
});
