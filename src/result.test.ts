import { execFileSync } from "node:child_process";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { expect, test } from "vitest";
import { bigJpeg } from "../test/support/big-jpeg.ts";
import { temporaryDirectory } from "../test/support/temporary-directory.ts";
import { toResult } from "./result.ts";
import { toolInputSchema, type ToolOutput } from "./schemas.ts";
import { Workspace } from "./utils/workspace.ts";

const isWindows = process.platform === "win32";
const IMAGES = [bigJpeg(2_000), bigJpeg(3_000), bigJpeg(4_000)];

interface Saved extends AsyncDisposable {
  readonly paths: readonly string[];
  readonly outside: string;
  readonly show: () => Promise<CallToolResult>;
}

/** Three images that were saved in a base directory, and the result of a call that wants to see them. */
async function saved(): Promise<Saved> {
  const directory = await temporaryDirectory();
  const [base, outside] = [join(directory.path, "base"), join(directory.path, "outside.jpeg")];
  await mkdir(base);
  await writeFile(outside, bigJpeg(5_000));
  const paths = IMAGES.map((_, index) => join(base, `hero-${index + 1}.jpeg`));
  for (const [index, path] of paths.entries()) await writeFile(path, IMAGES[index] ?? "");
  const output: ToolOutput = {
    image_count: 3,
    saved_count: 3,
    file_paths: paths,
    metadata: { failed_count: "0", success_count: "3" },
    images: paths.map((path, index) => ({
      path,
      width: 1024,
      height: 1024,
      bytes: IMAGES[index]?.length ?? 0,
      mime_type: "image/jpeg",
    })),
  };
  const workspace = new Workspace({ base, defaultDirectory: base, referenceDirectories: [], homeDirectory: undefined });
  const input = toolInputSchema.parse({ prompt: "a cat", n: 3, return_images: true });
  return {
    paths,
    outside,
    show: () => toResult({ outcome: { output }, notices: [] }, input, workspace),
    [Symbol.asyncDispose]: () => Promise.resolve(directory[Symbol.asyncDispose]()),
  };
}

function inlineOf({ content }: CallToolResult): string[] {
  return content.flatMap((part) => (part.type === "image" ? [part.data] : []));
}

const ALL = IMAGES.map((image) => image.toString("base64"));

test("images are returned inline, in their order", async () => {
  await using place = await saved();

  const result = await place.show();

  expect(inlineOf(result)).toEqual(ALL);
  expect(result.structuredContent).not.toHaveProperty("warnings");
});

test.skipIf(isWindows).each([
  ["a link to /etc/passwd", (path: string) => symlink("/etc/passwd", path)],
  ["a link to an image outside", (path: string, outside: string) => symlink(outside, path)],
  [
    "a pipe",
    (path: string) => {
      execFileSync("mkfifo", [path]);
      return Promise.resolve();
    },
  ],
  ["a directory", (path: string) => mkdir(path)],
  ["a text", (path: string) => writeFile(path, "root:x:0:0")],
  ["nothing", () => Promise.resolve()],
])("of a saved image that became %s nothing is returned", async (_what, swap) => {
  await using place = await saved();
  const path = place.paths[1] ?? "";
  await rm(path);
  await swap(path, place.outside);
  const sinceMs = performance.now();

  const result = await place.show();

  expect(inlineOf(result)).toEqual(ALL.slice(0, 1));
  expect(result.structuredContent).toHaveProperty("warnings", [
    expect.stringMatching(/^2 saved images not shown inline/),
  ]);
  expect(JSON.stringify(result)).not.toContain("root:");
  expect(performance.now() - sinceMs, "the pipe's other end is not waited for").toBeLessThan(4_000);
});
