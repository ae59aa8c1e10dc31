import { expect, test } from "vitest";
import { parseCommandLine } from "./command-line.ts";

test.each([
  ["", "serve"],
  ["--help", "help"],
  ["-h", "help"],
  ["--version", "version"],
  ["-v", "version"],
  ["--check", "check"],
  ["--check --version --help", "help"],
  ["-vh", "help"],
  ["--check --version", "version"],
  ["--check --check", "check"],
])("%j is %s", (line, kind) => {
  expect(parseCommandLine(line.split(" ").filter(Boolean))).toEqual({ kind });
});

test.each([
  ["--port", ": --port"],
  ["--port=80", ": --port=…"],
  ["-x", ": -x"],
  ["-vx", ": -x"],
  ["serve", ""],
  ["-", ""],
  ["--check=yes", ": --check=…"],
  ["--no-check", ": --no-check"],
  ["-- serve", ""],
  ["--help --stdio --check now", ": --stdio"],
  ["--a --b --a --c --d", ": --a --b --c"],
])("%j is refused, and unknown options are named", (line, unknown) => {
  expect(parseCommandLine(line.split(" "))).toEqual({
    kind: "refuse",
    message: `Unknown argument${unknown}. Run "minimax-image-mcp --help" for usage.`,
  });
});

test.each([
  ...["--api-key sk-SECRET1", "--api-key=sk-SECRET1", "--api-key=sk\nSECRET1", "--api-key:SECRET1", "-k sk-SECRET1"],
  ...["-kSECRET1", "-k=SECRET1", "sk-SECRET1", "--check SECRET1", "-- SECRET1", "--SECRET1", "-SECRET1"],
  ...["MINIMAX_API_KEY=SECRET1", `--${"SECRET".repeat(10)}`],
])("%j is refused without repeating a possible secret", (line) => {
  const command = parseCommandLine(line.split(" "));

  expect(command.kind).toBe("refuse");
  expect(JSON.stringify(command)).not.toMatch(/SECRET|ECRET1|sk/);
});
