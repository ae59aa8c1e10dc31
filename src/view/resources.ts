import { isAbsolute } from "node:path";
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import {
  ErrorCode,
  InitializeRequestSchema,
  LATEST_PROTOCOL_VERSION,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  type ReadResourceResult,
  SUPPORTED_PROTOCOL_VERSIONS,
} from "@modelcontextprotocol/sdk/types.js";
import { name, version } from "../../package.json";
import { SHOWN_IMAGE_MAX_BYTES } from "../constants.ts";
import { UserFacingError } from "../errors.ts";
import { readLocalImage, type ReferencePlaces } from "../utils/reference-file.ts";

/** The view that shows the images of a result. */
export const VIEW_URI = "ui://minimax-image/images";

const EXTENSION = "io.modelcontextprotocol/ui";
const VIEW_MIME_TYPE = "text/html;profile=mcp-app";
const IMAGE_URI_START = "minimax-image:///";

/**
 * Offers the view (MCP Apps, specification 2026-01-26) and the images that it shows, to clients that announce the
 * extension and to nobody else: many clients add tools of their own to each conversation with a server that has
 * resources. The SDK answers `initialize` with whatever the server can do before it knows the client, so `initialize`
 * is answered here.
 *
 * @param instructions - what every client is told in the answer to `initialize`
 * @param places - which images may be read
 */
export function offerView({ server }: McpServer, instructions: string, places: ReferencePlaces): void {
  server.registerCapabilities({ resources: {} });
  server.setRequestHandler(InitializeRequestSchema, ({ params: { capabilities, protocolVersion } }) => {
    const showsViews = capabilities.extensions?.[EXTENSION] !== undefined;
    if (showsViews) serveResources(server, places);
    return {
      protocolVersion: SUPPORTED_PROTOCOL_VERSIONS.includes(protocolVersion)
        ? protocolVersion
        : LATEST_PROTOCOL_VERSION,
      capabilities: { tools: { listChanged: true }, ...(showsViews ? { resources: {} } : {}) },
      serverInfo: { name, version },
      instructions,
    };
  });
}

function serveResources(server: McpServer["server"], places: ReferencePlaces): void {
  server.setRequestHandler(ListResourcesRequestSchema, () => ({
    resources: [{ uri: VIEW_URI, name: "Generated images", mimeType: VIEW_MIME_TYPE }],
  }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [{ uriTemplate: `${IMAGE_URI_START}{path}`, name: "Saved image" }],
  }));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params: { uri } }) =>
    uri === VIEW_URI ? readView() : readImage(uri, places),
  );
}

async function readView(): Promise<ReadResourceResult> {
  const { page } = await import("./page.ts");
  const ui = { permissions: { clipboardWrite: {} }, prefersBorder: false };
  return { contents: [{ uri: VIEW_URI, mimeType: VIEW_MIME_TYPE, text: page, _meta: { ui } }] };
}

async function readImage(uri: string, places: ReferencePlaces): Promise<ReadResourceResult> {
  const path = pathOf(uri);
  if (path === undefined) throw refused(`Expected ${IMAGE_URI_START} with a percent-encoded absolute path.`);
  try {
    const { bytes, header } = await readLocalImage(path, "image", places, SHOWN_IMAGE_MAX_BYTES);
    return { contents: [{ uri, mimeType: header.mimeType, blob: Buffer.from(bytes).toString("base64") }] };
  } catch (error) {
    throw refused(error instanceof UserFacingError ? error.message : "The image cannot be read.");
  }
}

function pathOf(uri: string): string | undefined {
  if (!uri.startsWith(IMAGE_URI_START)) return undefined;
  try {
    const path = decodeURIComponent(uri.slice(IMAGE_URI_START.length));
    return isAbsolute(path) ? path : undefined;
  } catch {
    return undefined;
  }
}

function refused(message: string): McpError {
  return new McpError(ErrorCode.InvalidParams, message);
}
