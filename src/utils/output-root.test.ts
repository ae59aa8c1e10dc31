import { mkdir, readdir } from "node:fs/promises";
import nodePath, { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { chooseOutputRoot, type OutputRoot, windowsSystemDirectories } from "./output-root.ts";

const home = join(nodePath.parse(process.cwd()).root, "home", "ada");
const pictures = join(home, "Pictures", "minimax-image-mcp");

function startedIn(workingDirectory: string, systemDirectories: readonly string[] = []): Promise<OutputRoot> {
  return chooseOutputRoot({ configured: undefined, workingDirectory, homeDirectory: home, systemDirectories });
}

test("the output directory is the configured directory, wherever the server was started, and it is not created", async () => {
  await using directory = await temporaryDirectory();
  const configured = join(directory.path, "pictures");

  for (const workingDirectory of [directory.path, nodePath.parse(directory.path).root]) {
    expect(
      await chooseOutputRoot({ configured, workingDirectory, homeDirectory: home, systemDirectories: [] }),
    ).toEqual({ base: configured, defaultDirectory: configured });
  }
  expect(await readdir(directory.path)).toEqual([]);
});

test("the output directory is output in the working directory, which is the base, and nothing is created", async () => {
  await using directory = await temporaryDirectory();

  const chosen = await startedIn(directory.path, [join(directory.path, "Windows")]);

  expect(chosen).toEqual({ base: directory.path, defaultDirectory: join(directory.path, "output") });
  expect(await readdir(directory.path)).toEqual([]);
});

test("files go to Pictures in the home directory when the server was started in the root of the filesystem", async () => {
  const workingDirectory = nodePath.parse(process.cwd()).root;

  expect(await startedIn(workingDirectory)).toMatchObject({ base: pictures, defaultDirectory: pictures });
});

test.each(["Windows", join("Windows", "System32"), join("Windows", "..windows")])(
  "files go to Pictures in the home directory when the server was started in the system directory %s",
  async (name) => {
    await using directory = await temporaryDirectory();
    const workingDirectory = join(directory.path, name);
    await mkdir(workingDirectory, { recursive: true });
    const systemDirectories = [join(directory.path, "Windows")];

    expect(await startedIn(workingDirectory, systemDirectories)).toMatchObject({
      base: pictures,
      defaultDirectory: pictures,
    });
  },
);

test("the output directory comes with a sentence for the person when nobody chose it", async () => {
  const workingDirectory = nodePath.parse(process.cwd()).root;

  const { fallbackNotice } = await startedIn(workingDirectory);

  expect(fallbackNotice).toBe(
    `The server was started in ${workingDirectory}, which is not writable or not meant for user files, so files go to ${pictures}. Set MINIMAX_OUTPUT_DIR to choose another place.`,
  );
});

test("the output directory is not moved because the working directory's name begins like the system directory's", async () => {
  await using directory = await temporaryDirectory();
  const workingDirectory = join(directory.path, "Windows.old");
  await mkdir(workingDirectory);
  const systemDirectories = [join(directory.path, "Windows")];

  const { base } = await startedIn(workingDirectory, systemDirectories);

  expect(base).toBe(workingDirectory);
});

test("files go to Pictures in the home directory when one of several system directories holds the working directory", async () => {
  await using directory = await temporaryDirectory();
  const systemDirectories = [join(directory.path, "Windows"), directory.path, join(directory.path, "Programs")];

  expect(await startedIn(directory.path, systemDirectories)).toMatchObject({ base: pictures });
});

test("files go to Pictures in the home directory when the working directory is gone", async () => {
  await using directory = await temporaryDirectory();
  const workingDirectory = join(directory.path, "gone");

  expect(await startedIn(workingDirectory)).toMatchObject({ base: pictures, defaultDirectory: pictures });
  expect(await readdir(directory.path)).toEqual([]);
});

test.each([
  ["a drive root", "C:\\"],
  ["another drive root", "d:\\"],
  ["the root of a share", "\\\\server\\share\\"],
  ["the system directory in other case", "c:\\WINDOWS\\system32"],
  ["a program's own directory", "C:\\Program Files\\Claude"],
])("files go to Pictures in the home directory, on Windows, instead of %s", async (_kind, workingDirectory) => {
  const chosen = await chooseOutputRoot(
    {
      configured: undefined,
      workingDirectory,
      homeDirectory: "C:\\Users\\Ada",
      systemDirectories: ["C:\\Windows", "C:\\Program Files"],
    },
    nodePath.win32,
  );

  expect(chosen.base).toBe("C:\\Users\\Ada\\Pictures\\minimax-image-mcp");
});

const known = ["C:\\WINDOWS", "C:\\Program Files", "C:\\Program Files (x86)"];

test.each([
  ["what clients pass on", { SystemRoot: "C:\\WINDOWS", ProgramFiles: "C:\\Program Files" }, known],
  ["what a 32-bit process has", { SystemRoot: "C:\\WINDOWS", ProgramFiles: "C:\\Program Files (x86)" }, known],
  ["nothing but the system", { SystemRoot: "D:\\Windows" }, ["D:\\Windows"]],
  ["other drives", { ProgramFiles: "E:\\Programs" }, ["E:\\Programs", "E:\\Programs (x86)"]],
  ["another system", { PATH: "/bin" }, []],
])("the directories that Windows keeps for itself are known from %s", (_case, environment, directories) => {
  expect(windowsSystemDirectories(environment)).toEqual(directories);
});

test.each(["c:\\windows", "C:\\Program Files (x86)\\Claude", "C:\\PROGRAM FILES\\Claude\\app"])(
  "the directories that Windows keeps for itself hold %s, where no images go",
  async (workingDirectory) => {
    const sources = { configured: undefined, workingDirectory, homeDirectory: "C:\\Users\\Ada" };

    const { base } = await chooseOutputRoot({ ...sources, systemDirectories: known }, nodePath.win32);

    expect(base).toBe("C:\\Users\\Ada\\Pictures\\minimax-image-mcp");
  },
);
