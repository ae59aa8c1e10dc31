import { createHash } from "node:crypto";
import sharp from "sharp";

/** What decides how an image looks; equal descriptions give equal bytes. */
export interface ImageDescription {
  readonly prompt: string;
  readonly seed: number;
  /** Its place in the answer, counted from 0. */
  readonly index: number;
  /** In pixels. */
  readonly width: number;
  readonly height: number;
}

const LABEL_STROKES = [
  "M8 2H2V6H8V10H2",
  "M11 2H19M15 2V10",
  "M21 10L25 2L29 10M22.5 7H27.5",
  "M32 10V2L39 10V2",
  "M42 2V10H46L49 7V5L46 2Z",
  "M52 6H56",
  "M60 2V10",
  "M64 10V2L71 10V2",
];

/**
 * Renders a real JPEG of exactly the size described: a landscape out of the hash of prompt, seed and index, labelled
 * STAND-IN so that nobody takes it for MiniMax's work.
 */
export async function renderImage({ prompt, seed, index, width, height }: ImageDescription): Promise<Buffer> {
  const digest = createHash("sha256")
    .update(JSON.stringify([prompt, seed, index]))
    .digest();
  const chance = (position: number): number => (digest[position % digest.length] ?? 0) / 255;
  const hue = Math.round(chance(0) * 360);
  const layers = [0, 1, 2, 3].map((layer) => hill(layer, width, height, chance));
  const scale = width / 400;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
  <defs><linearGradient id="sky" x1="0" y1="0" x2="0" y2="1">
    <stop offset="0" stop-color="hsl(${hue},60%,35%)"/><stop offset="1" stop-color="hsl(${hue + 40},80%,80%)"/>
  </linearGradient></defs>
  <rect width="100%" height="100%" fill="url(#sky)"/>
  <circle cx="${String(width * (0.15 + 0.7 * chance(1)))}" cy="${String(height * (0.15 + 0.3 * chance(2)))}" r="${String(Math.min(width, height) * (0.05 + 0.08 * chance(3)))}" fill="hsl(${hue + 180},90%,85%)"/>
  ${layers.map((path, layer) => `<path d="${path}" fill="hsl(${hue + 90},35%,${58 - 13 * layer}%)"/>`).join("\n  ")}
  <g transform="translate(${8 * scale} ${height - 18 * scale}) scale(${scale})" fill="none" stroke="#fff" stroke-width="1.4">
    ${LABEL_STROKES.map((stroke) => `<path d="${stroke}"/>`).join("")}
  </g>
</svg>`;
  return sharp(Buffer.from(svg)).jpeg({ quality: 88 }).toBuffer();
}

function hill(layer: number, width: number, height: number, chance: (position: number) => number): string {
  const base = height * (0.5 + 0.13 * layer);
  const wave = [0, 1, 2, 3, 4].map((step) => {
    const y = base - height * 0.18 * chance(4 + layer * 5 + step);
    return `${(width * step) / 4} ${Math.round(y)}`;
  });
  return `M0 ${height} L${wave.join(" L")} L${width} ${height} Z`;
}
