import { fileName } from "./caption.ts";
import { element, icon } from "./elements.ts";
import type { SavedImage } from "./tool-call.ts";

/** A saved image together with how it is shown. */
export interface ShownImage extends SavedImage {
  /** What is in it, for those who cannot see it. */
  readonly description: string;
  /** Its `data:` URL; undefined when the host or the server did not hand it out. */
  readonly source: Promise<string | undefined>;
}

/** A button that shows an image, in its shape from the start, so that nothing moves when it arrives. */
export function imageFrame(image: ShownImage, isEnlarged: boolean, onClick: () => void): HTMLButtonElement {
  const imageElement = element("img", { alt: image.description, draggable: "false" });
  const frame = element("button", { type: "button", class: "frame", "data-state": "loading" }, imageElement);
  frame.setAttribute("aria-expanded", String(isEnlarged));
  frame.title = isEnlarged ? "Make smaller" : "Enlarge";
  frame.style.aspectRatio = `${String(image.width)} / ${String(image.height)}`;
  frame.addEventListener("click", onClick);
  const showMissing = (): void => {
    frame.dataset["state"] = "missing";
    if (!isEnlarged) frame.disabled = true;
    frame.append(element("span", { class: "missing" }, icon("image"), "No preview"));
  };
  imageElement.addEventListener("load", () => {
    frame.dataset["state"] = "shown";
  });
  imageElement.addEventListener("error", showMissing);
  void image.source.then((source) => {
    if (source === undefined) showMissing();
    else imageElement.src = source;
  });
  return frame;
}

/** Of what a frame shows, as a file's name and an image's description. */
export function describe(prompt: string, path: string, position: number, count: number): string {
  const subject = prompt === "" ? fileName(path) : prompt;
  return count === 1 ? subject : `Image ${String(position + 1)} of ${String(count)}: ${subject}`;
}
