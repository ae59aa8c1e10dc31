import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, resolve, sep } from "node:path";
import process from "node:process";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import sharp from "sharp";
import { toolOutputSchema } from "../src/schemas.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";

const PICTURE = ".github/demo.svg";
const TOOL = "minimax_image_generate";
const REQUEST = [
  "I need three wide hero images for the hiking site:",
  "hills at dusk, as flat posters. Put them into public/images.",
];
const ARGUMENTS = {
  prompt: "Hills at dusk, flat poster illustration, calm, wide view",
  n: 3,
  aspect_ratio: "16:9",
  output_dir: "public/images",
  filename: "hills",
  seed: 149,
};
const NOTE = "Drawn by a stand-in for MiniMax that runs on your machine and needs no key: npm run demo";

const MARGIN = 24;
const THUMBNAIL = { width: 264, height: 148, gap: 14 };
const WIDTH = 2 * MARGIN + 3 * THUMBNAIL.width + 2 * THUMBNAIL.gap;
const COLOURS = { background: "#0d1117", bubble: "#1f6feb", text: "#e6edf3", quiet: "#8b949e", strong: "#7ee787" };
const SANS = "system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif";
const MONOSPACE = "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace";

/** One image of the result. */
interface Shown {
  /** Relative to the base directory, with slashes. */
  readonly name: string;
  readonly facts: string;
  /** The picture itself, in base64. */
  readonly thumbnail: string;
}

const base = await mkdtemp(join(tmpdir(), "minimax-image-demo-"));
try {
  await writeFile(PICTURE, picture(await generated(base)));
  console.log(PICTURE);
} finally {
  await rm(base, { recursive: true, force: true });
}

/** Has the built server generate the images in the directory. */
async function generated(directory: string): Promise<Shown[]> {
  await using standIn = await startStandIn();
  const client = new Client({ name: "demo", version: "1.0.0" });
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [resolve("dist", "index.js")],
      env: { MINIMAX_API_KEY: STAND_IN_KEY, MINIMAX_API_HOST: standIn.url, MINIMAX_OUTPUT_DIR: directory },
      stderr: "inherit",
    }),
  );
  const { structuredContent } = await client.callTool({ name: TOOL, arguments: ARGUMENTS });
  await client.close();
  const { images } = toolOutputSchema.parse(structuredContent);
  return await Promise.all(
    images.map(async ({ path, width, height, bytes }) => ({
      name: relative(directory, path).split(sep).join("/"),
      facts: `${width} × ${height}, ${Math.round(bytes / 1000)} kB`,
      thumbnail: await thumbnail(path),
    })),
  );
}

async function thumbnail(path: string): Promise<string> {
  const [width, height] = [2 * THUMBNAIL.width, 2 * THUMBNAIL.height];
  const jpeg = await sharp(path).resize({ width, height }).jpeg({ quality: 70 }).toBuffer();
  return jpeg.toString("base64");
}

function picture(images: readonly Shown[]): string {
  const height = 440;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="A person asks for three hero images; the tool is called, and three images are saved in public/images">
<rect width="100%" height="100%" rx="10" fill="${COLOURS.background}"/>
<rect x="${WIDTH - MARGIN - 570}" y="20" width="570" height="64" rx="14" fill="${COLOURS.bubble}"/>
${REQUEST.map((line, index) => words({ x: WIDTH - MARGIN - 552, y: 47 + 22 * index, line, font: SANS, size: 15, colour: "#ffffff" })).join("\n")}
${words({ x: MARGIN, y: 122, line: `● ${TOOL}`, font: MONOSPACE, size: 14, colour: COLOURS.strong })}
${argumentLines()
  .map((line, index) =>
    words({ x: MARGIN + 17, y: 146 + 20 * index, line, font: MONOSPACE, size: 13, colour: COLOURS.quiet }),
  )
  .join("\n")}
${words({ x: MARGIN, y: 202, line: `Saved ${images.length} images:`, font: SANS, size: 15, colour: COLOURS.text })}
${images.map(figure).join("\n")}
${words({ x: MARGIN, y: height - 12, line: NOTE, font: SANS, size: 11, colour: COLOURS.quiet })}
</svg>
`;
}

function argumentLines(): string[] {
  const { prompt, ...others } = ARGUMENTS;
  const members = Object.entries(others).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  return [`prompt: "${prompt}"`, members.join(", ")];
}

function figure({ name, facts, thumbnail: data }: Shown, index: number): string {
  const x = MARGIN + index * (THUMBNAIL.width + THUMBNAIL.gap);
  return [
    `<image x="${x}" y="218" width="${THUMBNAIL.width}" height="${THUMBNAIL.height}" href="data:image/jpeg;base64,${data}"/>`,
    words({ x, y: 386, line: name, font: MONOSPACE, size: 12, colour: COLOURS.text }),
    words({ x, y: 402, line: facts, font: SANS, size: 12, colour: COLOURS.quiet }),
  ].join("\n");
}

function words(text: {
  readonly x: number;
  /** Of the baseline. */
  readonly y: number;
  readonly line: string;
  readonly font: string;
  readonly size: number;
  readonly colour: string;
}): string {
  const { x, y, line, font, size, colour } = text;
  const escaped = line.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return `<text x="${x}" y="${y}" font-family="${font}" font-size="${size}" fill="${colour}">${escaped}</text>`;
}
