import { Transform } from "node:stream";

const LINE_FEED = 0x0a;
const FIRST_HOLD_BYTES = 65_536;
const NOTHING = Buffer.alloc(0);

/**
 * Passes on whole lines, each in one piece, and drops a line of more than `maxBytes` to its end. The reader behind it
 * would otherwise end the session at such a line, and it joins what it holds with each piece it gets, which for a line
 * of many megabytes takes time in the square of its length. However small the pieces are that a line comes in, at most
 * `maxBytes` are held, and half of that again while the room grows. What has no line feed when the input ends is
 * dropped without a word.
 *
 * @param maxBytes - of a line with its line feed
 * @param onDropped - called once for each line that is too long, as soon as that shows
 */
export function bufferLines(maxBytes: number, onDropped: () => void): Transform {
  const line = new HeldLine(maxBytes, onDropped);
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      let start = 0;
      for (let end = lineEnd(chunk, start); end > 0; end = lineEnd(chunk, start)) {
        line.append(chunk.subarray(start, end));
        const whole = line.take();
        if (whole !== undefined) this.push(whole);
        start = end;
      }
      line.append(chunk.subarray(start));
      done();
    },
  });
}

/** Where the line ends that begins at `start`: behind its line feed; 0 when there is none. */
function lineEnd(chunk: Buffer, start: number): number {
  return chunk.indexOf(LINE_FEED, start) + 1;
}

class HeldLine {
  #room = NOTHING;
  #bytes = 0;
  #isTooLong = false;

  constructor(
    private readonly maxBytes: number,
    private readonly onTooLong: () => void,
  ) {}

  append(piece: Buffer): void {
    if (this.#isTooLong) return;
    const bytes = this.#bytes + piece.length;
    if (bytes > this.maxBytes) {
      this.#clear();
      this.#isTooLong = true;
      this.onTooLong();
      return;
    }
    if (bytes > this.#room.length) this.#grow(bytes);
    piece.copy(this.#room, this.#bytes);
    this.#bytes = bytes;
  }

  /** The line, which then is held no longer; undefined when it was too long. */
  take(): Buffer | undefined {
    const whole = this.#isTooLong ? undefined : this.#room.subarray(0, this.#bytes);
    this.#clear();
    this.#isTooLong = false;
    return whole;
  }

  #grow(bytes: number): void {
    const room = Buffer.allocUnsafe(Math.min(this.maxBytes, Math.max(bytes, 2 * this.#room.length, FIRST_HOLD_BYTES)));
    this.#room.copy(room, 0, 0, this.#bytes);
    this.#room = room;
  }

  #clear(): void {
    this.#room = NOTHING;
    this.#bytes = 0;
  }
}
