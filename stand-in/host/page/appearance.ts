import { type McpUiHostContext, McpUiHostContextSchema } from "@modelcontextprotocol/ext-apps/app-bridge";

/** How the host looks: each value holds a colour for light and one for dark, as hosts do it. */
export const STYLE_VARIABLES = {
  "--color-background-primary": "light-dark(#ffffff, #262624)",
  "--color-background-secondary": "light-dark(#f5f4ef, #30302e)",
  "--color-text-primary": "light-dark(#141413, #faf9f5)",
  "--color-text-secondary": "light-dark(#5f5d56, #b7b5a9)",
  "--color-text-danger": "light-dark(#a73d39, #ee8884)",
  "--color-text-warning": "light-dark(#805c1f, #d1a041)",
  "--color-border-tertiary": "light-dark(rgba(31, 30, 29, 0.15), rgba(222, 220, 209, 0.15))",
  "--color-ring-primary": "light-dark(#2c84db, #74abe2)",
  "--font-sans": "system-ui, sans-serif",
  "--font-mono": "ui-monospace, monospace",
  "--font-text-xs-size": "12px",
  "--font-text-sm-size": "14px",
  "--border-radius-sm": "6px",
  "--border-radius-md": "8px",
};

/** What a view is told of the host. */
export function hostContext(theme: string, hasVariables: boolean): McpUiHostContext {
  return McpUiHostContextSchema.parse({
    theme,
    displayMode: "inline",
    availableDisplayModes: ["inline"],
    platform: "desktop",
    ...(hasVariables ? { styles: { variables: STYLE_VARIABLES } } : {}),
  });
}
