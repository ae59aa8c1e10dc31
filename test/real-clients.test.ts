import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startStandIn } from "../stand-in/server.ts";
import { bigJpeg } from "./support/big-jpeg.ts";
import { type SpawnedServer, spawnQuickServer, textOf } from "./support/server.ts";
import { shareServer } from "./support/share-server.ts";
import { waitFor } from "./support/wait-for.ts";

const shared = shareServer((api) => spawnQuickServer({ api, env: { MINIMAX_RPM: "0" } }));
const TOOL = "minimax_image_generate";

async function answerTo(
  server: SpawnedServer,
  id: string,
  message: Readonly<Record<string, unknown>>,
): Promise<string> {
  server.transport.write(`${JSON.stringify({ jsonrpc: "2.0", id, ...message })}\n`);
  return waitFor(`the answer to ${id}`, () =>
    server.transport.stdout
      .split("\n")
      .slice(0, -1)
      .find((line) => line.includes(`"id":${JSON.stringify(id)}`)),
  );
}

test("null for every optional parameter means that it was not given", async () => {
  const { api, server } = shared.begin();

  const result = await server.generate({
    prompt: "x",
    aspect_ratio: null,
    n: null,
    seed: null,
    response_format: null,
    prompt_optimizer: null,
    subject_reference: null,
    output_dir: null,
    width: null,
    height: null,
    filename: null,
    model: null,
    style: null,
    aigc_watermark: null,
    return_images: null,
  });

  expect(result.isError).toBeUndefined();
  expect(result.structuredContent).not.toHaveProperty("warnings");
  expect(api.requests).toHaveLength(1);
});

test("null inside a style means that the member was not given", async () => {
  const { server } = shared.begin();

  const live = { model: "image-01-live", style: { style_type: "水彩", style_weight: null } };
  expect((await server.generate({ prompt: "x", ...live })).isError).toBeUndefined();
  const empty = { style: { style_type: null, style_weight: null } };
  expect((await server.generate({ prompt: "x", ...empty })).isError).toBeUndefined();
});

test("null for the prompt is a prompt that is missing", async () => {
  const { server } = shared.begin();

  expect(textOf(await server.generate({ prompt: null }))).toContain("prompt: expected text of 1 to 1500 characters");
});

test.each([
  ["params", "tools/list", { params: null }],
  ["a cursor", "tools/list", { params: { cursor: null } }],
  ["_meta", "tools/list", { params: { _meta: null } }],
  ["a progress token", "tools/list", { params: { _meta: { progressToken: null } } }],
  ["params of a ping", "ping", { params: null }],
])("null in place of %s is absent, and the request is answered", async (what, method, rest) => {
  const { server } = shared.begin();

  expect(await answerTo(server, `null ${what}`, { method, ...rest })).toContain('"result":');
});

test("null in place of arguments is answered as a call without any", async () => {
  const { server } = shared.begin();

  const answer = await answerTo(server, "null arguments", {
    method: "tools/call",
    params: { name: TOOL, arguments: null },
  });

  expect(answer).toContain("prompt: expected text of 1 to 1500 characters; got nothing");
});

test.each([
  ["arguments as JSON text", { method: "tools/call", params: { name: TOOL, arguments: '{"prompt":"x"}' } }],
  ["arguments as a list", { method: "tools/call", params: { name: TOOL, arguments: [1] } }],
  ["a call without a name", { method: "tools/call", params: {} }],
  ["params as text", { method: "tools/list", params: "x" }],
  ["_meta as a number", { method: "tools/list", params: { _meta: 7 } }],
  ["a progress token that is an object", { method: "tools/list", params: { _meta: { progressToken: {} } } }],
  ["a method that is a number", { method: 7 }],
])(
  "a request that cannot be read is answered under its id, in words and not in a validator's dump: %s",
  async (what, message) => {
    const { api, server } = shared.begin();

    const answer = await answerTo(server, what, message);

    expect(answer).toContain('"error":');
    expect(answer).toContain("The request is not valid");
    expect(answer).toContain("Recovery: ");
    expect(answer).not.toMatch(/\\"code\\"|invalid_type/);
    expect(api.requests).toHaveLength(0);
  },
);

const defaults = {
  n: 1,
  response_format: "base64",
  prompt_optimizer: false,
  model: "image-01",
  return_images: false,
};

test.each([
  ["16:9 contradicted by the default", "1:1", 1920, 1080, true],
  ["the ratio of the size", "16:9", 1920, 1080, false],
  ["a ratio met as nearly as multiples of 8 allow", "16:9", 1368, 768, false],
  ["21:9, which the size overrules", "21:9", 512, 2048, true],
])("defaults that a client filled in with a size: %s", async (_, aspect_ratio, width, height, isWarned) => {
  const { api, server } = shared.begin();

  const result = await server.generate({ prompt: "x", width, height, aspect_ratio, ...defaults });

  expect(result.isError).toBeUndefined();
  expect(api.requests[0]?.body).toMatchObject({ width, height });
  expect(api.requests[0]?.body).not.toHaveProperty("aspect_ratio");
  expect(textOf(result).includes(`aspect_ratio ${aspect_ratio} was not used`)).toBe(isWarned);
});

test("Gemini CLI's own wait_for_previous is not warned of, other unknown keys are", async () => {
  const { server } = shared.begin();

  const result = await server.generate({ prompt: "x", wait_for_previous: true, negative_prompt: "dogs" });

  expect(result.structuredContent).toMatchObject({ warnings: ["Ignored unknown parameters: negative_prompt."] });
});

test.each([
  ["a number as text", { n: "3" }, '- n: expected an integer from 1 to 9; got "3" (text)'],
  [
    "a list as JSON text",
    { subject_reference: "[]" },
    "- subject_reference: expected a list of 1 to 5 references; got",
  ],
  ["a side that is no integer and no multiple", { width: 1000.5, height: 1000 }, "got 1000.5 (number)"],
  ["an object as text", { style: "comic" }, '- style: expected an object with style_type; got "comic" (text)'],
  ["a flag as text", { return_images: "true" }, '- return_images: expected true or false; got "true" (text)'],
  [
    "text as a list",
    { output_dir: ["a"] },
    "- output_dir: expected a path of 1 to 4096 characters; got a list of 1 item",
  ],
  ["a path as a filename", { filename: "public/img/hero.jpg" }, 'Use output_dir "public/img" and filename "hero".'],
  ["a Windows path as a filename", { filename: "img\\hero.png" }, 'Use output_dir "img" and filename "hero".'],
])("a refusal says what came, once for each parameter, and what to do: %s", async (_, args, words) => {
  const { api, server } = shared.begin();

  const text = textOf(await server.generate({ prompt: "x", ...args }));

  expect(text).toContain(words);
  expect(text.match(/^- /gm)).toHaveLength(1);
  expect(text).toMatch(/^Recovery: No request was made\. /m);
  expect(api.requests).toHaveLength(0);
});

test.each([
  "${workspaceFolder}/images",
  "$HOME/images",
  "images/%USERNAME%",
  "<project>/images",
  "{env:HOME}/images",
  "file:///tmp/images",
  '"images"',
  "'images/a'",
  ...(process.platform === "win32"
    ? ["/home/me/images"]
    : ["C:\\Users\\me\\Pictures", "C:/Users", "img\\hero", "\\\\nas\\a"]),
])(
  "an output_dir that can only be a mistake is refused, and no directory of that name is made: %s",
  async (output_dir) => {
    const { api, server } = shared.begin();

    const text = textOf(await server.generate({ prompt: "x", output_dir }));

    expect(text).toMatch(/^- output_dir: the path /m);
    expect(api.requests).toHaveLength(0);
    expect(await readdir(server.outputDir)).toEqual([]);
  },
);

test.each(["50% off", "cash $", "it's", "a$b", "Größe/猫"])("%s is a name like any other", async (output_dir) => {
  const { server } = shared.begin();

  expect((await server.generate({ prompt: "x", output_dir })).isError).toBeUndefined();
});

const reference = (image_file: string) => ({ prompt: "x", subject_reference: [{ type: "character", image_file }] });

test.each([
  ["a space for the narrow no-break space of a screenshot", "Shot 1.02.03\u202fPM.png", "Shot 1.02.03 PM.png"],
  ["a space for a no-break space", "a\u00a0b.png", "a b.png"],
  ["NFC for NFD", "Zoe\u0308.png", "Zo\u00eb.png"],
  ["NFD for NFC", "caf\u00e9.png", "cafe\u0301.png"],
  ["one space for two", "a  b.png", "a b.png"],
])("a reference whose name is written in another way is found: %s", async (_, onDisk, given) => {
  const { api, server } = shared.begin();
  await writeFile(join(server.outputDir, onDisk), bigJpeg(2000));

  expect((await server.generate(reference(given))).isError).toBeUndefined();
  expect(api.requests).toHaveLength(1);
});

test("a reference whose name is written in another way is refused where two files could be meant", async () => {
  const { api, server } = shared.begin();
  await mkdir(join(server.outputDir, "d"));
  for (const name of ["x\u00a0y.png", "x\u202fy.png"]) {
    await writeFile(join(server.outputDir, "d", name), bigJpeg(2000));
  }

  expect(textOf(await server.generate(reference("d/x y.png")))).toContain("ENOENT");
  expect(api.requests).toHaveLength(0);
});

const box = (brand: string): Buffer => Buffer.from(`\0\0\0\x18ftyp${brand}\0\0\0\0mif1${brand}`, "latin1");

test.each([
  ["HEIC", box("heic")],
  ["AVIF", box("avif")],
  ["HEIC", box("mif1")],
  ["GIF", Buffer.from("GIF89a______")],
  ["SVG", Buffer.from('<?xml version="1.0"?>\n<svg xmlns="x"/>')],
])("a reference of a kind MiniMax does not take is named, with what to convert it to: %s", async (kind, bytes) => {
  const { api, server } = shared.begin();
  await writeFile(join(server.outputDir, "face.jpg"), bytes);
  const references = ["face.jpg", `data:image/jpeg;base64,${bytes.toString("base64")}`];

  for (const image_file of references) {
    const result = await server.generate({ prompt: "x", subject_reference: [{ type: "character", image_file }] });
    expect(textOf(result)).toMatch(new RegExp(`an? ${kind} image, which MiniMax does not accept: convert it to JPEG`));
  }
  expect(api.requests).toHaveLength(0);
});

test("a reference of a kind MiniMax does not take does not include image/jpg, which is sent as image/jpeg", async () => {
  const { api, server } = shared.begin();
  const image_file = `data:image/jpg;base64,${bigJpeg(2000).toString("base64")}`;

  await server.generate({ prompt: "x", subject_reference: [{ type: "character", image_file }] });

  expect(JSON.stringify(api.requests[0]?.body)).toContain("data:image/jpeg;base64,");
});

const LONG = "x".repeat(60_000_000);

test.each([
  ["prompt", { prompt: LONG }],
  ["filename", { filename: LONG }],
  ["output_dir", { output_dir: LONG }],
  ["style_type", { model: "image-01-live", style: { style_type: LONG } }],
  ["image_file", { subject_reference: [{ type: "character", image_file: LONG }] }],
])("text of 60 MB as %s is refused by a server with a small heap, which goes on", async (name, args) => {
  await using api = await startStandIn();
  await using server = await spawnQuickServer({
    api,
    speed: 1,
    env: { MINIMAX_RPM: "0", NODE_OPTIONS: "--max-old-space-size=300" },
  });

  const text = textOf(await server.generate({ prompt: "x", ...args }));

  expect(text).toContain(name);
  expect(text).toContain("got text of more than 50000 characters");
  expect(text.length).toBeLessThan(1000);
  expect((await server.generate({ prompt: "x" })).isError).toBeUndefined();
});

test("text of 60 MB as the name of an unknown parameter is named by its beginning", async () => {
  const { server } = shared.begin();

  const result = await server.generate({ prompt: "x", [LONG]: 1 });

  expect(result.structuredContent).toMatchObject({ warnings: [expect.stringMatching(/: x{40}…\.$/)] });
});
