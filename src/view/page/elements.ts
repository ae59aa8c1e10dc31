const SVG = "http://www.w3.org/2000/svg";

/** Outlines in a square of 16 by 16. */
const ICONS = {
  copy: "M5.5 5.5v-2a1 1 0 0 1 1-1h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-2M3.5 5.5h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-6a1 1 0 0 1-1-1v-6a1 1 0 0 1 1-1Z",
  check: "M3 8.5 6.5 12 13 4.5",
  close: "M3 3l10 10M13 3 3 13",
  previous: "M10 3.5 5.5 8l4.5 4.5",
  next: "M6 3.5 10.5 8 6 12.5",
  image:
    "M3.5 2.5h9a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1h-9a1 1 0 0 1-1-1v-9a1 1 0 0 1 1-1ZM2.5 11l3.2-3.2 2.3 2.3 2.6-2.6 2.9 2.9M5.8 5.2v.1",
  warning: "M8 2.5 14 13H2ZM8 6.5v3M8 11.2v.1",
  failure: "M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2ZM8 5v3.5M8 10.9v.1",
};

/** Makes an element. A child that is text stays text, whatever it holds. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

/** Makes a drawing that says nothing to a screen reader. */
export function icon(name: keyof typeof ICONS): SVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Makes a small button with an icon and, where there is room for it, its label. */
export function action(
  name: keyof typeof ICONS,
  label: string,
  onClick: () => void,
  { isLabelShown = false }: { readonly isLabelShown?: boolean } = {},
): HTMLButtonElement {
  const button = element("button", { type: "button", class: "action", title: label }, icon(name));
  button.append(element("span", { class: isLabelShown ? "action-label" : "visually-hidden" }, label));
  button.addEventListener("click", onClick);
  return button;
}

/** Tells a screen reader. */
export function announce(text: string): void {
  const announcement = document.querySelector("#announcement");
  if (announcement !== null) announcement.textContent = text;
}
