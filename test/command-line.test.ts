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

test.each([
  ["an unknown flag beside a known one", ["--help", "--frobnicate"], ": --frobnicate."],
  ["a value in a long option", ["--api-key=sk-api-SECRET1"], ": --api-key=…."],
  ["a value glued to a letter", ["-kSECRET1"], ": -k."],
  ["a value after --check", ["--check", "sk-api-SECRET1"], "Unknown argument."],
])("%s ends with 2, and no value is shown", async (_, args, words) => {
  const { code, stdout, stderr } = await runWithoutKey(args);

  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(words);
  expect(stderr).toContain("--help");
  expect(stderr).not.toMatch(/SECRET|sk-/);
});

test("--check without a key says how to set it and ends with 1", async () => {
  const { code, stderr } = await runWithoutKey(["--check"]);

  expect(code).toBe(1);
  expect(stderr).toContain("MINIMAX_API_KEY is required");
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

  expect(code).toBe(0);
  expect(stdout).toContain(`${STAND_IN_KEY.slice(0, 4)}…${STAND_IN_KEY.slice(-4)}`);
  expect(stdout).toContain("accepted by the host");
  expect(stdout).toContain(`${api.url} can be reached`);
  expect(stdout).toContain(`${pictures} can be written`);
  expect(stdout).toContain(`Proxy              ${proxy.url}`);
  expect(stdout + stderr).not.toContain(STAND_IN_KEY.slice(4, -4));
  expect(stdout + stderr).not.toContain("s3cret");
  expect(proxy.tunnels.map(({ target }) => target)).toEqual([new URL(api.url).host]);
  expect(api.deliveredImages).toHaveLength(0);
  expect(await readdir(directory.path)).toEqual([]);
});

test("--check says everything that is wrong, and ends with 1", async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, "file");
  await writeFile(file, "mine");
  const host = `http://${await closedHost()}`;

  const { code, stdout, stderr } = await runServer({
    cwd: directory.path,
    args: ["--check"],
    env: { MINIMAX_API_KEY: "^!^!^!^!", MINIMAX_API_HOST: host, MINIMAX_OUTPUT_DIR: join(file, "sub") },
  });

  expect(code).toBe(1);
  expect(stdout).toContain(`${host} cannot be reached`);
  expect(stdout).toContain(`${join(file, "sub")} cannot be written`);
  expect(stdout).toContain("API key            set (too short to show partially)");
  expect(stdout + stderr).not.toMatch(/[!^]/);
  expect(await readdir(directory.path)).toEqual(["file"]);
});

test("--check says that the host refuses the key, and ends with 1", async () => {
  await using api = await startStandIn();

  const { code, stdout } = await runServer({
    args: ["--check"],
    env: { MINIMAX_API_KEY: "sk-api-of-nobody-0123456789", MINIMAX_API_HOST: api.url },
  });

  expect(code).toBe(1);
  expect(stdout).toMatch(/^API key .* refused by the host/m);
  expect(stdout).toContain(`${api.url} can be reached`);
  expect(api.deliveredImages).toHaveLength(0);
});
