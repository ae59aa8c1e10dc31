import { fileName } from "./caption.ts";
import { element, icon } from "./elements.ts";
import type { SavedImage } from "./tool-call.ts";

/** A saved image together with how it is shown. */
export interface ShownImage extends SavedImage {
  /** What is in it, for those who cannot see it. */
  readonly description: string;
  /** Its `data:` URL; undefined when it cannot be read or shown. */
  readonly source: Promise<string | undefined>;
}

/** A button that shows an image, in its shape from the start, so that nothing moves when it arrives. */
export function imageFrame(image: ShownImage, isEnlarged: boolean, onClick: () => void): HTMLButtonElement {
  const imageElement = element("img", { alt: image.description, draggable: "false" });
  const frame = element("button", { type: "button", class: "frame", "data-state": "loading" }, imageElement);
  frame.setAttribute("aria-expanded", String(isEnlarged));
  frame.title = isEnlarged ? "Make smaller" : "Enlarge";
  frame.style.aspectRatio = `${image.width} / ${image.height}`;
  frame.addEventListener("click", onClick);
  void image.source.then((source) => {
    frame.dataset["state"] = source === undefined ? "missing" : "shown";
    if (source !== undefined) imageElement.src = source;
    else frame.append(element("span", { class: "missing" }, icon("image"), "No preview"));
    frame.disabled = source === undefined && !isEnlarged;
  });
  return frame;
}

/** Loads an image; undefined when the browser cannot show it, or may not by the policy of the frame. */
export async function decode(source: string | undefined): Promise<HTMLImageElement | undefined> {
  if (source === undefined) return undefined;
  const image = new Image();
  image.src = source;
  return new Promise((resolve) => {
    image.addEventListener("load", () => {
      resolve(image);
    });
    image.addEventListener("error", () => {
      resolve(undefined);
    });
  });
}

/** Of what a frame shows, as a file's name and an image's description. */
export function describe(prompt: string, path: string, position: number, count: number): string {
  const subject = prompt === "" ? fileName(path) : prompt;
  return count === 1 ? subject : `Image ${position + 1} of ${count}: ${subject}`;
}
