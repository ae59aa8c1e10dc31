const TAIL_BYTES = 4096;
const HEAD_BYTES = 12;
const RIFF_HEADER_BYTES = 8;
const NOTHING = Buffer.alloc(0);
const JPEG_END = Buffer.from("ffd9", "hex");
const PNG_END = Buffer.from("49454e44ae426082", "hex");

/** Watches the bytes of an image pass, and judges whether they end where the format does. */
export class ImageEnd {
  #head: Buffer = NOTHING;
  #tail: Buffer = NOTHING;
  #bytes = 0;

  /** Takes the next bytes. */
  add(chunk: Uint8Array): void {
    this.#bytes += chunk.byteLength;
    if (this.#head.length < HEAD_BYTES) {
      this.#head = Buffer.concat([this.#head, chunk.subarray(0, HEAD_BYTES)]).subarray(0, HEAD_BYTES);
    }
    const isWholeTail = chunk.byteLength >= TAIL_BYTES;
    this.#tail = Buffer.concat([isWholeTail ? NOTHING : this.#tail, chunk.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES);
  }

  /**
   * Whether the image stops before its format's end: a JPEG without an end marker in its last 4 kB, a PNG without IEND
   * there, a WebP shorter than it says. What follows the end marker does no harm, and anything that is none of the
   * three is not judged. Sources: ITU-T T.81, annex B; PNG specification, section 11.2.5; RFC 9649, section 2.3.
   */
  get isMissing(): boolean {
    const head = this.#head;
    if (head.toString("latin1", 0, 4) === "RIFF") {
      return head.length < HEAD_BYTES || this.#bytes < RIFF_HEADER_BYTES + head.readUInt32LE(4);
    }
    const end = head[0] === 0xff ? JPEG_END : head[0] === 0x89 ? PNG_END : undefined;
    return end !== undefined && !this.#tail.includes(end);
  }
}
