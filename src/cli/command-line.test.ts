import { expect, test } from "vitest";
import { parseCommandLine } from "./command-line.ts";

test.each([
  ["", "serve"],
  ["--help", "help"],
  ["-h", "help"],
  ["--version", "version"],
  ["-v", "version"],
  ["--check", "check"],
])("the command line: %j means %s", (line, kind) => {
  expect(parseCommandLine(line.split(" ").filter(Boolean))).toEqual({ kind });
});

test.each([
  ["--check --version --help", "help"],
  ["-v -h", "help"],
  ["-vh", "help"],
  ["--check --version", "version"],
  ["--check --check", "check"],
])("the command line: %j means the option that explains most: %s", (line, kind) => {
  expect(parseCommandLine(line.split(" "))).toEqual({ kind });
});

test.each([
  [["--port"], ": --port"],
  [["--port=80"], ": --port=…"],
  [["-x"], ": -x"],
  [["-vx"], ": -x"],
  [["serve"], ""],
  [["-"], ""],
  [["--check=yes"], ": --check=…"],
  [["--no-check"], ": --no-check"],
  [["--", "serve"], ""],
  [["--help", "--stdio", "--check", "now"], ": --stdio"],
  [["--a", "--b", "--a", "--c", "--d"], ": --a --b --c"],
])("the command line: %j is refused, and unknown options are named", (args, unknown) => {
  expect(parseCommandLine(args)).toEqual({
    kind: "refuse",
    message: `Unknown argument${unknown}. Run "minimax-image-mcp --help" for usage.`,
  });
});

test.each([
  [["--api-key", "sk-SECRET1"]],
  [["--api-key=sk-SECRET1"]],
  [["--api-key=sk\nSECRET1"]],
  [["-k", "sk-SECRET1"]],
  [["-kSECRET1"]],
  [["-k=SECRET1"]],
  [["sk-SECRET1"]],
  [["--check", "SECRET1"]],
  [["--", "SECRET1"]],
  [["--SECRET1"]],
  [["-SECRET1"]],
  [["MINIMAX_API_KEY=SECRET1"]],
  [["--api-key:SECRET1"]],
  [[`--${"SECRET".repeat(10)}`]],
])("the command line: %j is refused without a part of what may be a secret", (args) => {
  const command = parseCommandLine(args);

  expect(command.kind).toBe("refuse");
  expect(JSON.stringify(command)).not.toMatch(/SECRET|ECRET1|sk/);
});
