import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import type { RequestHandlerExtra } from "@modelcontextprotocol/sdk/shared/protocol.js";
import type { RequestId, ServerNotification, ServerRequest } from "@modelcontextprotocol/sdk/types.js";
import { name, version } from "../package.json";
import { parseArguments } from "./arguments.ts";
import type { Delivery } from "./calls/call.ts";
import { callKey } from "./calls/call-key.ts";
import { CallRegistry } from "./calls/call-registry.ts";
import { TOOL_NAME } from "./constants.ts";
import { UserFacingError } from "./errors.ts";
import { generateAndSave, type Parts } from "./generate.ts";
import { toErrorResult, toResult } from "./result.ts";
import { toolArgumentsSchema, toolOutputSchema } from "./schemas.ts";
import { messageOf } from "./text/text.ts";
import { Progress } from "./timing/progress.ts";
import { type Introduce, offerView, SHOWN_IMAGE_MAX_BYTES, VIEW_URI } from "./view/resources.ts";

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;

/** The parts of the server, and its time limit. */
interface ServerOptions extends Parts {
  /** Time one call may take in all, in milliseconds. */
  readonly callBudgetMs: number;
  /** How the result of a request reaches the client, when it is not at once. */
  readonly deliveryOf?: (requestId: RequestId) => Delivery | undefined;
}

/** A server that is ready to be connected to a transport. */
interface ImageServer {
  readonly mcp: McpServer;
  /** Introduces the server to a client. */
  readonly introduce: Introduce;
  /**
   * Closes the connection and ends every call, also those without a waiting client: images that have come are saved
   * within 250 ms, all else is cancelled. Resolves when none is running.
   */
  readonly close: () => Promise<void>;
}

/** The process has half a second to end: the rest of it is for cleaning up. */
const SAVING_AT_END_MS = 250;

const DESCRIPTION =
  "Generate 1 to 9 images from a text prompt with MiniMax image-01 and save them as files. Costs money per image and usually takes 15 to 30 seconds. For several variants make one call with n, not several calls. Returns absolute file paths with pixel sizes. If a call times out, make exactly the same call again: if the first one went on, that returns its images at no extra cost.";

const TOOL = {
  title: "Generate images with MiniMax",
  description: DESCRIPTION,
  inputSchema: toolArgumentsSchema,
  outputSchema: toolOutputSchema,
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  _meta: { ui: { resourceUri: VIEW_URI } },
};

/** Builds the MCP server with its one tool. It does nothing until it is connected. */
export function createServer({ callBudgetMs, deliveryOf, ...parts }: ServerOptions): ImageServer {
  const { timing, workspace, log } = parts;
  const mcp = new McpServer({ name, version });
  const calls = new CallRegistry({
    clock: timing.clock,
    budgetMs: callBudgetMs,
    log,
    findUnchanged: (saved) => workspace.findUnchanged(saved),
  });
  mcp.registerTool(TOOL_NAME, TOOL, async (args, extra) => {
    try {
      const input = parseArguments(args);
      using progress = progressFor(extra, parts, callBudgetMs);
      return await calls.join(
        {
          key: callKey(input, workspace.pathOf(input.output_dir)),
          prompt: input.prompt,
          waiter: { signal: extra.signal, report: progress?.report, delivery: deliveryOf?.(extra.requestId) },
        },
        (call) => generateAndSave(input, parts, call),
        (joined) => toResult(joined, input, workspace),
      );
    } catch (error) {
      if (!(error instanceof UserFacingError) && !extra.signal.aborted) log(`Unexpected error: ${messageOf(error)}`);
      return toErrorResult(error);
    }
  });
  const introduce = offerView(mcp, instructionsFor(workspace.places), (path, signal) =>
    workspace.readImage({ path, name: "image", limitBytes: SHOWN_IMAGE_MAX_BYTES }, signal),
  );
  return {
    mcp,
    introduce,
    close: async () => {
      calls.end();
      await mcp.close();
      await calls.settle(SAVING_AT_END_MS);
    },
  };
}

/** Undefined for a client that did not ask for progress. */
function progressFor({ _meta, sendNotification }: Extra, { timing }: Parts, budgetMs: number): Progress | undefined {
  const progressToken = _meta?.progressToken;
  if (progressToken === undefined) return undefined;
  return new Progress(timing.clock, budgetMs, (step) =>
    sendNotification({ method: "notifications/progress", params: { progressToken, ...step } }),
  );
}

function instructionsFor({ base, defaultDirectory }: Parts["workspace"]["places"]): string {
  return `Generates images with MiniMax (${TOOL_NAME}) and saves them as files in ${defaultDirectory}; output_dir may name another place inside ${base}. One call with n makes several images faster than several calls. Every call costs money and may take a minute. If a call times out, make exactly the same call again, with every parameter unchanged: if the first one went on, that waits for it and returns its images at no extra cost. When an error says that images may have been billed, ask the user before calling again.`;
}
