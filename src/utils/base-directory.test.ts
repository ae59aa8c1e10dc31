import { mkdir, readdir } from "node:fs/promises";
import nodePath, { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { chooseBaseDirectory, windowsSystemDirectories } from "./base-directory.ts";

const ROOT = nodePath.parse(process.cwd()).root;
const HOME = join(ROOT, "home", "ada");
const PICTURES = join(HOME, "Pictures", "minimax-image-mcp");

function startedIn(
  workingDirectory: string | undefined,
  systemDirectories: readonly string[] = [],
): ReturnType<typeof chooseBaseDirectory> {
  return chooseBaseDirectory(undefined, { workingDirectory, homeDirectory: HOME, systemDirectories });
}

test("a configured directory is the base wherever the server was started", async () => {
  await using directory = await temporaryDirectory();
  const configured = join(directory.path, "pictures");

  for (const workingDirectory of [directory.path, ROOT, undefined]) {
    const known = { workingDirectory, homeDirectory: undefined, systemDirectories: [] };
    expect(await chooseBaseDirectory(configured, known)).toEqual({ base: configured, defaultDirectory: configured });
  }
  expect(await readdir(directory.path)).toEqual([]);
});

test("the working directory is the base, and files go to output in it", async () => {
  await using directory = await temporaryDirectory();
  const workingDirectory = join(directory.path, "Windows.old");
  await mkdir(workingDirectory);

  const chosen = await startedIn(workingDirectory, [join(directory.path, "Windows")]);

  expect(chosen).toEqual({ base: workingDirectory, defaultDirectory: join(workingDirectory, "output") });
  expect(await readdir(workingDirectory)).toEqual([]);
});

test.each([
  ["a filesystem root", ROOT, "."],
  ["a system directory", undefined, "Windows"],
  ["a place below the last system directory", undefined, join("Programs", "..windows")],
  ["a directory that is gone", undefined, "gone"],
])("files go to Pictures for a server started in %s", async (_case, root, name) => {
  await using directory = await temporaryDirectory();
  await mkdir(join(directory.path, "Programs", "..windows"), { recursive: true });
  await mkdir(join(directory.path, "Windows"));
  const workingDirectory = join(root ?? directory.path, name);
  const systemDirectories = ["Windows", "Programs"].map((system) => join(directory.path, system));

  expect(await startedIn(workingDirectory, systemDirectories)).toEqual({
    base: PICTURES,
    defaultDirectory: PICTURES,
    fallbackNotice: `The server was started in ${workingDirectory}, which is not writable or not meant for user files, so files go to ${PICTURES}. Set MINIMAX_OUTPUT_DIR to choose another place.`,
  });
});

test("files go to Pictures without a working directory", async () => {
  const { base, fallbackNotice } = await startedIn(undefined);

  expect(base).toBe(PICTURES);
  expect(fallbackNotice).toContain("started in a directory that has been deleted, so files go to");
});

test.each([undefined, ROOT])("from %j without a home directory nothing is chosen", async (workingDirectory) => {
  const known = { workingDirectory, homeDirectory: undefined, systemDirectories: [] };

  await expect(chooseBaseDirectory(undefined, known)).rejects.toThrow("Set MINIMAX_OUTPUT_DIR to the absolute path");
});

const ON_MACS: [string, boolean][] = [
  ["/Claude.app/Contents/MacOS", false],
  ["/Claude.app/Contents", false],
  ["/my.app/src", true],
  ["/my.app", true],
];
const SYSTEM = ["C:\\WINDOWS", "C:\\Program Files", "C:\\Program Files (x86)"];

test.each(["d:\\", "\\\\server\\share\\"])("on Windows %s is no place to save", async (workingDirectory) => {
  const known = { workingDirectory, homeDirectory: "C:\\Users\\Ada", systemDirectories: SYSTEM };

  const { base } = await chooseBaseDirectory(undefined, known, nodePath.win32);

  expect(base).toBe("C:\\Users\\Ada\\Pictures\\minimax-image-mcp");
});

test.each([
  ["\\WINDOWS\\system32", false],
  ["\\Windows.old", true],
  ["\\AppData", false],
  ["\\AppData\\Local", false],
  ["\\AppData\\Local\\Temporary", false],
  ["\\appdata\\roaming\\Claude", false],
  ["\\AppData\\Local\\Temp\\work", true],
  ["\\AppData\\Local\\Temp", true],
  ["\\AppDataBase\\work", true],
  ["\\My AppData", true],
  ...(process.platform === "win32" ? [] : ON_MACS),
])("a server that was started in %s saves there: %s", async (name, isKept) => {
  await using directory = await temporaryDirectory();
  const above = `${directory.path}/started in`;
  const workingDirectory = above + name;
  await mkdir(workingDirectory, { recursive: true });
  const known = { workingDirectory, homeDirectory: HOME, systemDirectories: [`${above}\\Windows`] };

  const { base } = await chooseBaseDirectory(undefined, known, name.startsWith("/") ? nodePath.posix : nodePath.win32);

  expect(base === workingDirectory).toBe(isKept);
});

test.each([
  [{ SystemRoot: "C:\\WINDOWS", ProgramFiles: "C:\\Program Files" }, SYSTEM],
  [{ SystemRoot: "C:\\WINDOWS", ProgramFiles: "C:\\Program Files (x86)" }, SYSTEM],
  [{ SystemRoot: "D:\\Windows" }, ["D:\\Windows"]],
  [{ ProgramFiles: "E:\\a (x86)\\b" }, ["E:\\a (x86)\\b", "E:\\a (x86)\\b (x86)"]],
  [{ PATH: "/bin" }, []],
])("the system directories of %j", (environment, directories) => {
  expect(windowsSystemDirectories(environment)).toEqual(directories);
});
