import { copyPath, facts } from "./caption.ts";
import { element } from "./elements.ts";
import { imageFrame, type ShownImage } from "./frame.ts";
import { tileWidths } from "./layout.ts";
import { Viewer } from "./viewer.ts";

const GAP = 12;

/** Lays tiles out in rows, again whenever the grid gets another width. */
export function grid(tiles: readonly HTMLElement[], ratios: readonly number[]): HTMLElement {
  const list = element("ul", { class: "grid", role: "list" }, ...tiles);
  new ResizeObserver(([entry]) => {
    const width = entry?.contentRect.width ?? 0;
    if (width === 0) return;
    tileWidths(ratios, width, GAP).forEach((tileWidth, index) => {
      tiles[index]?.style.setProperty("width", `${String(tileWidth)}px`);
    });
  }).observe(list);
  return list;
}

/** All images as a grid of their shapes; one that is clicked takes the place of the grid until it is clicked again. */
export function gallery(images: readonly ShownImage[]): HTMLElement {
  const frames = images.map((image, index) =>
    imageFrame(image, false, () => {
      list.hidden = true;
      viewer.open(index);
    }),
  );
  const tiles = images.map((image, index) => {
    const { button, field } = copyPath(image.path);
    const caption = element("div", { class: "caption" }, facts(image), button);
    return element("li", { class: "tile" }, frames[index] ?? "", caption, field);
  });
  const list = grid(
    tiles,
    images.map(({ width, height }) => width / height),
  );
  const viewer = new Viewer(images, (index) => {
    list.hidden = false;
    frames[index]?.focus();
  });
  return element("section", { "aria-label": "Generated images" }, list, viewer.element);
}

/** The images as a list of files, for a host that does not let a view read them. */
export function fileList(images: readonly ShownImage[]): HTMLElement {
  const files = images.map((image) => {
    const { button, field } = copyPath(image.path);
    const path = element("code", { class: "path" }, image.path);
    return element("li", { class: "file" }, element("div", { class: "caption" }, facts(image), button), path, field);
  });
  return element("ul", { class: "files", role: "list", "aria-label": "Generated images" }, ...files);
}
