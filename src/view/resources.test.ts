import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { expect, test } from "vitest";
import { bigJpeg } from "../../test/support/big-jpeg.ts";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { readLocalImage } from "../utils/local-image.ts";
import { offerView, type ReadShownImage, SHOWN_IMAGE_MAX_BYTES } from "./resources.ts";

const EXTENSION = "io.modelcontextprotocol/ui";
const SHOWS_VIEWS = { extensions: { [EXTENSION]: {} } };

function below(base: string): ReadShownImage {
  const places = { base, referenceDirectories: [], homeDirectory: undefined };
  return (path) => readLocalImage({ path, name: "image", limitBytes: SHOWN_IMAGE_MAX_BYTES }, places);
}

async function connected(capabilities: object, readImage: ReadShownImage): Promise<Client> {
  const mcp = new McpServer({ name: "test", version: "1.0.0" });
  mcp.registerTool("nothing", {}, () => ({ content: [] }));
  offerView(mcp, "Instructions.", readImage);
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
  const client = await connected(SHOWS_VIEWS, below(directory.path));
  const uri = `minimax-image:///${encodeURIComponent(path)}`;

  expect(client.getServerCapabilities()).toEqual({
    tools: { listChanged: true },
    resources: {},
    extensions: { [EXTENSION]: {} },
  });
  expect((await client.listResources()).resources).toEqual([
    { uri: "ui://minimax-image/images", name: "Generated images", mimeType: "text/html;profile=mcp-app" },
  ]);
  expect((await client.listResourceTemplates()).resourceTemplates).toEqual([
    { uriTemplate: "minimax-image:///{path}", name: "Saved image" },
  ]);
  expect(await client.readResource({ uri })).toEqual({
    contents: [{ uri, mimeType: "image/jpeg", blob: image.toString("base64") }],
  });
});

test.each([
  ["minimax-image:///relative.jpeg", "Expected minimax-image:/// with a percent-encoded absolute path."],
  ["minimax-image:///%ZZ", "Expected minimax-image:/// with a percent-encoded absolute path."],
  ["file:///etc/hostname", "Expected minimax-image:/// with a percent-encoded absolute path."],
  ["another-image:///%2Fetc%2Fhostname", "Expected minimax-image:/// with a percent-encoded absolute path."],
  ["minimax-image:///%2Fetc%2Fhostname", "outside the directories"],
])("nothing is read for %s", async (uri, words) => {
  await using directory = await temporaryDirectory();
  const client = await connected(SHOWS_VIEWS, below(directory.path));

  await expect(client.readResource({ uri })).rejects.toThrow(words);
});

test("a defect while an image is read stays inside", async () => {
  const client = await connected(SHOWS_VIEWS, () => Promise.reject(new Error("x is not a function")));

  const reading = client.readResource({ uri: "minimax-image:///%2Fa.png" });

  await expect(reading).rejects.toThrow("-32602: The image cannot be read.");
});

test("a client that does not show views is told of no resources", async () => {
  const client = await connected({}, below("/"));

  expect(client.getServerCapabilities()).toEqual({ tools: { listChanged: true } });
  expect(client.getInstructions()).toBe("Instructions.");
});
