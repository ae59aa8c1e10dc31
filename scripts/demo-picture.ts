import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import process from "node:process";
import { text } from "node:stream/consumers";
import sharp from "sharp";

const PICTURE = ".github/demo.svg";
const COLUMNS = 104;
const CHARACTER_WIDTH = 7.8;
const LINE_HEIGHT = 18;
const MARGIN = 20;
const BAR_HEIGHT = 34;
const THUMBNAIL = { width: 252, height: 142, gap: 16 };
const COLOURS = { background: "#0d1117", bar: "#161b22", text: "#c9d1d9", quiet: "#8b949e", strong: "#7ee787" };

const demo = spawn(process.execPath, ["--import", "tsx", "scripts/demo.ts"], { stdio: ["ignore", "pipe", "inherit"] });
const output = (await text(demo.stdout)).replaceAll(process.cwd(), ".").trim();
const files = [...output.matchAll(/^saved +(\.\S+\.jpeg)/gm)].flatMap(([, file]) => file ?? []);
if (files.length === 0) throw new Error("The demo saved nothing.");

const lines = ["$ npm install && npm run demo", "", ...output.split("\n").flatMap(wrapped)];
const thumbnails = await Promise.all(files.map(thumbnail));
const width = Math.ceil(COLUMNS * CHARACTER_WIDTH) + 2 * MARGIN;
const textHeight = lines.length * LINE_HEIGHT;
const height = BAR_HEIGHT + MARGIN + textHeight + MARGIN + THUMBNAIL.height + MARGIN;
await writeFile(
  PICTURE,
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="Terminal: npm run demo shows a prompt, progress, and three saved images, which are shown below">
<rect width="100%" height="100%" rx="8" fill="${COLOURS.background}"/>
<path d="M0 8a8 8 0 0 1 8-8H${width - 8}a8 8 0 0 1 8 8V${BAR_HEIGHT}H0Z" fill="${COLOURS.bar}"/>
${["#ff5f57", "#febc2e", "#28c840"].map((colour, index) => `<circle cx="${20 + 20 * index}" cy="17" r="6" fill="${colour}"/>`).join("")}
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="13" xml:space="preserve">
${lines.map(row).join("\n")}
</g>
${thumbnails.map((data, index) => `<image x="${MARGIN + index * (THUMBNAIL.width + THUMBNAIL.gap)}" y="${height - MARGIN - THUMBNAIL.height}" width="${THUMBNAIL.width}" height="${THUMBNAIL.height}" href="data:image/jpeg;base64,${data}"/>`).join("\n")}
</svg>
`,
);
console.log(PICTURE);

function wrapped(line: string): string[] {
  if (line.length <= COLUMNS) return [line];
  const space = line.lastIndexOf(" ", COLUMNS);
  const cut = space > COLUMNS / 3 ? space : COLUMNS;
  return [line.slice(0, cut), ...wrapped(`          ${line.slice(cut).trimStart()}`)];
}

function row(line: string, index: number): string {
  const y = BAR_HEIGHT + MARGIN + (index + 0.75) * LINE_HEIGHT;
  const colour = /^(?:\$|saved|Done)/.test(line)
    ? COLOURS.strong
    : line.startsWith("progress")
      ? COLOURS.text
      : COLOURS.quiet;
  return `<text x="${MARGIN}" y="${y}" fill="${colour}">${escaped(line)}</text>`;
}

function escaped(line: string): string {
  return line.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

async function thumbnail(file: string): Promise<string> {
  const jpeg = await sharp(file).resize(THUMBNAIL).jpeg({ quality: 70 }).toBuffer();
  return jpeg.toString("base64");
}
