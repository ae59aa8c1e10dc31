import { description, name, version } from "../../package.json";
import { VARIABLES } from "../environment.ts";

const OPTIONS = [
  ["--check", "print what is configured and whether it works; makes no paid request"],
  ["--help, -h", "print this"],
  ["--version, -v", "print the version"],
] as const;

/** `name version`. */
export function versionText(): string {
  return `${name} ${version}`;
}

/** What `--help` prints. */
export function helpText(): string {
  const list = (rows: readonly (readonly [string, string])[]): string =>
    rows.map(([term, words]) => `  ${term}\n      ${words}`).join("\n");
  const variables = VARIABLES.map((variable) => {
    return [`${variable.name} (${variable.fallback})`, variable.description] as const;
  });
  return [
    `${versionText()}\n${description}`,
    "With no options it serves MCP over stdio; this is how your client starts it.",
    `Options:\n${list(OPTIONS)}`,
    `Environment variables:\n${list(variables)}`,
  ].join("\n\n");
}
