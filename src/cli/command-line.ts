import { parseArgs } from "node:util";
import { description, name, version } from "../../package.json";
import { variables } from "../config/config.ts";

/** The request of a command line. */
type Command =
  { readonly kind: "serve" | "help" | "version" | "check" } | { readonly kind: "refuse"; readonly message: string };

const OPTIONS = {
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "v" },
  check: { type: "boolean" },
} as const;

const OPTION_WORDS = [
  ["--check", "print what is configured and whether it works; makes no paid request"],
  ["--help, -h", "print this"],
  ["--version, -v", "print the version"],
] as const;

const KNOWN: ReadonlySet<string> = new Set(["--help", "-h", "--version", "-v", "--check"]);
const LONG_OPTION = /^(--[a-z][a-z_-]{0,23})(=.*)?$/is;
const SHORT_OPTION = /^-[hv]*([a-z])/i;
const NAMED_AT_MOST = 3;

/**
 * Reads the arguments after the script's name. Without any, it is to serve. A refusal names unknown options and nothing
 * else: whatever does not look like an option's name may be a secret, wherever it stands.
 */
export function parseCommandLine(args: readonly string[]): Command {
  try {
    const { values } = parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false });
    if (values.help === true) return { kind: "help" };
    if (values.version === true) return { kind: "version" };
    return { kind: values.check === true ? "check" : "serve" };
  } catch {
    const unknown = new Set(args.filter((argument) => !KNOWN.has(argument)).flatMap((argument) => nameOf(argument)));
    const names = [...unknown].slice(0, NAMED_AT_MOST).join(" ");
    return {
      kind: "refuse",
      message: `Unknown argument${names === "" ? "" : `: ${names}`}. Run "minimax-image-mcp --help" for usage.`,
    };
  }
}

/** `name version`. */
export function versionText(): string {
  return `${name} ${version}`;
}

/** The text of `--help`. */
export function helpText(): string {
  const list = (rows: readonly (readonly [string, string])[]): string =>
    rows.map(([term, words]) => `  ${term}\n      ${words}`).join("\n");
  const rows = variables().map(({ name: variable, fallback, description: words }) => {
    return [`${variable} (${fallback})`, words] as const;
  });
  return [
    `${versionText()}\n${description}`,
    "With no options it serves MCP over stdio; this is how your client starts it.",
    `Options:\n${list(OPTION_WORDS)}`,
    `Environment variables:\n${list(rows)}`,
  ].join("\n\n");
}

/** The name of an option, without its value; nothing of any other argument. */
function nameOf(argument: string): string[] {
  const [, long, value] = LONG_OPTION.exec(argument) ?? [];
  if (long !== undefined) return [value === undefined ? long : `${long}=…`];
  const [, letter] = SHORT_OPTION.exec(argument) ?? [];
  return letter === undefined ? [] : [`-${letter}`];
}
