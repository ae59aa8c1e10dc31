import {
  ErrorCode,
  type JSONRPCErrorResponse,
  type JSONRPCRequest,
  type Result,
} from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import { name, version } from "../../package.json";

/** The one revision without `initialize` that is served. */
export const REVISION = "2026-07-28";

/** Asks what the server is. Only revisions without `initialize` have this method. */
export const DISCOVER = "server/discover";

const PROTOCOL_VERSION = "io.modelcontextprotocol/protocolVersion";
const CLIENT_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";
const SERVER_INFO = "io.modelcontextprotocol/serverInfo";

const MISSING_CLIENT_CAPABILITY = -32_021;
const UNSUPPORTED_PROTOCOL_VERSION = -32_022;

/** How long a client may keep a list, in milliseconds: as long as the process lives it stays the same. */
const LIST_KEPT_MS = 300_000;
const CACHEABLE = /^server\/discover$|\/list$|^resources\/read$/;
const capabilitiesSchema = z.looseObject({ extensions: z.record(z.string(), z.unknown()).optional() });
const metaSchema = z.looseObject({ [PROTOCOL_VERSION]: z.string(), [CLIENT_CAPABILITIES]: capabilitiesSchema });
const toolsSchema = z.array(z.looseObject({}));

/** The capabilities of the client of one request. */
export type Capabilities = z.infer<typeof capabilitiesSchema>;

/** A request is refused. */
export interface Refusal {
  readonly error: JSONRPCErrorResponse["error"];
}

/**
 * The client of a request of this revision, or why the request is refused; undefined for one of an older revision.
 */
export function readClient({
  method,
  params,
}: JSONRPCRequest): { readonly capabilities: Capabilities } | Refusal | undefined {
  const meta = params?._meta ?? {};
  if (method !== DISCOVER && !(PROTOCOL_VERSION in meta) && !(CLIENT_CAPABILITIES in meta)) return undefined;
  const requested: unknown = meta[PROTOCOL_VERSION];
  if (typeof requested === "string" && requested !== REVISION) {
    return refusal(UNSUPPORTED_PROTOCOL_VERSION, "The protocol revision is not supported.", {
      supported: [REVISION],
      requested,
    });
  }
  const { success, data } = metaSchema.safeParse(meta);
  return success
    ? { capabilities: data[CLIENT_CAPABILITIES] }
    : invalidParams(`_meta needs ${PROTOCOL_VERSION} and ${CLIENT_CAPABILITIES}.`);
}

/** The parameters of the request cannot be used. */
export function invalidParams(message: string): Refusal {
  return refusal(ErrorCode.InvalidParams, message);
}

/** The revision has no such method, or the server does not offer it to this client. */
export function methodNotFound(): Refusal {
  return refusal(ErrorCode.MethodNotFound, "Method not found");
}

/** The request is for clients that announce an extension. */
export function missingExtension(extension: string): Refusal {
  return refusal(MISSING_CLIENT_CAPABILITY, `The request does not announce ${extension}.`, {
    requiredCapabilities: { extensions: { [extension]: {} } },
  });
}

/** A result as the revision wants it: with its type, the server's name, and how long the client may keep it. */
export function complete(method: string, result: Result): Result {
  return {
    ...(method === "tools/list" ? withoutExecution(result) : result),
    ...(CACHEABLE.test(method) ? { ttlMs: method === "resources/read" ? 0 : LIST_KEPT_MS, cacheScope: "private" } : {}),
    ...ofType("complete", result),
  };
}

/** The type and `_meta` of a result, beside the `_meta` that it had. */
export function ofType(resultType: "complete" | "task", { _meta }: Result = {}): Result {
  return { resultType, _meta: { ..._meta, [SERVER_INFO]: { name, version } } };
}

/** The revision's tools do not say whether they run as tasks. */
function withoutExecution(result: Result): Result {
  const tools = toolsSchema.parse(result["tools"]);
  return { ...result, tools: tools.map((tool) => ({ ...tool, execution: undefined })) };
}

function refusal(code: number, message: string, data?: object): Refusal {
  return { error: { code, message, data } };
}
