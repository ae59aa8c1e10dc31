import { copyText } from "./copy-text.ts";
import { action, announce, element, icon } from "./elements.ts";
import type { SavedImage } from "./tool-call.ts";

const COPIED_MS = 2000;
const NAME_END_CHARACTERS = 15;

/** The last part of a path, of any system. */
export function fileName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

/** A number of bytes for people: 950 bytes, 312 kB, 1.4 MB. */
export function fileSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  return bytes < 999_500 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** What is said of an image in one place: its name and sizes, the button that copies its path, then `more`. */
export function caption(image: SavedImage, ...more: readonly HTMLElement[]): HTMLElement[] {
  const { button, field } = copyPath(image.path);
  return [element("div", { class: "caption" }, shortName(image.path), sizes(image), button), ...more, field];
}

/** Pixel size and file size. */
export function sizes({ width, height, bytes }: SavedImage): HTMLElement {
  const pixels = element("span", {}, `${width} × ${height}`);
  return element("span", { class: "size" }, pixels, element("span", {}, fileSize(bytes)));
}

/** A name that is too long loses its middle: its end tells the images of one call apart. */
function shortName(path: string): HTMLElement {
  const name = fileName(path);
  const end = Math.max(0, name.length - NAME_END_CHARACTERS);
  const start = element("span", { class: "name-start" }, name.slice(0, end));
  return element(
    "span",
    { class: "name", title: path },
    start,
    element("span", { class: "name-end" }, name.slice(end)),
  );
}

/** A button that copies the path, and the field that appears with the path selected where copying is not possible. */
export function copyPath(path: string): { readonly button: HTMLButtonElement; readonly field: HTMLInputElement } {
  const field = element("input", { class: "path-field", readonly: "", "aria-label": "Path", value: path, hidden: "" });
  const button = action("copy", "Copy path", () => void copy(), { isLabelShown: true });
  button.hidden = path === "";
  button.setAttribute("aria-label", `Copy path of ${fileName(path)}`);
  const copy = async (): Promise<void> => {
    if (await copyText(path)) {
      announce("Path copied");
      showCopied(button);
    } else {
      field.hidden = false;
      field.focus();
      field.select();
      announce("The path is selected: copy it with Ctrl+C or ⌘C");
    }
  };
  return { button, field };
}

function showCopied(button: HTMLButtonElement): void {
  if (button.dataset["state"] === "copied") return;
  const before = [...button.childNodes];
  button.dataset["state"] = "copied";
  button.replaceChildren(icon("check"), element("span", { class: "action-label" }, "Copied"));
  setTimeout(() => {
    button.replaceChildren(...before);
    delete button.dataset["state"];
  }, COPIED_MS);
}
