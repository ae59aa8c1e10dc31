import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { type CallToolResult, CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { expect, test } from "vitest";
import { STAND_IN_KEY } from "../stand-in/server.ts";
import { bigJpeg } from "../test/support/big-jpeg.ts";
import { textOf } from "../test/support/server.ts";
import { temporaryDirectory } from "../test/support/temporary-directory.ts";
import { waitFor } from "../test/support/wait-for.ts";
import { MiniMaxClient, type RequestContext } from "./client.ts";
import { TOOL_NAME } from "./constants.ts";
import { HttpError, ImageError, MiniMaxApiError } from "./errors.ts";
import type { GenerationResult } from "./minimax/reply.ts";
import { toolOutputSchema } from "./schemas.ts";
import { createServer } from "./server.ts";
import { systemClock } from "./timing/clock.ts";
import { RateLimiter } from "./timing/rate-limiter.ts";
import { DEFAULT_POLICY, type Timing } from "./timing/retry.ts";
import { Workspace } from "./utils/workspace.ts";

const UNEXPECTED = "Something unexpected went wrong inside this server; its log (stderr) has the details.";
const TIMING: Timing = { clock: systemClock, random: () => 0.5, policy: DEFAULT_POLICY };
const IMAGE = bigJpeg(2000);
const LINK = "https://cdn.example/a.jpeg";
const MADE: GenerationResult = {
  id: "trace-1",
  images: [{ index: 0, bytes: IMAGE }],
  withheld: undefined,
  metadata: { failed_count: "0", success_count: "1" },
  warnings: [],
};

type Generate = (call: RequestContext) => Promise<GenerationResult>;

class ClientThat extends MiniMaxClient {
  calls = 0;

  constructor(private readonly generate: Generate) {
    super(STAND_IN_KEY, "http://127.0.0.1:8", TIMING, new RateLimiter(systemClock, 0, 60_000));
  }

  override generateImages(...[, call]: Parameters<MiniMaxClient["generateImages"]>): Promise<GenerationResult> {
    this.calls += 1;
    return this.generate(call);
  }

  override async *readImage(...[image, signal]: Parameters<MiniMaxClient["readImage"]>): AsyncGenerator<Uint8Array> {
    if ("link" in image) throw new ImageError("The storage responded with HTTP 403.");
    yield* super.readImage(image, signal);
  }
}

interface Connected extends AsyncDisposable {
  readonly client: Client;
  readonly miniMax: ClientThat;
  readonly close: () => Promise<void>;
  readonly logged: readonly string[];
  readonly outputDir: string;
  readonly generate: (
    args?: Readonly<Record<string, unknown>>,
    options?: Parameters<Client["callTool"]>[2],
  ) => Promise<CallToolResult>;
}

async function connect(generate: Generate, wrap: (transport: Transport) => void = () => undefined): Promise<Connected> {
  const { path, [Symbol.asyncDispose]: remove } = await temporaryDirectory();
  const logged: string[] = [];
  const miniMax = new ClientThat(generate);
  const { mcp, close } = createServer({
    client: miniMax,
    timing: TIMING,
    workspace: new Workspace({ base: path, defaultDirectory: path, referenceDirectories: [], homeDirectory: path }),
    callBudgetMs: 230_000,
    log: (line) => logged.push(line),
  });
  const client = new Client({ name: "test", version: "1.0.0" });
  const [clientSide, serverSide] = InMemoryTransport.createLinkedPair();
  wrap(serverSide);
  await Promise.all([mcp.connect(serverSide), client.connect(clientSide)]);
  return {
    client,
    miniMax,
    close,
    logged,
    outputDir: path,
    generate: async (args, options) => {
      const call = { name: TOOL_NAME, arguments: { prompt: "a cat", ...args } };
      return CallToolResultSchema.parse(await client.callTool(call, CallToolResultSchema, options));
    },
    async [Symbol.asyncDispose]() {
      await client.close();
      await close();
      await remove();
    },
  };
}

async function rejectWith(thrown: unknown): Promise<never> {
  await nextTurn();
  throw thrown;
}

const untilAborted: Generate = ({ signal }) =>
  new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => {
      reject(new Error("aborted in the middle"));
    });
  });

test.each<[string, unknown, RegExp]>([
  ["an error", new Error(`bad header Bearer ${STAND_IN_KEY}\n    at x`), /^Unexpected error: bad header [^\n]+$/],
  ["a text", "no\nway", /^Unexpected error: no way$/],
  ["undefined", undefined, /^Unexpected error: undefined$/],
  ["a long message", new Error("a\r\n".repeat(10_000)), /^Unexpected error: [a …]{1,400}$/],
])("an unexpected error costs one line in the log: %s", async (_kind, thrown, line) => {
  await using server = await connect(() => rejectWith(thrown));

  expect(await server.generate()).toEqual({ content: [{ type: "text", text: UNEXPECTED }], isError: true });
  expect(server.logged).toEqual([expect.stringMatching(line)]);
});

test("an unexpected error does not end the server", async () => {
  let calls = 0;
  await using server = await connect(() => {
    calls += 1;
    return calls === 1 ? rejectWith(new Error("once")) : Promise.resolve(MADE);
  });
  await server.generate();

  expect((await server.generate()).structuredContent).toMatchObject({ saved_count: 1 });
});

test.each([
  [new MiniMaxApiError(1004, "", { traceId: "abc" }), /^[^\n]+\nStatus code: 1004\nRecovery: [^\n]+\nTrace id: abc$/],
  [new HttpError(404, { host: "api.example" }), /^api\.example responded with HTTP 404 and no image\.\nRecovery: .+$/],
])("a refusal is not logged, and has its own words (case %#)", async (refusal, words) => {
  await using server = await connect(() => rejectWith(refusal));

  const result = await server.generate();

  expect(result).toMatchObject({ isError: true });
  expect(result.structuredContent).toBeUndefined();
  expect(textOf(result)).toMatch(words);
  expect(server.logged).toEqual([]);
});

test("refused arguments are not logged, and no request is made", async () => {
  await using server = await connect(() => Promise.resolve(MADE));

  expect(textOf(await server.generate({ n: 0 }))).toContain("- n: expected an integer from 1 to 9; got 0 (number)");
  expect(server.miniMax.calls).toBe(0);
  expect(server.logged).toEqual([]);
});

test("a cancelled call is not logged", async () => {
  await using server = await connect(untilAborted);
  const controller = new AbortController();
  const calling = server.generate({}, { signal: controller.signal });
  calling.catch(() => undefined);
  await waitFor("the call", () => server.miniMax.calls === 1);

  controller.abort(new Error("never mind"));

  await expect(calling).rejects.toThrow("never mind");
  await server.close();
  expect(server.logged).toEqual([]);
  expect(await readdir(server.outputDir)).toEqual([]);
});

/** Hands each progress notification of the server to `take` instead of the client. */
function intercepting(take: () => Promise<void>): (transport: Transport) => void {
  return (transport) => {
    const send = transport.send.bind(transport);
    transport.send = (message, options) =>
      "method" in message && message.method === "notifications/progress" ? take() : send(message, options);
  };
}

test("progress is sent only to a client that asked for it, and may fail", async () => {
  let refused = 0;
  await using server = await connect(
    () => Promise.resolve(MADE),
    intercepting(() => {
      refused += 1;
      return Promise.reject(new Error("EPIPE"));
    }),
  );

  await server.generate();
  expect(refused).toBe(0);

  const result = await server.generate({}, { onprogress: () => undefined });
  expect(refused).toBeGreaterThan(0);
  expect(result.structuredContent).toMatchObject({ saved_count: 1 });
  expect(server.logged).toEqual([]);
});

test("closing without a call is over at once", async () => {
  await using server = await connect(untilAborted);

  await server.close();

  expect(server.miniMax.calls).toBe(0);
});

test("closing ends every call, and logs those that may be billed", async () => {
  let isBilled = false;
  await using server = await connect((call) => {
    isBilled = !isBilled;
    call.setMayBeBilled(isBilled);
    return untilAborted(call);
  });
  const calls = [server.generate(), server.generate()];
  const settled = Promise.allSettled(calls);
  await waitFor("the calls", () => server.miniMax.calls === 2);

  await server.close();

  expect((await settled).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(server.logged).toEqual([
    "The server ended before 1 paid request could be finished: images may have been generated and billed.",
  ]);
});

test("a client that is gone ends its calls", async () => {
  await using server = await connect(untilAborted);
  const calling = server.generate();
  calling.catch(() => undefined);
  await waitFor("the call", () => server.miniMax.calls === 1);

  await server.client.close();

  await server.close();
  await expect(calling).rejects.toThrow();
  expect(server.logged).toEqual([]);
});

test("the only tool says that it costs money, and where files go", async () => {
  await using server = await connect(untilAborted);

  const { tools } = await server.client.listTools();

  expect(tools).toMatchObject([
    {
      name: TOOL_NAME,
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
    },
  ]);
  expect(tools[0]?.description).toContain("Costs money");
  expect(server.client.getInstructions()).toContain(server.outputDir);
});

const LOST = { index: 0, problem: "it is empty" };
const COUNTS = "MiniMax counts: 1 succeeded, 0 failed.";
const WITHHELD = "MiniMax returned 1 of the 3 images asked for";
const UNSAVED =
  "MiniMax generated and billed 1 image, but none could be saved. Calling again will be billed again.\nSaved 0 of 1 image.";
const LOSS = "Image 1 was not saved: MiniMax's image cannot be used: it is empty.";
const FILE = "- FILE (1024x1024 pixels, 2000 bytes, image/jpeg)";

test.each<[string, Partial<GenerationResult>, Readonly<Record<string, unknown>>, readonly string[]]>([
  ["all that is known", {}, { seed: 0 }, ["Saved 1 of 1 image.", FILE, "Seed: 0", COUNTS, "Request id: trace-1"]],
  ["nothing else", { id: undefined }, {}, ["Saved 1 of 1 image.", FILE, COUNTS]],
  [
    "an image that could not be saved",
    { id: undefined, images: [LOST, { index: 1, bytes: IMAGE }] },
    { n: 2 },
    ["Saved 1 of 2 images.", FILE, LOSS, COUNTS],
  ],
  [
    "no count that MiniMax did not give",
    { id: undefined },
    { n: 3 },
    ["Saved 1 of 1 image.", FILE, `Warning: ${WITHHELD}.`, COUNTS],
  ],
  [
    "how many images MiniMax withheld",
    { id: undefined, withheld: "2" },
    { n: 3 },
    [
      "Saved 1 of 1 image.",
      FILE,
      `Warning: ${WITHHELD}; it counts 2 as failed or withheld by its safety filter.`,
      COUNTS,
    ],
  ],
  [
    "every fact although nothing was saved",
    { images: [LOST] },
    { seed: 7, extra: 1 },
    [
      ...UNSAVED.split("\n"),
      LOSS,
      "Warning: Ignored unknown parameters: extra.",
      "Seed: 7",
      COUNTS,
      "Request id: trace-1",
    ],
  ],
  [
    "a link that could not be fetched",
    { id: undefined, images: [{ index: 0, link: LINK }] },
    { response_format: "url" },
    [
      ...UNSAVED.split("\n"),
      "Image 1 was not saved: The storage responded with HTTP 403.",
      `Link 1 (expires in 24 h): ${LINK}`,
      COUNTS,
    ],
  ],
])("a result tells %s", async (_case, made, args, lines) => {
  await using server = await connect(() => Promise.resolve({ ...MADE, ...made }));

  const result = await server.generate(args);

  const names = await readdir(server.outputDir);
  const text = names.reduce((rest, name) => rest.replaceAll(join(server.outputDir, name), "FILE"), textOf(result));
  expect(text.split("\n")).toEqual(lines);
  expect(result.isError ?? false).toBe(names.length === 0);
  if (names.length === 0) expect(result.structuredContent).toBeUndefined();
  else expect(toolOutputSchema.parse(result.structuredContent).saved_count).toBe(1);
});
