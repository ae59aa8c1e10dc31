import { readdir } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { type CallToolResult, CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { expect, test } from "vitest";
import { answer, deliver, deliverLinks, refuse, status, succeed } from "../stand-in/behaviours.ts";
import { linkStatus } from "../stand-in/object-store.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { bigJpeg } from "../test/support/big-jpeg.ts";
import { startServer, textOf } from "../test/support/server.ts";
import { temporaryDirectory } from "../test/support/temporary-directory.ts";
import { waitFor } from "../test/support/wait-for.ts";
import { MiniMaxClient } from "./client.ts";
import { TOOL_NAME } from "./constants.ts";
import type { GenerationResult } from "./minimax/reply.ts";
import { toolOutputSchema } from "./schemas.ts";
import { createServer } from "./server.ts";
import { systemClock } from "./timing/clock.ts";
import { RateLimiter } from "./timing/rate-limiter.ts";
import { DEFAULT_POLICY, type Timing } from "./timing/retry.ts";

const SECRET = "sk-api-do-not-show";
const UNEXPECTED = "Something unexpected went wrong inside this server; its log (stderr) has the details.";
const TIMING: Timing = { clock: systemClock, random: () => 0.5, policy: DEFAULT_POLICY };
const IMAGE = bigJpeg(2000);
const MADE: GenerationResult = {
  id: "1",
  images: [{ index: 0, chunks: [IMAGE] }],
  withheld: undefined,
  metadata: { failed_count: "0", success_count: "1" },
  warnings: [],
};

class ClientThat extends MiniMaxClient {
  calls = 0;

  constructor(private readonly generate: (call: { readonly signal: AbortSignal }) => Promise<GenerationResult>) {
    super(STAND_IN_KEY, "http://127.0.0.1:9", TIMING, new RateLimiter(systemClock, 0, 60_000));
  }

  override generateImages(...[, call]: Parameters<MiniMaxClient["generateImages"]>): Promise<GenerationResult> {
    this.calls += 1;
    return this.generate(call);
  }
}

interface Connected extends AsyncDisposable {
  readonly client: Client;
  readonly miniMax: ClientThat;
  readonly settled: () => Promise<void>;
  readonly logged: readonly string[];
  readonly outputDir: string;
}

async function connect(
  generate: ConstructorParameters<typeof ClientThat>[0],
  wrap: (transport: Transport) => void = () => undefined,
): Promise<Connected> {
  const directory = await temporaryDirectory();
  const logged: string[] = [];
  const miniMax = new ClientThat(generate);
  const { mcp, settled } = createServer({
    client: miniMax,
    timing: TIMING,
    outputRoot: { base: directory.path, defaultDirectory: directory.path },
    homeDirectory: directory.path,
    referenceDirectories: [],
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
    settled,
    logged,
    outputDir: directory.path,
    async [Symbol.asyncDispose]() {
      await client.close();
      await settled();
      await directory[Symbol.asyncDispose]();
    },
  };
}

async function generateOne(client: Client, options: Parameters<Client["callTool"]>[2] = {}): Promise<CallToolResult> {
  const call = { name: TOOL_NAME, arguments: { prompt: "a cat" } };
  return CallToolResultSchema.parse(await client.callTool(call, CallToolResultSchema, options));
}

test.each<[string, unknown, string]>([
  ["an error", new Error(`bad header Bearer ${SECRET}\n    at somewhere`), "Unexpected error: bad header "],
  ["a defect", new TypeError("x is not a function"), "Unexpected error: x is not a function"],
  ["a text", "no\nway", "Unexpected error: no way"],
  ["nothing", undefined, "Unexpected error: undefined"],
])(
  "an error that nobody has thought of: (%s) is one fixed sentence for the client and one line in the log",
  async (_kind, thrown, line) => {
    await using server = await connect(() => rejectWith(thrown));

    const result = await generateOne(server.client);

    expect(result).toEqual({ content: [{ type: "text", text: UNEXPECTED }], isError: true });
    expect(server.logged).toHaveLength(1);
    expect(server.logged[0]).toMatch(/^[^\n]+$/);
    expect(server.logged[0]?.startsWith(line)).toBe(true);
  },
);

test("an error that nobody has thought of is one line in the log even when it says very much", async () => {
  await using server = await connect(() => rejectWith(new Error("a\r\n".repeat(10_000))));

  await generateOne(server.client);

  expect(server.logged.map((line) => line.length < 400 && !/[\r\n]/.test(line))).toEqual([true]);
});

test("an error that nobody has thought of does not end the server", async () => {
  let isFirst = true;
  await using server = await connect(() => {
    if (!isFirst) return Promise.resolve(MADE);
    isFirst = false;
    return rejectWith(new Error("once"));
  });
  await generateOne(server.client);

  const result = await generateOne(server.client);

  expect(result.structuredContent).toMatchObject({ saved_count: 1 });
});

test("an error that nobody has thought of is not logged when it was expected after all: a refusal has its own sentence", async () => {
  await using api = await startStandIn({ script: [refuse(1004)] });
  const logged: string[] = [];
  await using server = await startServer({ api, log: (line) => logged.push(line) });

  const result = await server.generate({ prompt: "a cat" });

  expect(textOf(result)).toContain("Status code: 1004");
  expect(textOf(result)).toContain("Recovery: ");
  expect(textOf(result)).toMatch(/Trace id: [0-9a-f]{32}$/);
  expect(result.structuredContent).toBeUndefined();
  expect(logged).toEqual([]);
});

test("an error that nobody has thought of is not logged when the client has cancelled", async () => {
  await using server = await connect(untilAborted);
  const controller = new AbortController();
  const calling = generateOne(server.client, { signal: controller.signal });
  calling.catch(() => undefined);
  await waitFor("the call", () => server.miniMax.calls === 1);

  controller.abort(new Error("never mind"));

  await expect(calling).rejects.toThrow("never mind");
  await server.settled();
  expect(server.logged).toEqual([]);
  expect(await readdir(server.outputDir)).toEqual([]);
});

test("progress that cannot be sent is harmless: the image is saved, and nothing is logged", async () => {
  let refused = 0;
  await using server = await connect(
    () => Promise.resolve(MADE),
    (transport) => {
      const send = transport.send.bind(transport);
      transport.send = (message, options) => {
        if (!("method" in message) || message.method !== "notifications/progress") return send(message, options);
        refused += 1;
        return Promise.reject(new Error("EPIPE"));
      };
    },
  );

  const result = await generateOne(server.client, { onprogress: () => undefined });

  expect(result.structuredContent).toMatchObject({ saved_count: 1 });
  expect(refused).toBeGreaterThan(0);
  expect(server.logged).toEqual([]);
});

test("progress is sent only to a client that asked for it", async () => {
  const methods: string[] = [];
  await using server = await connect(
    () => Promise.resolve(MADE),
    (transport) => {
      const send = transport.send.bind(transport);
      transport.send = (message, options) => {
        if ("method" in message) methods.push(message.method);
        return send(message, options);
      };
    },
  );

  await generateOne(server.client);
  expect(methods).toEqual([]);

  await generateOne(server.client, { onprogress: () => undefined });
  expect(methods).toContain("notifications/progress");
});

test("a server settles at once when no call is running", async () => {
  await using server = await connect(untilAborted);

  await server.settled();

  expect(server.miniMax.calls).toBe(0);
});

test("a server settles when the last of its calls has ended, however they end", async () => {
  const ends: ((generation: Promise<GenerationResult>) => void)[] = [];
  await using server = await connect(() => new Promise((resolve) => ends.push(resolve)));
  const calls = [generateOne(server.client), generateOne(server.client)];
  await waitFor("the calls", () => ends.length === 2);
  let hasSettled = false;
  const settling = server.settled().then(() => {
    hasSettled = true;
  });

  ends[0]?.(rejectWith(new Error("no")));
  await Promise.race(calls);
  for (let turn = 0; turn < 20; turn += 1) await nextTurn();
  expect(hasSettled).toBe(false);

  ends[1]?.(Promise.resolve(MADE));
  await settling;
  expect(await readdir(server.outputDir)).toHaveLength(1);
  expect((await Promise.all(calls)).filter(({ isError }) => isError === true)).toHaveLength(1);
});

test("a server settles when its client has gone, because that ends every call", async () => {
  await using server = await connect(untilAborted);
  const calling = generateOne(server.client);
  calling.catch(() => undefined);
  await waitFor("the call", () => server.miniMax.calls === 1);

  await server.client.close();

  await server.settled();
  await expect(calling).rejects.toThrow();
  expect(server.logged).toEqual([]);
});

test("the tool is the only one, says what it costs, and where files go", async () => {
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

test("a result says in text what it says in structure", async () => {
  await using api = await startStandIn({ script: [deliver([IMAGE, IMAGE])] });
  await using server = await startServer({ api });

  const result = await server.generate({ prompt: "a cat", n: 2, seed: 0 });

  const { id = "", images } = toolOutputSchema.parse(result.structuredContent);
  expect(images).toMatchObject(Array(2).fill({ width: 1024, height: 1024, bytes: 2000, mime_type: "image/jpeg" }));
  expect(textOf(result).split("\n")).toEqual([
    "Saved 2 of 2 images.",
    ...images.map(({ path }) => `- ${path} (1024x1024 pixels, 2000 bytes, image/jpeg)`),
    "Seed: 0",
    "MiniMax counts: 2 succeeded, 0 failed.",
    `Request id: ${id}`,
  ]);
  expect(id).not.toBe("");
});

test("a result without an id, a seed, links, failures or warnings has no word about them", async () => {
  const body = { data: { image_base64: [IMAGE.toString("base64")] }, base_resp: { status_code: 0 } };
  await using api = await startStandIn({ script: [answer(JSON.stringify(body))] });
  await using server = await startServer({ api });

  const result = await server.generate({ prompt: "a cat" });

  expect(Object.keys(toolOutputSchema.parse(result.structuredContent)).toSorted()).toEqual(
    ["file_paths", "image_count", "images", "metadata", "saved_count"].toSorted(),
  );
  expect(textOf(result).split("\n")).toHaveLength(3);
});

test("a result names the image that could not be saved, and why", async () => {
  await using api = await startStandIn({ script: [deliver(["%%%", IMAGE])] });
  await using server = await startServer({ api });

  const result = await server.generate({ prompt: "a cat", n: 2 });

  const { failures, saved_count } = toolOutputSchema.parse(result.structuredContent);
  expect(saved_count).toBe(1);
  expect(failures).toMatchObject([{ index: 0 }]);
  expect(textOf(result)).toContain(`Image 1 was not saved: ${failures?.[0]?.error ?? "nothing"}`);
  expect(result.isError).toBeUndefined();
});

test("a result gives the links, and says when they expire", async () => {
  await using api = await startStandIn({ script: [succeed()], createImage: () => Promise.resolve(IMAGE) });
  await using server = await startServer({ api, speed: 1 });

  const result = await server.generate({ prompt: "a cat", response_format: "url" });

  const { image_urls = [] } = toolOutputSchema.parse(result.structuredContent);
  expect(image_urls).toHaveLength(1);
  expect(textOf(result)).toContain(`Link 1 (expires in 24 h): ${image_urls[0] ?? ""}`);
});

test("a result that holds fewer images than asked for puts no count into MiniMax's mouth", async () => {
  const data = { image_base64: [IMAGE.toString("base64")] };
  await using api = await startStandIn({ script: [answer(JSON.stringify({ data, base_resp: { status_code: 0 } }))] });
  await using server = await startServer({ api });

  const { structuredContent } = await server.generate({ prompt: "a cat", n: 3 });

  expect(toolOutputSchema.parse(structuredContent).warnings).toEqual(["MiniMax returned 1 of the 3 images asked for."]);
});

test("a result says how many images MiniMax withheld", async () => {
  await using api = await startStandIn({
    script: [succeed({ withheld: 2 })],
    createImage: () => Promise.resolve(IMAGE),
  });
  await using server = await startServer({ api });

  const result = await server.generate({ prompt: "a cat", n: 3 });

  const { warnings } = toolOutputSchema.parse(result.structuredContent);
  expect(warnings).toEqual([
    "MiniMax returned 1 of the 3 images asked for; it counts 2 as failed or withheld by its safety filter.",
  ]);
  expect(textOf(result)).toContain(`Warning: ${warnings?.[0] ?? "none"}`);
});

test("a result names the parameters the tool does not have, ten of them at most and none in full length", async () => {
  await using api = await startStandIn({ script: [deliver([IMAGE]), deliver([IMAGE]), deliver([IMAGE])] });
  await using server = await startServer({ api });
  const warningsFor = async (keys: readonly string[]): Promise<string[] | undefined> => {
    const unknown = Object.fromEntries(keys.map((key) => [key, true]));
    const result = await server.generate({ prompt: "a cat", ...unknown });
    return toolOutputSchema.parse(result.structuredContent).warnings;
  };
  const ten = Array.from({ length: 10 }, (_, index) => `key${index}`);

  expect(await warningsFor(ten)).toEqual([`Ignored unknown parameters: ${ten.join(", ")}.`]);
  expect(await warningsFor([...ten, "eleventh"])).toEqual([`Ignored unknown parameters: ${ten.join(", ")}, ….`]);
  expect(await warningsFor([`long\n${"y".repeat(100)}`])).toEqual([
    `Ignored unknown parameters: long ${"y".repeat(35)}….`,
  ]);
});

test("a result with nothing saved is an error that still carries every fact", async () => {
  await using api = await startStandIn({ script: [deliver(["%%%", "nothing"])] });
  await using server = await startServer({ api });

  const result = await server.generate({ prompt: "a cat", n: 2, seed: 7, extra: 1 });

  expect(result.isError).toBe(true);
  expect(result.structuredContent).toBeUndefined();
  expect(textOf(result)).toContain("Saved 0 of 2 images.");
  expect(textOf(result)).toMatch(/Image 1 was not saved: .*\nImage 2 was not saved: /);
  expect(textOf(result)).toContain("Warning: Ignored unknown parameters: extra.");
  expect(textOf(result)).toContain("Seed: 7");
  expect(textOf(result)).toMatch(/Request id: [0-9a-f]{32}$/);
  expect(await readdir(server.outputDir)).toEqual([]);
});

test("a result of which no link could be fetched is an error that still carries the links", async () => {
  await using api = await startStandIn({
    linkScript: [linkStatus(403)],
    createImage: () => Promise.resolve(IMAGE),
  });
  await using server = await startServer({ api, speed: 1 });

  const result = await server.generate({ prompt: "a cat", response_format: "url" });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain("HTTP 403");
  expect(textOf(result)).toContain(`Link 1 (expires in 24 h): ${api.url}${api.downloads[0]?.url ?? ""}`);
});

test("a result of which the links are none is an error without links", async () => {
  await using api = await startStandIn({ script: [deliverLinks(["file:///etc/passwd"])] });
  await using server = await startServer({ api });

  const result = await server.generate({ prompt: "a cat", response_format: "url" });

  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain("no usable link");
  expect(textOf(result)).not.toContain("passwd");
});

test("a result that is a refusal without a code, a hint or a trace id has no word about them", async () => {
  await using api = await startStandIn({ script: [status(404)] });
  await using server = await startServer({ api });

  const result = await server.generate({ prompt: "a cat" });

  expect(textOf(result).split("\n")).toEqual([
    `${new URL(api.url).host} responded with HTTP 404 and no image.`,
    expect.stringMatching(/^Recovery: /),
  ]);
});

function untilAborted({ signal }: { readonly signal: AbortSignal }): Promise<GenerationResult> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => {
      reject(new Error("aborted in the middle"));
    });
  });
}

async function rejectWith(thrown: unknown): Promise<never> {
  await nextTurn();
  throw thrown;
}
