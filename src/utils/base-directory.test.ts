import { mkdir, readdir, rm } from "node:fs/promises";
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

  const chosen = await startedIn(directory.path, [join(directory.path, "Windows")]);

  expect(chosen).toEqual({ base: directory.path, defaultDirectory: join(directory.path, "output") });
  expect(await readdir(directory.path)).toEqual([]);
});

test.each([
  ["a filesystem root", ROOT, "."],
  ["a system directory", undefined, "Windows"],
  ["below a system directory", undefined, join("Windows", "..windows")],
  ["the last of several system directories", undefined, "Programs"],
  ["a directory that is gone", undefined, "gone"],
])("files go to Pictures for a server started in %s", async (_case, root, name) => {
  await using directory = await temporaryDirectory();
  await mkdir(join(directory.path, "Windows", "..windows"), { recursive: true });
  await mkdir(join(directory.path, "Programs"));
  const workingDirectory = join(root ?? directory.path, name);
  const systemDirectories = ["Windows", "Programs"].map((system) => join(directory.path, system));

  expect(await startedIn(workingDirectory, systemDirectories)).toEqual({
    base: PICTURES,
    defaultDirectory: PICTURES,
    fallbackNotice: `The server was started in ${workingDirectory}, which is not writable or not meant for user files, so files go to ${PICTURES}. Set MINIMAX_OUTPUT_DIR to choose another place.`,
  });
  expect((await readdir(directory.path)).toSorted()).toEqual(["Programs", "Windows"]);
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

test("a name that begins like a system directory's is no system directory", async () => {
  await using directory = await temporaryDirectory();
  const workingDirectory = join(directory.path, "Windows.old");
  await mkdir(workingDirectory);

  expect(await startedIn(workingDirectory, [join(directory.path, "Windows")])).toMatchObject({
    base: workingDirectory,
  });
});

const SYSTEM = ["C:\\WINDOWS", "C:\\Program Files", "C:\\Program Files (x86)"];

test.each(["C:\\", "d:\\", "\\\\server\\share\\", "c:\\windows\\system32", "C:\\PROGRAM FILES (x86)\\Claude\\app"])(
  "on Windows files go to Pictures for a server started in %s",
  async (workingDirectory) => {
    const known = { workingDirectory, homeDirectory: "C:\\Users\\Ada", systemDirectories: SYSTEM };

    const { base } = await chooseBaseDirectory(undefined, known, nodePath.win32);

    expect(base).toBe("C:\\Users\\Ada\\Pictures\\minimax-image-mcp");
  },
);

test.each([
  "C:\\Users\\Ada\\AppData\\Local\\AnthropicClaude\\app-0.14.4",
  "C:\\Users\\Ada\\AppData\\Local\\Programs\\cursor",
  "c:\\users\\ada\\appdata\\roaming\\Claude",
  "C:\\Users\\Ada\\AppData",
  "C:\\Users\\Ada\\AppData\\Local",
  "C:\\Users\\Ada\\AppData\\Local\\Temporary",
])("an update may delete what a server saves in %s", async (workingDirectory) => {
  const known = { workingDirectory, homeDirectory: "C:\\Users\\Ada", systemDirectories: SYSTEM };

  const { base, fallbackNotice } = await chooseBaseDirectory(undefined, known, nodePath.win32);

  expect(base).toBe("C:\\Users\\Ada\\Pictures\\minimax-image-mcp");
  expect(fallbackNotice).toContain(workingDirectory);
});

/** Paths of Windows for what is really there: the writability of a working directory is asked of this disk. */
async function isChosen(workingDirectory: string): Promise<boolean> {
  await using directory = await temporaryDirectory();
  const path =
    nodePath.sep === "\\" ? join(directory.path, workingDirectory) : `${directory.path}\\${workingDirectory}`;
  await mkdir(path, { recursive: true });
  const known = { workingDirectory: path, homeDirectory: HOME, systemDirectories: [] };
  const { base } = await chooseBaseDirectory(undefined, known, nodePath.win32);
  await rm(path, { recursive: true });
  return base === path;
}

test.each([
  ["AppData\\Local\\Temp\\work", true],
  ["AppData\\Local\\Temp", true],
  ["AppDataBase\\work", true],
  ["My AppData", true],
  ["AppData\\work", false],
])("on Windows a server that was started in %s saves there: %s", async (workingDirectory, isKept) => {
  expect(await isChosen(workingDirectory)).toBe(isKept);
});

test.skipIf(process.platform === "win32").each([
  ["Claude.app/Contents/MacOS", false],
  ["Claude.app/Contents", false],
  ["my.app/src", true],
  ["my.app", true],
])("a server that was started in %s saves there: %s", async (name, isKept) => {
  await using directory = await temporaryDirectory();
  const workingDirectory = join(directory.path, name);
  await mkdir(workingDirectory, { recursive: true });

  expect((await startedIn(workingDirectory)).base === workingDirectory).toBe(isKept);
});

test.each([
  [{ SystemRoot: "C:\\WINDOWS", ProgramFiles: "C:\\Program Files" }, SYSTEM],
  [{ SystemRoot: "C:\\WINDOWS", ProgramFiles: "C:\\Program Files (x86)" }, SYSTEM],
  [{ SystemRoot: "D:\\Windows" }, ["D:\\Windows"]],
  [{ ProgramFiles: "E:\\Programs" }, ["E:\\Programs", "E:\\Programs (x86)"]],
  [{ PATH: "/bin" }, []],
])("the system directories of %j", (environment, directories) => {
  expect(windowsSystemDirectories(environment)).toEqual(directories);
});
