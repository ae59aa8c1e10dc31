import { Base64Decoder } from "./base64.ts";

const QUOTATION_MARK = 0x22;
const BACKSLASH = 0x5c;
const LONGEST_ESCAPE = 6;
const LIFT_ABOVE_BYTES = 4096;
const EXCERPT_CHARACTERS = 2048;
const LIFTED_MAX = 100;
const IMAGE_FIRST_BYTES: ReadonlySet<number> = new Set([0xff, 0x89, 0x52]);
const NOT_LIFTED = "...";
const IMAGE_EVIDENCE = /"image_(?:base64|urls)"\s*:\s*(?:\[\s*)?["{]|"success_count"\s*:\s*(?:"\s*)?[1-9]/;
const WHOLE_CHARACTERS = /^(?:[^\\]|\\u[0-9a-fA-F]{4}|\\[^u])*/;

/** Bounds on a body that upstream controls, in bytes. */
export interface ReplyLimits {
  /** Largest decoded image. */
  readonly imageBytes: number;
  /** Everything that is not an image. */
  readonly jsonBytes: number;
  /** The whole body as it arrives. */
  readonly bodyBytes: number;
}

/** Decoded base64, or why it could not be decoded. */
export type DecodedImage = ReturnType<Base64Decoder["finish"]>;

/** A parsed body whose long strings were decoded while they arrived. */
export interface ReplyBody {
  /**
   * The JSON value; a string beyond 4 kB is a token that begins with `lifted:`, after its first 2 kB when it is no
   * image. Outside data: parse it before use.
   */
  readonly json: unknown;
  /** The bytes behind a string of `json`, whether it was long or short. */
  readonly decode: (text: string) => DecodedImage;
}

/** The body cannot be used: not JSON, cut off, or larger than its limits. */
export class UnreadableBodyError extends Error {
  override readonly name = "UnreadableBodyError";
}

/**
 * Reads one JSON body of which base64 images are nearly all. A string beyond 4 kB is decoded piece by piece as it
 * streams past and replaced by a token, so that at no time an image is held as text as well as bytes.
 *
 * Only string boundaries are understood; `JSON.parse` judges the rest. Bytes are kept as latin1 until the end, so no
 * character is cut.
 */
export class ReplyReader {
  readonly #tokenPrefix = `lifted:${crypto.randomUUID()}:`;
  readonly #lifted: DecodedImage[] = [];
  #skeleton = "";
  #inString = false;
  #escapeOpen = false;
  #short = "";
  #long: EscapedBase64 | undefined;

  constructor(private readonly limits: ReplyLimits) {}

  /** Whether what has come so far lists an image or counts one as made; known also when the rest never comes. */
  get showsImages(): boolean {
    return IMAGE_EVIDENCE.test(this.#skeleton);
  }

  /**
   * Reads the body to its end.
   *
   * @throws UnreadableBodyError when the text is not JSON or exceeds a limit; whatever the stream throws when it breaks
   *   or is aborted
   */
  async read(body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<ReplyBody> {
    let bodyBytes = 0;
    for await (const chunk of body) {
      bodyBytes += chunk.byteLength;
      if (bodyBytes > this.limits.bodyBytes) {
        throw new UnreadableBodyError(`the body exceeds ${this.limits.bodyBytes} bytes`);
      }
      this.#push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    }
    return this.#finish();
  }

  #push(chunk: Buffer): void {
    let position = 0;
    while (position < chunk.length) {
      if (this.#inString) {
        const closing = this.#closingMark(chunk, position);
        this.#append(chunk.subarray(position, closing));
        if (closing < chunk.length) this.#closeString();
        else this.#escapeOpen = this.#isEscaped(chunk, position, closing);
        position = closing + 1;
      } else {
        const opening = indexOrEnd(chunk, QUOTATION_MARK, position);
        this.#keep(chunk.toString("latin1", position, opening + 1));
        this.#inString = opening < chunk.length;
        position = opening + 1;
      }
    }
  }

  #finish(): ReplyBody {
    try {
      const json: unknown = JSON.parse(
        Buffer.from(this.#skeleton, "latin1")
          .toString("utf8")
          .replace(/^\uFEFF/, ""),
      );
      return { json, decode: (text) => this.#decode(text) };
    } catch (error) {
      throw new UnreadableBodyError(this.#inString ? "the body was cut off" : "the body is not JSON", { cause: error });
    }
  }

  #decode(text: string): DecodedImage {
    const [, number] = text.split(this.#tokenPrefix);
    const lifted = number === undefined ? undefined : this.#lifted[Number(number)];
    if (lifted !== undefined) return lifted;
    const decoder = new Base64Decoder(this.limits.imageBytes);
    decoder.push(Buffer.from(text));
    return decoder.finish();
  }

  #closingMark(chunk: Buffer, start: number): number {
    let mark = indexOrEnd(chunk, QUOTATION_MARK, start);
    while (mark < chunk.length && this.#isEscaped(chunk, start, mark)) {
      mark = indexOrEnd(chunk, QUOTATION_MARK, mark + 1);
    }
    return mark;
  }

  /** Whether an odd number of backslashes stands before `index`; the chunk before may have ended with an open one. */
  #isEscaped(chunk: Buffer, start: number, index: number): boolean {
    let first = index;
    while (first > start && chunk[first - 1] === BACKSLASH) first -= 1;
    const carried = first === start && this.#escapeOpen ? 1 : 0;
    return (index - first + carried) % 2 === 1;
  }

  #append(piece: Buffer): void {
    if (this.#long !== undefined) {
      this.#long.push(piece);
    } else if (this.#short.length + piece.length <= LIFT_ABOVE_BYTES) {
      this.#short += piece.toString("latin1");
    } else {
      const beginning = Buffer.concat([Buffer.from(this.#short, "latin1"), piece]);
      this.#long = new EscapedBase64(beginning, this.limits.imageBytes);
      this.#short = "";
    }
  }

  #closeString(): void {
    this.#inString = false;
    this.#escapeOpen = false;
    if (this.#long !== undefined) {
      this.#short = this.#token(this.#long);
      this.#long = undefined;
    }
    this.#keep(`${this.#short}"`);
    this.#short = "";
  }

  /** What stands for a long string: only one that is no image may still have to be quoted. */
  #token(long: EscapedBase64): string {
    if (this.#lifted.length === LIFTED_MAX) return NOT_LIFTED;
    const decoded = long.finish();
    this.#lifted.push(decoded);
    const isImage = "chunks" in decoded && IMAGE_FIRST_BYTES.has(decoded.chunks[0]?.[0] ?? 0);
    return `${isImage ? "" : long.excerpt}${this.#tokenPrefix}${this.#lifted.length - 1}`;
  }

  #keep(text: string): void {
    this.#skeleton += text;
    if (this.#skeleton.length > this.limits.jsonBytes) {
      throw new UnreadableBodyError(`the body holds more than ${this.limits.jsonBytes} bytes beside its images`);
    }
  }
}

/** Undoes JSON's escapes (`\/` is common) in front of the base64 decoder; an escape may lie across two pieces. */
class EscapedBase64 {
  /** The beginning, as JSON has it, without a cut escape: a long text that is no image can still be quoted. */
  readonly excerpt: string;
  readonly #decoder: Base64Decoder;
  #pending = "";

  constructor(beginning: Buffer, maxBytes: number) {
    this.excerpt = WHOLE_CHARACTERS.exec(beginning.toString("latin1", 0, EXCERPT_CHARACTERS))?.[0] ?? "";
    this.#decoder = new Base64Decoder(maxBytes);
    this.push(beginning);
  }

  push(piece: Buffer): void {
    if (this.#pending === "" && !piece.includes(BACKSLASH)) {
      this.#decoder.push(piece);
      return;
    }
    const text = this.#pending + piece.toString("latin1");
    const lastBackslash = text.lastIndexOf("\\");
    const cut = lastBackslash !== -1 && lastBackslash > text.length - LONGEST_ESCAPE ? lastBackslash : text.length;
    this.#pending = text.slice(cut);
    this.#decoder.push(Buffer.from(unescape(text.slice(0, cut))));
  }

  finish(): DecodedImage {
    this.#decoder.push(Buffer.from(unescape(this.#pending)));
    return this.#decoder.finish();
  }
}

function unescape(text: string): string {
  if (!text.includes("\\")) return text;
  try {
    return String(JSON.parse(`"${text}"`));
  } catch {
    return "\\";
  }
}

function indexOrEnd(chunk: Buffer, byte: number, from: number): number {
  const index = chunk.indexOf(byte, from);
  return index === -1 ? chunk.length : index;
}
