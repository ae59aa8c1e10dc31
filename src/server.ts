import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import type { RequestHandlerExtra } from "@modelcontextprotocol/sdk/shared/protocol.js";
import type { CallToolResult, ServerNotification, ServerRequest } from "@modelcontextprotocol/sdk/types.js";
import { name, version } from "../package.json";
import { PROGRESS_INTERVAL_MS, TOOL_NAME } from "./constants.ts";
import { UserFacingError } from "./errors.ts";
import { type Dependencies, generateAndSave } from "./generate.ts";
import { toErrorResult, toResult } from "./result.ts";
import { type ToolInput, toolInputSchema, toolOutputSchema } from "./schemas.ts";
import { messageOf } from "./text.ts";
import { startCall } from "./timing/call.ts";
import { Progress } from "./timing/progress.ts";

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;

/** What the server is made of. */
export interface ServerOptions extends Dependencies {
  /** Time one call may take in all, in milliseconds. */
  readonly callBudgetMs: number;
}

/** A server that is ready to be connected to a transport. */
export interface ImageServer {
  readonly mcp: McpServer;
  /** Resolves when no call is running any more. */
  readonly settled: () => Promise<void>;
}

const DESCRIPTION =
  "Generate 1 to 9 images from a text prompt with MiniMax image-01 and save them as files. Costs money per image and takes 15 to 60 seconds. For several variants make one call with n, not several calls. Returns absolute file paths with pixel sizes.";

/** Builds the MCP server with its one tool. Nothing happens until it is connected. */
export function createServer(options: ServerOptions): ImageServer {
  const mcp = new McpServer({ name, version }, { instructions: instructionsFor(options) });
  const running = new Set<Promise<CallToolResult>>();
  mcp.registerTool(
    TOOL_NAME,
    {
      title: "Generate images with MiniMax",
      description: DESCRIPTION,
      inputSchema: toolInputSchema,
      outputSchema: toolOutputSchema,
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
    },
    async (input, extra) => {
      const call = runCall(input, extra, options);
      running.add(call);
      try {
        return await call;
      } finally {
        running.delete(call);
      }
    },
  );
  return {
    mcp,
    settled: async () => {
      await Promise.allSettled(running);
    },
  };
}

async function runCall(input: ToolInput, extra: Extra, options: ServerOptions): Promise<CallToolResult> {
  const send = progressSender(extra);
  using progress = send === undefined ? undefined : new Progress(options.timing.clock, PROGRESS_INTERVAL_MS, send);
  using call = startCall({
    cancelSignal: extra.signal,
    clock: options.timing.clock,
    budgetMs: options.callBudgetMs,
    onActivity: (activity) => progress?.enter(activity),
  });
  try {
    return toResult(await generateAndSave(input, options, call));
  } catch (error) {
    if (!(error instanceof UserFacingError) && !extra.signal.aborted) {
      options.log(`Unexpected error: ${messageOf(error)}`);
    }
    return toErrorResult(error);
  }
}

/** Nothing for a client that did not ask for progress. */
function progressSender(extra: Extra): ConstructorParameters<typeof Progress>[2] | undefined {
  const progressToken = extra._meta?.progressToken;
  if (progressToken === undefined) return undefined;
  return (step) => extra.sendNotification({ method: "notifications/progress", params: { progressToken, ...step } });
}

function instructionsFor({ outputRoot }: ServerOptions): string {
  return `Generates images with MiniMax (${TOOL_NAME}) and saves them as files in ${outputRoot.defaultDirectory}; output_dir may name another place inside ${outputRoot.base}. One call with n makes several images faster than several calls. Every call costs money and may take a minute. When an error says that images may have been billed, ask the user before calling again.`;
}
