import type { McpUiInitializeRequest } from "@modelcontextprotocol/ext-apps/app-bridge";
import { version } from "../../../package.json";
import { announce, element } from "./elements.ts";
import { decode, describe, type ShownImage } from "./frame.ts";
import { Host } from "./host.ts";
import { resultOf, waiting } from "./states.ts";
import { applyHostContext } from "./theme.ts";
import { imageUrl, readToolInput, readToolResult, type SavedImage } from "./tool-call.ts";
import { entriesOf, type Fields, fieldsOf } from "./values.ts";

const INTRODUCTION: McpUiInitializeRequest["params"] = {
  protocolVersion: "2026-01-26",
  appInfo: { name: "minimax-image-mcp", version },
  appCapabilities: { availableDisplayModes: ["inline"] },
};

let { prompt } = readToolInput({});
let isOver = false;
const host = new Host(
  window.parent,
  new Map([
    ["ui/notifications/tool-input", wait],
    ["ui/notifications/tool-result", (params) => void showResult(params)],
    ["ui/notifications/tool-cancelled", cancel],
    ["ui/notifications/host-context-changed", applyHostContext],
  ]),
);
const capabilities = start();

/** Introduces the view. From now on the host sends what it has. Resolves with what the host can do. */
async function start(): Promise<Fields> {
  const { hostCapabilities, hostContext } = await host.request("ui/initialize", INTRODUCTION);
  host.notify("ui/notifications/initialized", {});
  applyHostContext(fieldsOf(hostContext));
  new ResizeObserver(reportSize).observe(document.documentElement);
  return fieldsOf(hostCapabilities);
}

function reportSize(): void {
  const height = Math.ceil(document.documentElement.getBoundingClientRect().height);
  host.notify("ui/notifications/size-changed", { width: window.innerWidth, height });
}

/** Hosts that show a conversation again may send the parameters after the result. */
function wait(params: Fields): void {
  if (isOver) return;
  const input = readToolInput(params);
  prompt = input.prompt;
  show([waiting(input)], input.count === 1 ? "Generating the image" : `Generating ${input.count} images`);
}

function cancel(): void {
  isOver = true;
  show([element("p", { class: "status" }, "Cancelled.")], "Cancelled");
}

function show(children: readonly Node[], announcement: string): void {
  document.querySelector("#view")?.replaceChildren(...children);
  announce(announcement);
}

async function showResult(params: Fields): Promise<void> {
  isOver = true;
  const result = readToolResult(params);
  const images = (await Promise.all(result.images.map(measure))).filter(({ width }) => width > 0);
  const count = images.length;
  const shown = images.map((image, index): ShownImage => ({
    ...image,
    description: describe(prompt, image.path, index, count),
    source: sourceOf(image),
  }));
  const announcement = count === 1 ? "The image is ready" : `${count} images are ready`;
  show(resultOf(shown, result), count === 0 ? "" : announcement);
}

/** An image of which the result says nothing has the size that the browser finds. */
async function measure(image: SavedImage): Promise<SavedImage> {
  const found = image.width === 0 ? await decode(image.carried) : undefined;
  return found === undefined ? image : { ...image, width: found.naturalWidth, height: found.naturalHeight };
}

async function sourceOf({ path, carried }: SavedImage): Promise<string | undefined> {
  const source = carried ?? (await read(path));
  return (await decode(source)) === undefined ? undefined : source;
}

async function read(path: string): Promise<string | undefined> {
  if ((await capabilities)["serverResources"] === undefined) return undefined;
  const uri = `minimax-image:///${encodeURIComponent(path)}`;
  const { contents } = await host.request("resources/read", { uri }).catch((): Fields => ({}));
  const { blob, mimeType } = fieldsOf(entriesOf(contents)[0]);
  return imageUrl(blob, mimeType);
}
