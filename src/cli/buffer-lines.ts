import { Transform } from "node:stream";

const LINE_FEED = 0x0a;

/**
 * Holds bytes back until a line feed comes, or until they are more than `maxBytes` and so refused by the reader behind
 * it anyway. That reader joins what it holds with each piece it gets, which for a line of many megabytes takes time in
 * the square of its length.
 */
export function bufferLines(maxBytes: number): Transform {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      pending.push(chunk);
      pendingBytes += chunk.length;
      if (chunk.includes(LINE_FEED) || pendingBytes > maxBytes) {
        this.push(Buffer.concat(pending));
        pending = [];
        pendingBytes = 0;
      }
      done();
    },
  });
}
