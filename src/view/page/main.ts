import { announce, element } from "./elements.ts";
import { describe, type ShownImage } from "./frame.ts";
import { Host } from "./host.ts";
import { errorMessage, imagesWithNotes, plainText, waiting } from "./states.ts";
import { applyHostContext } from "./theme.ts";
import { type ImagesResult, imageUrl, readToolInput, readToolResult, type SavedImage } from "./tool-call.ts";
import { entriesOf, type Fields, fieldsOf } from "./values.ts";

let { prompt } = readToolInput({});
const host = new Host(window.parent, {
  "ui/notifications/tool-input": (params) => {
    const input = readToolInput(params);
    prompt = input.prompt;
    show(waiting(input), input.count === 1 ? "Generating the image" : `Generating ${String(input.count)} images`);
  },
  "ui/notifications/tool-result": (params) => void showResult(params),
  "ui/notifications/tool-cancelled": () => {
    show([element("p", { class: "status" }, "Cancelled.")], "Cancelled");
  },
  "ui/notifications/host-context-changed": applyHostContext,
});
const initialized = start();

async function start(): Promise<Fields> {
  const { capabilities, context } = await host.initialize();
  applyHostContext(context);
  new ResizeObserver(reportSize).observe(document.documentElement);
  return capabilities;
}

function reportSize(): void {
  const height = Math.ceil(document.documentElement.getBoundingClientRect().height);
  host.notify("ui/notifications/size-changed", { width: window.innerWidth, height });
}

function show(children: readonly Node[], announcement: string): void {
  document.querySelector("#view")?.replaceChildren(...children);
  announce(announcement);
}

async function showResult(params: Fields): Promise<void> {
  const result = readToolResult(params);
  if (result.kind === "images") await showImages(result);
  else show(result.kind === "error" ? errorMessage(result.text) : plainText(result.text), "");
}

async function showImages(result: ImagesResult): Promise<void> {
  const canRead = fieldsOf(await initialized)["serverResources"] !== undefined;
  const count = result.images.length;
  const images = result.images.map((image, index): ShownImage => ({
    ...image,
    description: describe(prompt, image.path, index, count),
    source: sourceOf(image, canRead),
  }));
  const announcement = count === 1 ? "The image is ready" : `${String(count)} images are ready`;
  show(imagesWithNotes(images, canRead, result), announcement);
}

async function sourceOf({ path, carried }: SavedImage, canRead: boolean): Promise<string | undefined> {
  if (carried !== undefined || !canRead) return carried;
  try {
    const result = await host.request("resources/read", { uri: `minimax-image:///${encodeURIComponent(path)}` });
    const { blob, mimeType } = fieldsOf(entriesOf(result["contents"])[0]);
    return imageUrl(blob, mimeType);
  } catch {
    return undefined;
  }
}
