import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "rolldown";

const DIRECTORY = join(import.meta.dirname, "..", "..", "src", "view", "page");

/**
 * Puts the view's page, style and program together as one HTML text that loads nothing.
 *
 * @throws when the bundler warns
 */
export async function assembleViewPage(): Promise<string> {
  const [page, style, program] = await Promise.all([read("index.html"), read("style.css"), bundleProgram()]);
  return page
    .replace("/* style */", () => style.replaceAll(/\s+/g, " ").trim())
    .replace("/* script */", () => program.replaceAll("</script", "<\\/script").replaceAll("<!--", "\\u003c!--"));
}

function read(name: string): Promise<string> {
  return readFile(join(DIRECTORY, name), "utf8");
}

async function bundleProgram(): Promise<string> {
  const { output } = await build({
    input: join(DIRECTORY, "main.ts"),
    platform: "browser",
    write: false,
    checks: { circularDependency: true },
    onLog: (_level, log) => {
      throw new Error(log.message);
    },
    output: { format: "esm", minify: true, codeSplitting: false },
  });
  return output[0].code.trim();
}
