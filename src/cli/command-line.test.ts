import { describe, expect, test } from "vitest";
import { parseCommandLine } from "./command-line.ts";

describe("the command line", () => {
  test.each([
    ["", "serve"],
    ["--help", "help"],
    ["-h", "help"],
    ["--version", "version"],
    ["-v", "version"],
    ["--check", "check"],
  ])("%j means %s", (line, kind) => {
    expect(parseCommandLine(line.split(" ").filter(Boolean))).toEqual({ kind });
  });

  test.each([
    ["--check --version --help", "help"],
    ["-v -h", "help"],
    ["-vh", "help"],
    ["--check --version", "version"],
    ["--check --check", "check"],
  ])("%j means the option that explains most: %s", (line, kind) => {
    expect(parseCommandLine(line.split(" "))).toEqual({ kind });
  });

  test.each([
    [["--port"], "--port"],
    [["--port=80"], "--port=…"],
    [["-x"], "-x"],
    [["serve"], "serve"],
    [["-"], "-"],
    [["--check=yes"], "--check=…"],
    [["--no-check"], "--no-check"],
    [["--", "serve"], "-- serve"],
    [["--help", "--stdio", "--check", "now"], "--stdio now"],
  ])("%j is refused, and what is unknown is named", (args, unknown) => {
    expect(parseCommandLine(args)).toEqual({
      kind: "refuse",
      message: `Unknown argument: ${unknown}. Run "minimax-image-mcp --help" for usage.`,
    });
  });
});
