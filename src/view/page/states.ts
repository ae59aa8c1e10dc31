import { element, icon } from "./elements.ts";
import type { ShownImage } from "./frame.ts";
import { fileList, gallery, grid, tile } from "./gallery.ts";
import type { ToolInput, ToolResult } from "./tool-call.ts";

const PLACEHOLDER = { path: "-", width: 1, height: 1, bytes: 1, carried: undefined };

/** What stands there until the result comes: as many empty tiles as images were asked for, each of the final size. */
export function waiting({ count, aspectRatio }: ToolInput): HTMLElement {
  const tiles = Array.from({ length: count }, () => {
    const frame = element("div", { class: "frame", "data-state": "loading" });
    frame.style.aspectRatio = String(aspectRatio);
    return tile(frame, PLACEHOLDER);
  });
  tiles[0]?.append(elapsing(count === 1 ? "Generating the image…" : `Generating ${count} images…`));
  const list = grid(tiles, aspectRatio);
  list.classList.add("waiting");
  list.setAttribute("aria-hidden", "true");
  return list;
}

/** A text with the seconds since it was made, as long as it is in the document. */
function elapsing(text: string): HTMLElement {
  const line = element("p", { class: "status" }, text);
  const start = performance.now();
  const timer = setInterval(() => {
    line.textContent = `${text} ${String(Math.round((performance.now() - start) / 1000))} s`;
    if (!line.isConnected) clearInterval(timer);
  }, 1000);
  return line;
}

/** A result as the person sees it: what was made, what did not go well, and what is to be read as it is. */
export function resultOf(images: readonly ShownImage[], result: ToolResult): HTMLElement[] {
  const notes = [
    ...result.failures.map((text) => element("li", { class: "note failure" }, icon("failure"), text)),
    ...result.warnings.map((text) => element("li", { class: "note warning" }, icon("warning"), text)),
  ];
  return [
    ...(images.length === 0 ? [] : [imagesOrFiles(images)]),
    ...(notes.length === 0 ? [] : [element("ul", { class: "notes", role: "list" }, ...notes)]),
    result.isError ? errorMessage(result.text) : element("p", { class: "text" }, result.text),
  ];
}

/** The images, or their files as soon as it is known that none can be shown. */
function imagesOrFiles(images: readonly ShownImage[]): HTMLElement {
  const shown = gallery(images);
  void Promise.all(images.map(({ source }) => source)).then((sources) => {
    if (sources.every((source) => source === undefined)) shown.replaceWith(fileList(images));
  });
  return shown;
}

/** The text of an error: what happened in its first line, what to do in the others. */
function errorMessage(text: string): HTMLElement {
  const lines = text.split("\n").filter((line) => line !== "");
  const message = element("div", {}, ...lines.map((line) => element("p", {}, line)));
  return element("div", { class: "error", role: "alert" }, icon("failure"), message);
}
