import { execFile } from "node:child_process";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { expect, test } from "vitest";
import { bigJpeg } from "../test/support/big-jpeg.ts";
import { temporaryDirectory } from "../test/support/temporary-directory.ts";
import type { CallOutcome } from "./calls/call.ts";
import { HttpError, MiniMaxApiError, UserFacingError } from "./errors.ts";
import { toResult } from "./result.ts";
import { toolInputSchema, type ToolOutput, toolOutputSchema } from "./schemas.ts";
import { Workspace } from "./utils/workspace.ts";

const isWindows = process.platform === "win32";
const IMAGE = { path: "/a.jpeg", width: 1024, height: 768, bytes: 2000, mime_type: "image/jpeg" } as const;
const OUTPUT: ToolOutput = {
  image_count: 1,
  saved_count: 1,
  file_paths: [IMAGE.path],
  metadata: { failed_count: "0", success_count: "1" },
  images: [IMAGE],
};

interface ShowOptions {
  readonly args?: Readonly<Record<string, unknown>>;
  readonly base?: string;
  readonly notices?: readonly string[];
}

function show(outcome: CallOutcome, { args, base = "", notices = [] }: ShowOptions = {}): Promise<CallToolResult> {
  const input = toolInputSchema.parse({ prompt: "a cat", ...args });
  const workspace = new Workspace({ base, defaultDirectory: base, referenceDirectories: [], homeDirectory: undefined });
  return toResult({ outcome, notices }, input, workspace);
}

const SAVED = ["Saved 1 of 1 image.", "- /a.jpeg (1024x768 pixels, 2000 bytes, image/jpeg)"];
const COUNTS = "MiniMax counts: 1 succeeded, 0 failed.";

test.each<[string, Partial<ToolOutput>, readonly string[]]>([
  ["nothing more than is known", {}, [...SAVED, COUNTS]],
  ["seed and id", { seed: 0, id: "trace-1" }, [...SAVED, "Seed: 0", COUNTS, "Request id: trace-1"]],
  [
    "a failure",
    { failures: [{ index: 1, error: "It is empty." }] },
    [...SAVED, "Image 2 was not saved: It is empty.", COUNTS],
  ],
  ["links", { image_urls: ["https://a.test/b"] }, [...SAVED, "Link 1 (expires in 24 h): https://a.test/b", COUNTS]],
])("a result tells %s", async (_what, facts, lines) => {
  const output = { ...OUTPUT, ...facts };

  const { content, structuredContent } = await show({ output });

  expect(content).toEqual([{ type: "text", text: lines.join("\n") }]);
  expect(toolOutputSchema.parse(structuredContent)).toEqual(output);
});

test("a result warns of earlier calls, of its input and of its images", async () => {
  const warnings = ["It was joined.", "Ignored unknown parameters: extra.", "It is truncated."];

  const { content, structuredContent } = await show(
    { output: { ...OUTPUT, warnings: ["It is truncated."] } },
    { args: { extra: 1 }, notices: ["It was joined."] },
  );

  const lines = [...SAVED, ...warnings.map((warning) => `Warning: ${warning}`), COUNTS];
  expect(content).toEqual([{ type: "text", text: lines.join("\n") }]);
  expect(structuredContent).toEqual({ ...OUTPUT, warnings });
});

test("a result without a saved image tells first what was billed", async () => {
  const failures = [{ index: 0, error: "It is empty." }];

  const result = await show({ output: { ...OUTPUT, saved_count: 0, images: [], file_paths: [], failures } });

  const text = `MiniMax generated and billed 1 image, but none could be saved. Calling again will be billed again.
Saved 0 of 1 image.
Image 1 was not saved: It is empty.
${COUNTS}`;
  expect(result).toEqual({ content: [{ type: "text", text }], isError: true });
});

test.each([
  [
    "a refusal",
    new MiniMaxApiError(1004, "", { traceId: "abc" }),
    /^[^\n]+\nStatus code: 1004\nRecovery: [^\n]+\nTrace id: abc\nWarning: It was joined\.$/,
  ],
  [
    "an HTTP error",
    new HttpError(404, { host: "api.example" }),
    /^api\.example responded with HTTP 404 and no image\.\nRecovery: .+\nWarning: It was joined\.$/,
  ],
  ["an error without advice", new UserFacingError("It ended."), /^It ended\.\nWarning: It was joined\.$/],
  ["a defect", new Error("Bearer sk-1"), /^Something unexpected [^\n]+\nWarning: It was joined\.$/],
])("%s is told in its own words alone", async (_what, error, words) => {
  const text: unknown = expect.stringMatching(words);

  const result = await show({ error }, { notices: ["It was joined."] });

  expect(result).toEqual({ content: [{ type: "text", text }], isError: true });
});

/** Images of these sizes that were saved in a directory, and the result of a call that wants to see them. */
async function saved(directory: string, sizes: readonly number[]) {
  const [base, outside] = [join(directory, "base"), join(directory, "outside.jpeg")];
  await mkdir(base);
  await writeFile(outside, bigJpeg(5_000));
  const files = sizes.map(bigJpeg);
  const images = files.map(({ length }, index) => ({ ...IMAGE, path: join(base, `${index}.jpeg`), bytes: length }));
  for (const [index, { path }] of images.entries()) await writeFile(path, files[index] ?? "");
  return {
    files: files.map((file) => file.toString("base64")),
    paths: images.map(({ path }) => path),
    outside,
    show: async () => {
      const { content, structuredContent } = await show(
        { output: { ...OUTPUT, images } },
        { args: { return_images: true }, base },
      );
      return {
        inline: content.flatMap((part) => (part.type === "image" ? [part.data] : [])),
        warnings: structuredContent?.["warnings"],
      };
    },
  };
}

test("images are returned inline, in their order, up to 700 kB together", async () => {
  await using directory = await temporaryDirectory();
  const { files, paths, show: showSaved } = await saved(directory.path, [400_000, 300_000, 500]);

  const { inline, warnings } = await showSaved();

  expect(inline).toEqual(files.slice(0, 2));
  expect(warnings).toEqual([
    `1 saved image not shown inline (700 kB limit, or the file could not be read back): ${paths[2] ?? ""}`,
  ]);
});

test.skipIf(isWindows).each([
  ["a link to /etc/passwd", (path: string) => symlink("/etc/passwd", path)],
  ["a link to an image outside", (path: string, outside: string) => symlink(outside, path)],
  ["a pipe", (path: string) => promisify(execFile)("mkfifo", [path])],
  ["a directory", (path: string) => mkdir(path)],
  ["a text", (path: string) => writeFile(path, "root:x:0:0")],
  ["nothing", () => Promise.resolve()],
])("of a saved image that became %s nothing is returned", async (_what, swap) => {
  await using directory = await temporaryDirectory();
  const { files, paths, outside, show: showSaved } = await saved(directory.path, [2_000, 3_000, 4_000]);
  const path = paths[1] ?? "";
  await rm(path);
  await swap(path, outside);
  const sinceMs = performance.now();

  const { inline, warnings } = await showSaved();

  expect(inline).toEqual(files.slice(0, 1));
  expect(warnings).toEqual([
    `2 saved images not shown inline (700 kB limit, or the file could not be read back): ${paths.slice(1).join(", ")}`,
  ]);
  expect(performance.now() - sinceMs, "the pipe's other end is not waited for").toBeLessThan(4_000);
});
