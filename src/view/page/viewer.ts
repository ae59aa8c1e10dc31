import { copyPath, sizes } from "./caption.ts";
import { action, announce, element } from "./elements.ts";
import { imageFrame, type ShownImage } from "./frame.ts";

const HEIGHT_MAX = 960;

/** Shows one image as wide as the view, in the place of the grid, with the way to the others and back. */
export class Viewer {
  readonly element = element("section", { class: "viewer", hidden: "" });
  #index = 0;

  /** @param onClose - told which image was shown last */
  constructor(
    private readonly images: readonly ShownImage[],
    private readonly onClose: (index: number) => void,
  ) {
    this.element.addEventListener("keydown", (event) => {
      if (event.target instanceof HTMLInputElement && event.key !== "Escape") return;
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === "Escape") this.close();
      else if (step !== undefined && this.images[this.#index + step] !== undefined) this.open(this.#index + step);
      else return;
      event.preventDefault();
    });
  }

  /** Shows an image and moves the focus to it. */
  open(index: number): void {
    const image = this.images[index];
    if (image === undefined) return;
    this.#index = index;
    const frame = imageFrame(image, true, () => {
      this.close();
    });
    const width = Math.min(image.width, (HEIGHT_MAX * image.width) / image.height);
    frame.style.maxWidth = `${Math.round(width)}px`;
    const { button, field } = copyPath(image.path);
    const close = action("close", this.images.length === 1 ? "Make smaller" : "Back to all images", () => {
      this.close();
    });
    const actions = element("div", { class: "actions" }, ...this.#steps(), button, close);
    this.element.setAttribute("aria-label", image.description);
    this.element.replaceChildren(
      frame,
      element("div", { class: "viewer-bar" }, sizes(image), actions),
      element("code", { class: "path" }, image.path),
      field,
    );
    this.element.hidden = false;
    frame.focus({ preventScroll: true });
  }

  /** Hides the image. */
  close(): void {
    this.element.hidden = true;
    this.element.replaceChildren();
    this.onClose(this.#index);
  }

  #steps(): (HTMLElement | string)[] {
    const { length } = this.images;
    if (length === 1) return [];
    const step = (by: number): HTMLButtonElement => {
      const button = action(by < 0 ? "previous" : "next", by < 0 ? "Previous image" : "Next image", () => {
        this.open(this.#index + by);
        announce(`Image ${this.#index + 1} of ${length}`);
      });
      button.disabled = this.images[this.#index + by] === undefined;
      return button;
    };
    const position = element("span", { class: "position" }, `${this.#index + 1} / ${length}`);
    return [step(-1), position, step(1)];
  }
}
