import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { engines, name, version } from "../package.json";
import { runServer } from "./support/run-server.ts";

const MINIMUM = engines.node.replace(">=", "");

/** Makes Node say that it is of another version. */
function posingAs(node: string): string {
  return `Object.defineProperty(process, "versions", { value: { ...process.versions, node: ${JSON.stringify(node)} } });`;
}

test.each(["16.20.2", "18.20.4", "20.9.0", "20.18.9"])(
  "the launcher: on Node %s it says in one sentence which version is needed and which this is, and exits with 1",
  async (node) => {
    const run = await runServer({ args: ["--version"], preload: posingAs(node) });

    expect(run).toEqual({
      code: 1,
      stdout: "",
      stderr: `${name} needs Node.js ${MINIMUM} or newer, but this is ${node}.\n`,
    });
  },
);

test.each([`${MINIMUM}.0`, "20.100.0", "21.0.0", "100.1.2"])(
  "the launcher: on Node %s it starts the program",
  async (node) => {
    const run = await runServer({ args: ["--version"], preload: posingAs(node) });

    expect(run).toEqual({ code: 0, stdout: `${name} ${version}\n`, stderr: "" });
  },
);

test("the file that clients start can be read: a few short lines that name the version check and the program", async () => {
  const lines = (await readFile("dist/index.js", "utf8")).trim().split("\n");

  expect(lines[0]).toBe("#!/usr/bin/env node");
  expect(lines.length).toBeLessThan(40);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(160);
  expect(lines.join("\n"), "syntax that a Node of long ago does not know").not.toMatch(/\?\?|\?\.|await/);
  expect(lines.join("\n")).toMatch(/needs Node\.js[\s\S]*exitCode = 1[\s\S]*import\("\.\/server\.js"\)/);
});
