import { element, icon } from "./elements.ts";
import type { ShownImage } from "./frame.ts";
import { fileList, gallery, grid } from "./gallery.ts";
import type { ImagesResult, ToolInput } from "./tool-call.ts";

/** What stands there until the result comes: as many empty frames as images were asked for, in their shape. */
export function waiting({ count, aspectRatio }: ToolInput): HTMLElement[] {
  const tiles = Array.from({ length: count }, () => {
    const frame = element("div", { class: "frame", "data-state": "loading" });
    frame.style.aspectRatio = String(aspectRatio);
    return element("li", { class: "tile" }, frame);
  });
  const list = grid(
    tiles,
    tiles.map(() => aspectRatio),
  );
  list.setAttribute("aria-hidden", "true");
  const text = count === 1 ? "Generating the image…" : `Generating ${String(count)} images…`;
  return [element("p", { class: "status" }, text), list];
}

/** The text of an error: what happened in its first line, what to do in the others. */
export function errorMessage(text: string): HTMLElement[] {
  const lines = text.split("\n").filter((line) => line !== "");
  const message = element("div", {}, ...lines.map((line) => element("p", {}, line)));
  return [element("div", { class: "error", role: "alert" }, icon("failure"), message)];
}

/** A result that is not understood, as the model sees it. */
export function plainText(text: string): HTMLElement[] {
  return [element("p", { class: "text" }, text)];
}

/** The images, or their files where none of them can be shown, with what did not go well below them. */
export function imagesWithNotes(
  images: readonly ShownImage[],
  canRead: boolean,
  { failures, warnings }: ImagesResult,
): HTMLElement[] {
  const isShown = canRead || images.some(({ carried }) => carried !== undefined);
  const notes = [
    ...failures.map((text) => element("li", { class: "note failure" }, icon("failure"), text)),
    ...warnings.map((text) => element("li", { class: "note warning" }, icon("warning"), text)),
  ];
  const list = notes.length === 0 ? [] : [element("ul", { class: "notes", role: "list" }, ...notes)];
  return [isShown ? gallery(images) : fileList(images), ...list];
}
