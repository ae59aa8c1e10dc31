import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { name, version } from "../package.json";
import { variables } from "../src/config/config.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { startConnectProxy } from "./support/connect-proxy.ts";
import { closedHost } from "./support/listening.ts";
import { type Run, runServer } from "./support/server.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";

/** Runs the program without a key in a directory that has to stay empty. */
async function runWithoutKey(args: readonly string[]): Promise<Run> {
  await using directory = await temporaryDirectory();
  const run = await runServer({ cwd: directory.path, args });
  expect(await readdir(directory.path)).toEqual([]);
  return run;
}

test("--help lists every option and every variable", async () => {
  const { code, stdout, stderr } = await runWithoutKey(["--help"]);

  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const names = variables().map((variable) => variable.name);
  expect(names).toContain("MINIMAX_API_KEY");
  for (const word of ["--check", "--help", "--version", ...names]) expect(stdout).toContain(word);
});

test("-v says name and version", async () => {
  expect(await runWithoutKey(["-v"])).toEqual({ code: 0, stdout: `${name} ${version}\n`, stderr: "" });
});

test("an unknown argument ends with 2, and its value is not shown", async () => {
  const stderr = 'Unknown argument: --api-key=…. Run "minimax-image-mcp --help" for usage.\n';

  expect(await runWithoutKey(["--check", "--api-key=sk-api-SECRET1"])).toEqual({ code: 2, stdout: "", stderr });
});

test("--check says that all is well, masks the key and asks for no image", async () => {
  await using api = await startStandIn();
  await using proxy = await startConnectProxy();
  await using directory = await temporaryDirectory();
  const pictures = join(directory.path, "pictures", "of-cats");

  const { code, stdout, stderr } = await runServer({
    cwd: directory.path,
    args: ["--check"],
    env: {
      MINIMAX_API_KEY: STAND_IN_KEY,
      MINIMAX_API_HOST: api.url,
      MINIMAX_OUTPUT_DIR: pictures,
      HTTP_PROXY: `http://anna:s3cret@${proxy.host}`,
    },
  });

  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^Ready\.$/m);
  expect(stdout).toContain(`${pictures} can be written`);
  expect(stdout).toContain(`Proxy              ${proxy.url}`);
  expect(stdout).not.toContain(STAND_IN_KEY);
  expect(stdout).not.toContain("s3cret");
  expect(proxy.tunnels.map(({ target }) => target)).toEqual([new URL(api.url).host]);
  expect(api.deliveredImages).toHaveLength(0);
  expect(await readdir(directory.path)).toEqual([]);
});

test("--check says everything that is wrong, and ends with 1", async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, "file");
  await writeFile(file, "mine");
  const host = `http://${await closedHost()}`;

  const { code, stdout } = await runServer({
    args: ["--check"],
    env: { MINIMAX_API_KEY: "^!^!^!^!", MINIMAX_API_HOST: host, MINIMAX_OUTPUT_DIR: join(file, "sub") },
  });

  expect(code).toBe(1);
  expect(stdout).toContain(`${host} cannot be reached`);
  expect(stdout).toContain(`${join(file, "sub")} cannot be written`);
  expect(stdout).not.toMatch(/[!^]/);
});
