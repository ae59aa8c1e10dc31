import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { name, version } from "../package.json";
import { variables } from "../src/config/config.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { startConnectProxy } from "./support/connect-proxy.ts";
import { closedHost } from "./support/listening.ts";
import { type Run, runServer } from "./support/run-server.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";

function runIn(cwd: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Run> {
  return runServer({ cwd, args, env });
}

test.each(["--help", "-h"])(
  "without a key and without leaving a file: %s lists every option and every variable",
  async (flag) => {
    await using directory = await temporaryDirectory();

    const { code, stdout, stderr } = await runIn(directory.path, [flag]);

    expect(code).toBe(0);
    expect(stderr).toBe("");
    for (const word of ["--check", "--help", "--version", ...variables().map((variable) => variable.name)]) {
      expect(stdout).toContain(word);
    }
    expect(await readdir(directory.path)).toEqual([]);
  },
);

test.each(["--version", "-v"])("without a key and without leaving a file: %s says name and version", async (flag) => {
  await using directory = await temporaryDirectory();

  const run = await runIn(directory.path, [flag]);

  expect(run).toEqual({ code: 0, stdout: `${name} ${version}\n`, stderr: "" });
  expect(await readdir(directory.path)).toEqual([]);
});

test.each([
  ["an unknown flag", ["--frobnicate"], "--frobnicate"],
  ["an unknown letter", ["-x"], "-x"],
  ["an unknown flag beside a known one", ["--help", "--frobnicate"], "--frobnicate"],
  ["a flag with a value it does not take", ["--check=yes"], "--check=…"],
])("without a key and without leaving a file: %s is named on stderr and ends with 2", async (_, args, word) => {
  await using directory = await temporaryDirectory();

  const { code, stdout, stderr } = await runIn(directory.path, args);

  expect(code).toBe(2);
  expect(stdout).toBe("");
  expect(stderr).toContain(`: ${word}.`);
  expect(stderr).toContain("--help");
  expect(await readdir(directory.path)).toEqual([]);
});

test.each([
  ["after a long option", ["--api-key", "sk-api-SECRET1"], ": --api-key."],
  ["in a long option", ["--api-key=sk-api-SECRET1"], ": --api-key=…."],
  ["after a letter", ["-k", "sk-api-SECRET1"], ": -k."],
  ["glued to a letter", ["-kSECRET1"], ": -k."],
  ["alone", ["sk-api-SECRET1"], "Unknown argument."],
  ["after --check", ["--check", "sk-api-SECRET1"], "Unknown argument."],
  ["after --", ["--", "sk-api-SECRET1"], "Unknown argument."],
])("without a key and without leaving a file: a value %s is not shown on stderr", async (_, args, words) => {
  await using directory = await temporaryDirectory();

  const { code, stdout, stderr } = await runIn(directory.path, args);

  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(words);
  expect(stderr).not.toMatch(/SECRET|sk-/);
});

test("--check says how to set the key and ends with 1", async () => {
  await using api = await startStandIn();
  await using directory = await temporaryDirectory();

  const { code, stderr } = await runIn(directory.path, ["--check"], { MINIMAX_API_HOST: api.url });

  expect(code).toBe(1);
  expect(stderr).toContain("MINIMAX_API_KEY is required");
  expect(api.deliveredImages).toHaveLength(0);
  expect(await readdir(directory.path)).toEqual([]);
});

test("--check says what is configured and that the key is accepted, masks the key and asks for no image", async () => {
  await using api = await startStandIn();
  await using directory = await temporaryDirectory();
  const pictures = join(directory.path, "pictures", "of-cats");

  const { code, stdout, stderr } = await runIn(directory.path, ["--check"], {
    MINIMAX_API_KEY: STAND_IN_KEY,
    MINIMAX_API_HOST: api.url,
    MINIMAX_OUTPUT_DIR: pictures,
  });

  expect(code).toBe(0);
  expect(stdout).toContain(`${STAND_IN_KEY.slice(0, 4)}…${STAND_IN_KEY.slice(-4)}`);
  expect(stdout).toContain("accepted by the host");
  expect(stdout).toContain(`${api.url} can be reached`);
  expect(stdout).toContain(`${pictures} can be written`);
  expect(stdout + stderr).not.toContain(STAND_IN_KEY);
  expect(stdout + stderr).not.toContain(STAND_IN_KEY.slice(4, -4));
  expect(api.deliveredImages).toHaveLength(0);
  expect(await readdir(directory.path)).toEqual([]);
});

test("--check shows nothing of a short key", async () => {
  await using api = await startStandIn();
  await using directory = await temporaryDirectory();

  const { code, stdout, stderr } = await runIn(directory.path, ["--check"], {
    MINIMAX_API_KEY: "^!^!^!^!",
    MINIMAX_API_HOST: api.url,
  });

  expect(code).toBe(1);
  expect(stdout).toContain("API key            set (too short to show partially) refused by the host");
  expect(stdout + stderr).not.toMatch(/[!^]/);
});

test("--check says that a host where nothing listens cannot be reached, and ends with 1", async () => {
  await using directory = await temporaryDirectory();
  const host = `http://${await closedHost()}`;

  const { code, stdout, stderr } = await runIn(directory.path, ["--check"], {
    MINIMAX_API_KEY: STAND_IN_KEY,
    MINIMAX_API_HOST: host,
  });

  expect(code).toBe(1);
  expect(stdout).toContain(`${host} cannot be reached`);
  expect(stdout).toContain("can be written");
  expect(stdout + stderr).not.toContain(STAND_IN_KEY);
  expect(await readdir(directory.path)).toEqual([]);
});

test.each([
  ["is a file", []],
  ["lies below a file", ["sub", "directory"]],
])("--check says that an output directory that %s cannot be written, and ends with 1", async (_, below) => {
  await using api = await startStandIn();
  await using directory = await temporaryDirectory();
  const file = join(directory.path, "file");
  await writeFile(file, "mine");

  const { code, stdout } = await runIn(directory.path, ["--check"], {
    MINIMAX_API_KEY: STAND_IN_KEY,
    MINIMAX_API_HOST: api.url,
    MINIMAX_OUTPUT_DIR: join(file, ...below),
  });

  expect(code).toBe(1);
  expect(stdout).toContain(`${join(file, ...below)} cannot be written`);
  expect(stdout).toContain(`${api.url} can be reached`);
  expect(await readdir(directory.path)).toEqual(["file"]);
});

test("--check asks through the proxy and shows it without its password", async () => {
  await using api = await startStandIn();
  await using proxy = await startConnectProxy();
  await using directory = await temporaryDirectory();

  const { code, stdout, stderr } = await runIn(directory.path, ["--check"], {
    MINIMAX_API_KEY: STAND_IN_KEY,
    MINIMAX_API_HOST: api.url,
    HTTP_PROXY: `http://anna:s3cret@${proxy.host}`,
  });

  expect(code).toBe(0);
  expect(stdout).toContain(`Proxy              ${proxy.url}`);
  expect(stdout + stderr).not.toContain("s3cret");
  expect(proxy.tunnels.map(({ target }) => target)).toEqual([new URL(api.url).host]);
});
