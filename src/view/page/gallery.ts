import { caption } from "./caption.ts";
import { element } from "./elements.ts";
import { imageFrame, type ShownImage } from "./frame.ts";
import { columnsFor, tileWidthMax } from "./layout.ts";
import type { SavedImage } from "./tool-call.ts";
import { Viewer } from "./viewer.ts";

const GAP = 12;

/** Lays tiles of one shape out in columns, again whenever the grid gets another width. */
export function grid(tiles: readonly HTMLElement[], ratio: number): HTMLElement {
  const list = element("ul", { class: "grid", role: "list" }, ...tiles);
  new ResizeObserver(([entry]) => {
    const width = entry?.contentRect.width ?? 0;
    if (width === 0) return;
    const columns = columnsFor(tiles.length, ratio, width, GAP);
    list.style.gridTemplateColumns = `repeat(${columns}, minmax(0, ${tileWidthMax(ratio)}px))`;
  }).observe(list);
  return list;
}

/** A frame with what is said of its image below it. */
export function tile(frame: HTMLElement, image: SavedImage): HTMLElement {
  return element("li", { class: "tile" }, frame, ...caption(image));
}

/** All images as a grid; one that is clicked takes the place of the grid until it is clicked again. */
export function gallery(images: readonly ShownImage[]): HTMLElement {
  const tiles = images.map((image, index) => {
    const enlarge = (): void => {
      list.hidden = true;
      viewer.open(index);
    };
    return tile(imageFrame(image, false, enlarge), image);
  });
  const [{ width, height } = { width: 1, height: 1 }] = images;
  const list = grid(tiles, width / height);
  const viewer = new Viewer(images, (index) => {
    list.hidden = false;
    tiles[index]?.querySelector("button")?.focus();
  });
  return element("section", { "aria-label": "Generated images" }, list, viewer.element);
}

/** The images as a list of files, where none of them can be shown. */
export function fileList(images: readonly ShownImage[]): HTMLElement {
  const files = images.map((image) => {
    const path = element("code", { class: "path" }, image.path);
    return element("li", { class: "file" }, ...caption(image, path));
  });
  const list = element("ul", { class: "files", role: "list", "aria-label": "Generated images" }, ...files);
  return element("section", {}, element("p", { class: "status" }, "Saved. No preview can be shown here."), list);
}
