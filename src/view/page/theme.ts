import { type Fields, fieldsOf } from "./values.ts";

/**
 * Makes the document look like the host: its variables, its fonts, and light or dark, as far as the context says. The
 * document is transparent. Where the host is dark and embeds the frame as a light one, the browser paints a black
 * canvas below it: there the style sheet, which finds the theme in `data-theme`, puts the host's background on it.
 */
export function applyHostContext(context: Fields): void {
  const { style, dataset } = document.documentElement;
  const { theme } = context;
  if (theme === "light" || theme === "dark") {
    style.colorScheme = theme;
    dataset["theme"] = theme;
  }
  const styles = fieldsOf(context["styles"]);
  for (const [name, value] of Object.entries(fieldsOf(styles["variables"]))) {
    if (name.startsWith("--") && typeof value === "string") style.setProperty(name, value);
  }
  const { fonts } = fieldsOf(styles["css"]);
  const sheet = document.querySelector("#host-fonts");
  if (sheet !== null && typeof fonts === "string") sheet.textContent = fonts;
}
