import { dirname, resolve } from "node:path";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import type { RequestHandlerExtra } from "@modelcontextprotocol/sdk/shared/protocol.js";
import type { CallToolResult, ServerNotification, ServerRequest } from "@modelcontextprotocol/sdk/types.js";
import { name, version } from "../package.json";
import { parseArguments } from "./arguments.ts";
import { type Answer, CallRegistry } from "./calls/call-registry.ts";
import {
  FILE_SYSTEM_GRACE_MS,
  INLINE_MAX_BYTES,
  PROGRESS_INTERVAL_MS,
  SAVING_GRACE_MS,
  SHOWN_IMAGE_MAX_BYTES,
  TOOL_NAME,
} from "./constants.ts";
import { UserFacingError } from "./errors.ts";
import { type Dependencies, generateAndSave } from "./generate.ts";
import { toErrorResult, toOutput, toResult } from "./result.ts";
import { toolArgumentsSchema, type ToolInput, type ToolOutput, toolOutputSchema } from "./schemas.ts";
import { messageOf } from "./text.ts";
import { unlessStuck } from "./timing/abort.ts";
import type { Call } from "./timing/call.ts";
import { Lanes } from "./timing/lanes.ts";
import { Progress } from "./timing/progress.ts";
import { SharedWork } from "./timing/shared-work.ts";
import type { FreeSpace } from "./utils/free-space.ts";
import { type InlineImage, readInlineImages } from "./utils/inline-images.ts";
import { readLocalImage } from "./utils/reference-file.ts";
import { offerView, VIEW_URI } from "./view/resources.ts";

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;

/** What the server is made of. */
export interface ServerOptions extends Omit<Dependencies, "directoryProofs" | "readLocalImage"> {
  /** Where local images may be read, in addition to the base; absolute. */
  readonly referenceDirectories: readonly string[];
  /** Time one call may take in all, in milliseconds. */
  readonly callBudgetMs: number;
}

/** A server that is ready to be connected to a transport. */
export interface ImageServer {
  readonly mcp: McpServer;
  /** Resolves when no call is running any more. */
  readonly settled: () => Promise<void>;
  /** Closes the connection, cancels every call, also those nobody waits for, and resolves when none is running. */
  readonly close: () => Promise<void>;
}

const DESCRIPTION =
  "Generate 1 to 9 images from a text prompt with MiniMax image-01 and save them as files. Costs money per image and usually takes 15 to 30 seconds. For several variants make one call with n, not several calls. Returns absolute file paths with pixel sizes. If a call times out, make exactly the same call again: if the first one went on, that returns its images at no extra cost.";

/** Builds the MCP server with its one tool. Nothing happens until it is connected. */
export function createServer(options: ServerOptions): ImageServer {
  const mcp = new McpServer({ name, version });
  const directoryProofs = new SharedWork<FreeSpace>(FILE_SYSTEM_GRACE_MS);
  const readImage = localImageReader(options);
  const dependencies = { ...options, directoryProofs, readLocalImage: readImage };
  const calls = new CallRegistry(options.timing.clock, options.callBudgetMs);
  mcp.registerTool(
    TOOL_NAME,
    {
      title: "Generate images with MiniMax",
      description: DESCRIPTION,
      inputSchema: toolArgumentsSchema,
      outputSchema: toolOutputSchema,
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
      _meta: { ui: { resourceUri: VIEW_URI } },
    },
    async (args, extra) => {
      try {
        return await runCall(parseArguments(args), extra, dependencies, calls);
      } catch (error) {
        return toErrorResult(error);
      }
    },
  );
  offerView(mcp, instructionsFor(options), (path, signal) => readImage(path, "image", SHOWN_IMAGE_MAX_BYTES, signal));
  return {
    mcp,
    settled: () => calls.settled(),
    close: async () => {
      await mcp.close();
      calls.cancelAll();
      await calls.settled();
    },
  };
}

/** Reads the images of a directory one after another: a directory that does not answer holds back no other. */
function localImageReader({
  outputRoot: { base },
  referenceDirectories,
  homeDirectory,
}: ServerOptions): Dependencies["readLocalImage"] {
  const lanes = new Lanes(FILE_SYSTEM_GRACE_MS);
  const places = { base, directories: referenceDirectories, homeDirectory };
  return (path, name, limitBytes, signal) =>
    lanes.run(dirname(resolve(base, path)), signal, () => readLocalImage(path, name, places, limitBytes));
}

async function runCall(
  input: ToolInput,
  extra: Extra,
  options: Dependencies,
  calls: CallRegistry,
): Promise<CallToolResult> {
  const { timing, log } = options;
  const send = progressSender(extra);
  using progress = send === undefined ? undefined : new Progress(timing.clock, PROGRESS_INTERVAL_MS, send);
  const work = (call: Call): Promise<ToolOutput> =>
    loggingDefects(call.cancelSignal, log, async () => toOutput(await generateAndSave(input, options, call)));
  const render = async ({ outcome, notices }: Answer): Promise<CallToolResult> => {
    if ("error" in outcome) return toErrorResult(outcome.error, notices);
    const inline = input.return_images ? await readBack(outcome.value.images) : [];
    return toResult(outcome.value, { input, inline, notices });
  };
  const waiter = { signal: extra.signal, onActivity: progress?.enter };
  return await loggingDefects(extra.signal, log, () => calls.answer(input, waiter, work, render));
}

/** Passes on what `operation` comes to; a defect is logged, but not what comes after the abort. */
async function loggingDefects<T>(
  signal: AbortSignal,
  log: (line: string) => void,
  operation: () => Promise<T>,
): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    if (!(error instanceof UserFacingError) && !signal.aborted) log(`Unexpected error: ${messageOf(error)}`);
    throw error;
  }
}

/** The images for the result; none when the file system does not give them back in time. */
async function readBack(images: ToolOutput["images"]): Promise<readonly InlineImage[]> {
  try {
    return await unlessStuck(readInlineImages(images, INLINE_MAX_BYTES), AbortSignal.timeout(SAVING_GRACE_MS), 0);
  } catch {
    return [];
  }
}

/** Nothing for a client that did not ask for progress. */
function progressSender(extra: Extra): ConstructorParameters<typeof Progress>[2] | undefined {
  const progressToken = extra._meta?.progressToken;
  if (progressToken === undefined) return undefined;
  return (step) => extra.sendNotification({ method: "notifications/progress", params: { progressToken, ...step } });
}

function instructionsFor({ outputRoot }: ServerOptions): string {
  return `Generates images with MiniMax (${TOOL_NAME}) and saves them as files in ${outputRoot.defaultDirectory}; output_dir may name another place inside ${outputRoot.base}. One call with n makes several images faster than several calls. Every call costs money and may take a minute. If a call times out, make exactly the same call again, with every parameter unchanged: if the first one went on, that waits for it and returns its images at no extra cost. When an error says that images may have been billed, ask the user before calling again.`;
}
