import { isAbsolute } from "node:path";
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import {
  ErrorCode,
  type Implementation,
  InitializeRequestSchema,
  LATEST_PROTOCOL_VERSION,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  type ReadResourceResult,
  type ServerCapabilities,
  SUPPORTED_PROTOCOL_VERSIONS,
} from "@modelcontextprotocol/sdk/types.js";
import { name, version } from "../../package.json";
import { UserFacingError } from "../errors.ts";
import type { LocalImage } from "../utils/local-image.ts";

/** The view that shows the images of a result. */
export const VIEW_URI = "ui://minimax-image/images";

/**
 * Images of this many bytes or more are not handed to a view: in base64 and JSON a longer line is more than the 10 MiB
 * that the MCP SDK's client takes, which then drops the connection.
 */
export const SHOWN_IMAGE_MAX_BYTES = 7_000_000;

const EXTENSION = "io.modelcontextprotocol/ui";
const VIEW_MIME_TYPE = "text/html;profile=mcp-app";
const IMAGE_URI_START = "minimax-image:///";

/**
 * Reads an image that may be read and is small enough to be handed to a view; `path` is absolute.
 *
 * @throws SubjectReferenceError for anything else; the signal's reason when it aborts
 */
export type ReadShownImage = (path: string, signal: AbortSignal) => Promise<LocalImage>;

/** The server's introduction to a client. */
export interface Introduction {
  readonly capabilities: ServerCapabilities;
  readonly serverInfo: Implementation;
  readonly instructions: string;
}

/** Introduces the server to a client that announces these extensions. */
export type Introduce = (client: {
  readonly extensions?: Readonly<Record<string, unknown>> | undefined;
}) => Introduction;

/**
 * Serves the view (MCP Apps, specification 2026-01-26) and the images that it shows. They are announced to clients that
 * announce the extension and to no others: many clients add tools of their own to each conversation with a server
 * that has resources. A client that asks for them unannounced gets them, because the tool names the view to everybody.
 * The SDK answers `initialize` with whatever the server can do before it knows the client, so `initialize` is answered
 * here.
 *
 * @param instructions - for every client
 * @param readImage - reads an image that a view may show
 */
export function offerView({ server }: McpServer, instructions: string, readImage: ReadShownImage): Introduce {
  const introduce: Introduce = ({ extensions }) => {
    const view = extensions?.[EXTENSION] === undefined ? {} : { resources: {}, extensions: { [EXTENSION]: {} } };
    return { capabilities: { tools: { listChanged: true }, ...view }, serverInfo: { name, version }, instructions };
  };
  server.registerCapabilities({ resources: {} });
  serveResources(server, readImage);
  server.setRequestHandler(InitializeRequestSchema, ({ params: { capabilities, protocolVersion } }) => ({
    protocolVersion: SUPPORTED_PROTOCOL_VERSIONS.includes(protocolVersion) ? protocolVersion : LATEST_PROTOCOL_VERSION,
    ...introduce(capabilities),
  }));
  return introduce;
}

function serveResources(server: McpServer["server"], readImage: ReadShownImage): void {
  server.setRequestHandler(ListResourcesRequestSchema, () => ({
    resources: [{ uri: VIEW_URI, name: "Generated images", mimeType: VIEW_MIME_TYPE }],
  }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [{ uriTemplate: `${IMAGE_URI_START}{path}`, name: "Saved image" }],
  }));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params: { uri } }, { signal }) =>
    uri === VIEW_URI ? readView() : readShown(uri, (path) => readImage(path, signal)),
  );
}

async function readView(): Promise<ReadResourceResult> {
  const { page } = await import("./page.ts");
  const csp = { resourceDomains: ["data:"] };
  const ui = { csp, permissions: { clipboardWrite: {} }, prefersBorder: false };
  return { contents: [{ uri: VIEW_URI, mimeType: VIEW_MIME_TYPE, text: page, _meta: { ui } }] };
}

async function readShown(uri: string, readImage: (path: string) => Promise<LocalImage>): Promise<ReadResourceResult> {
  const path = pathOf(uri);
  if (path === undefined) throw refused(uri, `Expected ${IMAGE_URI_START} with a percent-encoded absolute path.`);
  try {
    const { bytes, header } = await readImage(path);
    return { contents: [{ uri, mimeType: header.mimeType, blob: Buffer.from(bytes).toString("base64") }] };
  } catch (error) {
    throw refused(uri, error instanceof UserFacingError ? error.message : "The image cannot be read.");
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

function refused(uri: string, message: string): McpError {
  return new McpError(ErrorCode.InvalidParams, message, { uri });
}
