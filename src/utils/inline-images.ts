import { readFile } from "node:fs/promises";
import type { SavedImage } from "../schemas.ts";

/** An image as MCP carries it. */
export interface InlineImage {
  /** Base64. */
  readonly data: string;
  readonly mimeType: SavedImage["mime_type"];
}

/**
 * Reads saved images back, in order, as long as all of them together have at most `maxBytes`. The first that does not
 * fit, or that cannot be read any more, ends it; it never throws, because the images are saved and paid for.
 */
export async function readInlineImages(saved: readonly SavedImage[], maxBytes: number): Promise<InlineImage[]> {
  const inline: InlineImage[] = [];
  let bytes = 0;
  for (const { path, bytes: size, mime_type } of saved) {
    bytes += size;
    const data = bytes > maxBytes ? undefined : await readFile(path, "base64").catch(() => undefined);
    if (data === undefined) break;
    inline.push({ data, mimeType: mime_type });
  }
  return inline;
}
