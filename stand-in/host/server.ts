import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { StdioClientTransport, type StdioServerParameters } from "@modelcontextprotocol/sdk/client/stdio.js";
import { JSONRPCMessageSchema } from "@modelcontextprotocol/sdk/types.js";
import { build } from "rolldown";
import { policyOf } from "./policy.ts";

const PAGE_DIRECTORY = join(import.meta.dirname, "page");
const HTML = { "Content-Type": "text/html; charset=utf-8" };

/** A web page that shows the views of an MCP server as a client does. */
export interface StandInHost extends AsyncDisposable {
  /**
   * Origin of the page. Its query says how it looks (`theme`, `width`, `variables=off`) and how it treats views:
   * `resources=off` or `refused`, `clipboard=off`, `structure=absent` or `null`, `content=text` or `messages`,
   * `policy=strict`.
   */
  readonly url: string;
}

/**
 * Starts a host of MCP Apps on this machine: a page with the real bridge, and a sandbox for views on an origin of its
 * own. Each page that is opened gets an MCP server of its own, over stdio, and its end is the server's end.
 */
export async function startHost(server: StdioServerParameters): Promise<StandInHost> {
  const [page, program, sandboxProgram] = await Promise.all([
    readFile(join(PAGE_DIRECTORY, "index.html"), "utf8"),
    bundle("main.ts"),
    bundle("sandbox.ts"),
  ]);
  const sandbox = await listen(({ url = "" }, response) => {
    const { searchParams } = new URL(url, sandbox.url);
    const policy = policyOf(searchParams.getAll("source"), searchParams.get("policy") === "strict");
    response.writeHead(200, { ...HTML, "Content-Security-Policy": policy });
    response.end(
      `<!doctype html><meta name="color-scheme" content="light dark"><style>body{margin:0}iframe{color-scheme:inherit;display:block;width:100%;height:100vh;border:0}</style><body><script type="module">${sandboxProgram}</script>`,
    );
  });
  const relay = new Relay(server);
  const host = await listen((request, response) => {
    const { method, url = "" } = request;
    if (url.startsWith("/messages/")) {
      relay.take(request, response).catch(() => response.destroy());
    } else if (method === "GET" && new URL(url, host.url).pathname === "/") {
      response.writeHead(200, HTML);
      response.end(page.replace("/* sandbox */", sandbox.url).replace("/* script */", () => program));
    } else {
      response.writeHead(404).end();
    }
  });
  return {
    url: host.url,
    async [Symbol.asyncDispose]() {
      await Promise.all([host, sandbox].map(close));
      await relay.settled();
    },
  };
}

/**
 * Carries JSON-RPC between pages and the servers that were spawned for them: a stream of events to the page, a POST
 * from it.
 */
class Relay {
  readonly #servers = new Map<string, StdioClientTransport>();
  readonly #ends = new Set<Promise<void>>();

  constructor(private readonly server: StdioServerParameters) {}

  async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const session = request.url ?? "";
    if (request.method === "POST") {
      await this.#servers.get(session)?.send(JSONRPCMessageSchema.parse(await json(request)));
      response.writeHead(204).end();
    } else {
      const transport = new StdioClientTransport(this.server);
      this.#servers.set(session, transport);
      transport.onmessage = (message) => response.write(`data: ${JSON.stringify(message)}\n\n`);
      response.on("close", () => {
        this.#servers.delete(session);
        this.#ends.add(transport.close());
      });
      await transport.start();
      response.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
    }
  }

  /** Resolves when every server whose page is gone has ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#ends);
  }
}

async function listen(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer(handle).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port.");
  return { server, url: `http://127.0.0.1:${String(address.port)}` };
}

async function close({ server }: { readonly server: Server }): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, "close");
}

async function bundle(name: string): Promise<string> {
  const { output } = await build({
    input: join(PAGE_DIRECTORY, name),
    platform: "browser",
    write: false,
    output: { format: "esm", minify: true, codeSplitting: false },
  });
  return output[0].code.replaceAll("</script", "<\\/script").replaceAll("<!--", "\\u003c!--");
}
