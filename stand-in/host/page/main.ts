import { RESOURCE_MIME_TYPE } from "@modelcontextprotocol/ext-apps/app-bridge";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { hostContext, STYLE_VARIABLES } from "./appearance.ts";
import { Turn } from "./conversation.ts";
import { mannersOf } from "./manners.ts";
import { RelayTransport } from "./relay-transport.ts";

const query = new URLSearchParams(location.search);
const manners = mannersOf(query);
const hasVariables = query.get("variables") !== "off";
const conversation = find("#conversation", HTMLElement);
const form = find("form", HTMLFormElement);
const root = document.documentElement;
for (const [name, value] of Object.entries(STYLE_VARIABLES)) root.style.setProperty(name, value);

const client = new Client(
  { name: "stand-in-host", version: "1.0.0" },
  { capabilities: { extensions: { "io.modelcontextprotocol/ui": { mimeTypes: [RESOURCE_MIME_TYPE] } } } },
);
const connected = client.connect(new RelayTransport());
let turn: Turn | undefined;

async function begin(prompt: string): Promise<Turn> {
  await connected;
  const [tool] = (await client.listTools()).tools;
  if (tool === undefined) throw new Error("The server has no tool.");
  const begun = new Turn(client, tool, {
    sandboxUrl: sandboxUrl(),
    manners,
    context: hostContext(theme(), hasVariables),
  });
  conversation.append(message(prompt), begun.frame);
  turn = begun;
  await begun.open();
  return begun;
}

/** What tests and the picture's script do with the page; a person uses the form. */
const controls = {
  generate: async (parameters: Record<string, unknown>) => (await begin(String(parameters["prompt"]))).call(parameters),
  begin: async () => {
    await begin("");
  },
  show: async (result: CallToolResult) => (await begin("")).show(result),
  notify: (method: string, params: Record<string, unknown>) => turn?.notify(method, params),
  cancel: () => turn?.cancel(),
  end: () => turn?.end(),
  clear: () => {
    conversation.replaceChildren();
  },
  setTheme: (name: string) => {
    root.style.colorScheme = name;
    turn?.restyle(hostContext(name, hasVariables));
  },
};
Object.assign(globalThis, { host: controls });

controls.setTheme(query.get("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
conversation.style.maxWidth = `${query.get("width") ?? "720"}px`;
form.hidden = query.has("bare");
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const { prompt, n, aspect_ratio } = Object.fromEntries(new FormData(form));
  void controls.generate({ prompt, n: Number(n), aspect_ratio });
});
if (!form.hidden) form.requestSubmit();
find("#theme", HTMLElement).addEventListener("click", () => {
  controls.setTheme(theme() === "dark" ? "light" : "dark");
});

function theme(): string {
  return root.style.colorScheme;
}

/** The sandbox has another origin than the host, as the specification demands. */
function sandboxUrl(): string {
  return root.dataset["sandbox"] ?? "";
}

function message(text: string): HTMLElement {
  const bubble = document.createElement("p");
  bubble.className = "message";
  bubble.textContent = text;
  bubble.hidden = text === "";
  return bubble;
}

function find<T extends Element>(selector: string, type: new () => T): T {
  const found = document.querySelector(selector);
  if (!(found instanceof type)) throw new Error(`The page has no ${selector}.`);
  return found;
}
