const NOT_BASE64 = /[^A-Za-z0-9+/=_-]/;
const DATA_URL_PREFIX = /^data:[^,]{0,200};base64,/;

/** Decodes one base64 string that arrives in pieces, so that text and bytes of a picture never stand in memory together. */
export class Base64Decoder {
  readonly #chunks: Uint8Array[] = [];
  #byteLength = 0;
  #pending = "";
  #started = false;
  #ended = false;
  #problem: string | undefined;

  /** @param maxBytes - longest result kept; beyond it the bytes are dropped and `finish` reports the problem */
  constructor(private readonly maxBytes: number) {}

  /** Takes the next piece of text. A leading `data:…;base64,` has to lie whole in the first piece. White space between pieces of base64 is skipped. */
  push(text: string): void {
    if (this.#problem !== undefined) return;
    const plain = (this.#pending + (this.#started ? text : text.replace(DATA_URL_PREFIX, ""))).replace(
      /[\r\n\t ]+/g,
      "",
    );
    this.#started = true;
    const whole = plain.length - (plain.length % 4);
    this.#pending = plain.slice(whole);
    this.#decode(plain.slice(0, whole));
  }

  /** The bytes in order, or why there are none. */
  finish(): { readonly chunks: readonly Uint8Array[] } | { readonly problem: string } {
    this.#decode(this.#pending);
    if (this.#problem === undefined && this.#byteLength === 0) this.#fail("it is empty");
    return this.#problem === undefined ? { chunks: this.#chunks } : { problem: this.#problem };
  }

  #decode(text: string): void {
    if (text === "" || this.#problem !== undefined) return;
    const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
    const bytes = Buffer.from(text, "base64");
    if (
      NOT_BASE64.test(text) ||
      (padding > 0 && text.length % 4 !== 0) ||
      this.#ended ||
      text.length % 4 === 1 ||
      bytes.length !== Math.floor(((text.length - padding) * 3) / 4)
    ) {
      this.#fail("it is not valid base64");
      return;
    }
    this.#ended = padding > 0 || text.length % 4 !== 0;
    this.#byteLength += bytes.length;
    if (this.#byteLength > this.maxBytes) this.#fail(`it is larger than ${String(this.maxBytes)} bytes`);
    else this.#chunks.push(bytes);
  }

  #fail(problem: string): void {
    this.#problem = problem;
    this.#chunks.length = 0;
  }
}
