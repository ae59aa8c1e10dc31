import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { engines, name, version } from "../package.json";
import { type Run, runServer } from "./support/server.ts";

const MINIMUM = engines.node.replace(">=", "");

function runWith(versions: Readonly<Record<string, string>>): Promise<Run> {
  const value = `{ ...process.versions, ...${JSON.stringify(versions)} }`;
  const preload = `Object.defineProperty(process, "versions", { value: ${value} });`;
  return runServer({ args: ["--version"], preload });
}

test.each([
  ["18.20.4", false],
  ["20.9.0", false],
  ["20.18.9", false],
  [`${MINIMUM}.0`, true],
  ["21.0.0", true],
  ["100.1.2", true],
])("on Node %s the program starts: %s", async (node, starts) => {
  const run = await runWith({ node });

  expect(run).toEqual({
    code: starts ? 0 : 1,
    stdout: starts ? `${name} ${version}\n` : "",
    stderr: starts ? "" : `${name} needs Node.js ${MINIMUM} or newer, but this is ${node}.\n`,
  });
});

test.each(["bun", "deno"])("the program says under %s that Node is what it needs", async (runtime) => {
  const run = await runWith({ [runtime]: "1.4.0" });

  expect(run).toEqual({
    code: 0,
    stdout: `${name} ${version}\n`,
    stderr: `${name} needs Node.js to know whether a request was sent.\n`,
  });
});

test("the file that clients start is a few lines that an old Node can read", async () => {
  const lines = (await readFile("dist/index.js", "utf8")).trim().split("\n");

  expect(lines[0]).toBe("#!/usr/bin/env node");
  expect(lines.length).toBeLessThan(40);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(160);
  expect(lines.join("\n"), "syntax that a Node of long ago does not know").not.toMatch(/\?\?|\?\.|await/);
  expect(lines.join("\n")).toContain("enableCompileCache()");
  expect(lines.join("\n")).toMatch(/needs Node\.js[\s\S]*exitCode = 1[\s\S]*import\("\.\/server\.js"\)/);
});
