import type { FileHandle } from "node:fs/promises";

const TAIL_BYTES = 4096;
const HEAD_BYTES = 12;
const RIFF_HEADER_BYTES = 8;
const JPEG_END = Buffer.from("ffd9", "hex");
const PNG_END = Buffer.from("49454e44ae426082", "hex");

/**
 * Whether an image file stops before its format's end: a JPEG without an end marker in its last 4 kB, a PNG without
 * IEND there, a WebP shorter than it says. What follows the end marker does no harm, and anything that is none of the
 * three is not judged. Sources: ITU-T T.81, annex B; PNG specification, section 11.2.5; RFC 9649, section 2.3.
 *
 * @param bytes - the file's length
 */
export async function endsTooEarly(file: FileHandle, bytes: number): Promise<boolean> {
  const head = await readAt(file, 0, Math.min(bytes, HEAD_BYTES));
  if (head.toString("latin1", 0, 4) === "RIFF") {
    return head.length < HEAD_BYTES || bytes < RIFF_HEADER_BYTES + head.readUInt32LE(4);
  }
  const end = head[0] === 0xff ? JPEG_END : head[0] === 0x89 ? PNG_END : undefined;
  if (end === undefined) return false;
  const tailBytes = Math.min(bytes, TAIL_BYTES);
  return !(await readAt(file, bytes - tailBytes, tailBytes)).includes(end);
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
