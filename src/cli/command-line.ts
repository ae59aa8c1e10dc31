import { parseArgs } from "node:util";
import { truncate } from "../text.ts";

/** What the command line asks for. */
export type Command =
  { readonly kind: "serve" | "help" | "version" | "check" } | { readonly kind: "refuse"; readonly message: string };

const OPTIONS = {
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "v" },
  check: { type: "boolean" },
} as const;

const KNOWN: ReadonlySet<string> = new Set(["--help", "-h", "--version", "-v", "--check"]);
const QUOTED_CHARACTERS = 80;

/**
 * Reads the arguments after the script's name. Without any, it is to serve. A refusal names unknown arguments without
 * their values, which may be secrets.
 */
export function parseCommandLine(args: readonly string[]): Command {
  try {
    const { values } = parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false });
    if (values.help === true) return { kind: "help" };
    if (values.version === true) return { kind: "version" };
    return { kind: values.check === true ? "check" : "serve" };
  } catch {
    const unknown = args.filter((argument) => !KNOWN.has(argument)).map((argument) => argument.replace(/=.*/s, "=…"));
    return {
      kind: "refuse",
      message: `Unknown argument: ${truncate(unknown.join(" "), QUOTED_CHARACTERS)}. Run "minimax-image-mcp --help" for usage.`,
    };
  }
}
