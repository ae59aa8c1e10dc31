const DATA_URL_PREFIX = /^data:[^,]{0,200};\s*base64\s*,/i;
const DATA_URL_PREFIX_MAX_BYTES = 220;
const WHITE_SPACE = ["\n", "\r", " ", "\t"];
const WHITE_SPACE_BYTES: ReadonlySet<number> = new Set(Buffer.from(WHITE_SPACE.join("")));
const CHUNK_BYTES = 512 * 1024;

/**
 * Decodes one base64 text that arrives in pieces, so that text and bytes of an image never stand in memory together.
 */
export class Base64Decoder {
  readonly #chunks: Uint8Array[] = [];
  #chunk = Buffer.alloc(0);
  #filled = 0;
  #byteLength = 0;
  #pending = "";
  #started = false;
  #ended = false;
  #problem: string | undefined;

  /** @param maxBytes - longest result kept; beyond it the bytes are dropped and `finish` reports the problem */
  constructor(private readonly maxBytes: number) {}

  /**
   * Takes the next piece, as the bytes of its characters. A leading `data:…;base64,` has to lie whole in the first
   * piece that is not blank. White space is skipped.
   */
  push(piece: Buffer): void {
    if (this.#problem !== undefined) return;
    const text = this.#pending + withoutWhiteSpace(piece.toString("latin1", this.#prefixBytes(piece)));
    const whole = text.length - (text.length % 4);
    this.#pending = text.slice(whole);
    this.#decode(text.slice(0, whole));
  }

  /** The bytes in order, or why there are none. */
  finish(): { readonly chunks: readonly Uint8Array[] } | { readonly problem: string } {
    this.#decode(this.#pending);
    if (this.#problem === undefined && this.#byteLength === 0) this.#fail("it is empty");
    if (this.#problem !== undefined) return { problem: this.#problem };
    return { chunks: [...this.#chunks, this.#chunk.subarray(0, this.#filled)] };
  }

  #prefixBytes(piece: Buffer): number {
    if (this.#started) return 0;
    const start = piece.findIndex((byte) => !WHITE_SPACE_BYTES.has(byte));
    if (start === -1) return piece.length;
    this.#started = true;
    const beginning = piece.toString("latin1", start, start + DATA_URL_PREFIX_MAX_BYTES);
    return start + (DATA_URL_PREFIX.exec(beginning)?.[0].length ?? 0);
  }

  /** Node skips what is not base64, so a text with anything else in it gives fewer bytes than its length promises. */
  #decode(text: string): void {
    if (text === "" || this.#problem !== undefined) return;
    const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
    const bytes = Math.floor(((text.length - padding) * 3) / 4);
    const isWhole = text.length % 4 === 0;
    if (this.#ended || text.length % 4 === 1 || (padding > 0 && !isWhole)) {
      this.#fail("it is not valid base64");
      return;
    }
    this.#ended = padding > 0 || !isWhole;
    this.#byteLength += bytes;
    if (this.#byteLength > this.maxBytes) {
      this.#fail(`it is larger than ${this.maxBytes} bytes`);
      return;
    }
    this.#makeRoom(bytes);
    const written = this.#chunk.write(text, this.#filled, "base64");
    this.#filled += written;
    if (written !== bytes) this.#fail("it is not valid base64");
  }

  #makeRoom(bytes: number): void {
    if (this.#filled + bytes <= this.#chunk.length) return;
    if (this.#filled > 0) this.#chunks.push(this.#chunk.subarray(0, this.#filled));
    this.#chunk = Buffer.allocUnsafeSlow(Math.max(bytes, CHUNK_BYTES));
    this.#filled = 0;
  }

  #fail(problem: string): void {
    this.#problem = problem;
    this.#chunks.length = 0;
    this.#chunk = Buffer.alloc(0);
  }
}

function withoutWhiteSpace(text: string): string {
  return WHITE_SPACE.some((character) => text.includes(character)) ? text.replace(/[\r\n\t ]+/g, "") : text;
}
