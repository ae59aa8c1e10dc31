import { breakOff, deliver, fallSilent, refuse } from "../../stand-in/behaviours.ts";
import { linkBreaksOff } from "../../stand-in/object-store.ts";
import type { StandInOptions } from "../../stand-in/server.ts";
import { bigJpeg } from "./big-jpeg.ts";

/** A phase of a call: how the stand-in brings it about, and how one sees that it has been reached. */
export interface Phase {
  readonly name: string;
  readonly api: StandInOptions;
  readonly args: Readonly<Record<string, unknown>>;
  /** What the progress says in this phase. */
  readonly message: RegExp;
}

/** Every phase in which a call can be caught after its request has been sent. */
export const PHASES: readonly Phase[] = [
  { name: "waiting for the answer", api: { script: [fallSilent()] }, args: {}, message: /^generating/ },
  {
    name: "reading the body",
    api: { script: [breakOff({ after: '{"data":{"image_base64":["/9j/', then: "silence" })] },
    args: {},
    message: /^generating/,
  },
  { name: "waiting to try again", api: { script: [refuse(1002)] }, args: {}, message: /Attempt 2 of 4 in/ },
  {
    name: "downloading",
    api: { linkScript: [linkBreaksOff("silence")] },
    args: { response_format: "url" },
    message: /^downloading/,
  },
  {
    name: "saving",
    api: { script: [deliver(Array<Buffer>(9).fill(bigJpeg(2_000_000)))] },
    args: { n: 9 },
    message: /^saving/,
  },
];
