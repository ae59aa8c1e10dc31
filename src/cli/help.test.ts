import { describe, expect, test } from "vitest";
import { description, name, version } from "../../package.json";
import { parseCommandLine } from "./command-line.ts";
import { helpText, VARIABLES, versionText } from "./help.ts";

test("the version is the package's name and version", () => {
  expect(versionText()).toBe(`${name} ${version}`);
});

describe("the help", () => {
  test("begins with what the program is", () => {
    expect(helpText().startsWith(`${versionText()}\n${description}\n`)).toBe(true);
  });

  test("lists options that the command line takes", () => {
    const options = helpText().match(/(?<=[\s,])--?[a-z]+/g) ?? [];

    expect(options.toSorted()).toEqual(["--check", "--help", "--version", "-h", "-v"]);
    for (const option of options) expect(parseCommandLine([option]).kind).not.toBe("refuse");
  });

  test.each([
    "MINIMAX_API_KEY",
    "MINIMAX_OUTPUT_DIR",
    "MINIMAX_API_HOST",
    "MINIMAX_TIMEOUT_MS",
    "MINIMAX_RPM",
    "MINIMAX_REFERENCE_DIRS",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
  ])("explains %s", (variable) => {
    expect(helpText()).toContain(variable);
  });

  test("gives each variable with its default and its sentence", () => {
    for (const [term, fallback, words] of VARIABLES) {
      expect(helpText()).toContain(`  ${term} (${fallback})\n      ${words}`);
    }
  });
});
