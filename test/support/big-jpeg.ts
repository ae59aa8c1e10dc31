import { randomFillSync } from "node:crypto";

const HEADER = Buffer.from("ffd8ffe000104a46494600010100000100010000ffc0000b080400040001011100", "hex");
const END = Buffer.from("ffd9", "hex");

/**
 * A file of the given size that begins like a JPEG of 1024 by 1024 pixels; what follows the header is noise, as far as
 * anyone who only reads headers can tell.
 */
export function bigJpeg(bytes: number): Buffer {
  return Buffer.concat([HEADER, randomFillSync(Buffer.alloc(bytes - HEADER.length - END.length)), END]);
}

/** A quick `createImage` for the stand-in, where the pixels do not matter. */
export function smallImage(): Promise<Buffer> {
  return Promise.resolve(bigJpeg(5000));
}
