import { breakOff, deliver, fallSilent, refuse } from "../../stand-in/behaviours.ts";
import { linkBreaksOff } from "../../stand-in/object-store.ts";
import type { StandIn, StandInOptions } from "../../stand-in/server.ts";
import { bigJpeg } from "./big-jpeg.ts";
import type { SpawnedServer } from "./server.ts";
import { waitFor } from "./wait-for.ts";

const BIG = bigJpeg(4_000_000);

/** A phase of a call: how the stand-in brings it about, and how one sees that it has been reached. */
export interface Phase {
  readonly name: string;
  readonly api: StandInOptions;
  readonly args: Readonly<Record<string, unknown>>;
  /** How much faster than the real clock the server's runs. */
  readonly speed: number;
  /** What the progress says in this phase. */
  readonly message: RegExp;
}

/** Every phase in which a call can be caught after its request has been sent. */
export const PHASES: readonly Phase[] = [
  { name: "waiting for the answer", api: { script: [fallSilent()] }, args: {}, speed: 1, message: /^generating/ },
  {
    name: "reading the body",
    api: { script: [breakOff({ after: '{"data":{"image_base64":["/9j/', then: "silence" })] },
    args: {},
    speed: 1,
    message: /^generating/,
  },
  { name: "waiting to try again", api: { script: [refuse(1002)] }, args: {}, speed: 20, message: /Attempt 2 of 4 in/ },
  {
    name: "downloading",
    api: { linkScript: [linkBreaksOff("silence")] },
    args: { response_format: "url" },
    speed: 1,
    message: /^downloading/,
  },
  {
    name: "saving",
    api: { script: [deliver(Array<Buffer>(9).fill(BIG))] },
    args: { n: 9 },
    speed: 1,
    message: /^saving/,
  },
];

/** Starts a call and waits until it is in the phase. Returns the call, which goes on. */
export async function callUntil(
  { args, message }: Pick<Phase, "args" | "message">,
  {
    server,
    api,
    requests = 1,
    signal,
  }: { server: SpawnedServer; api: StandIn; requests?: number; signal?: AbortSignal },
): Promise<{ result: ReturnType<SpawnedServer["generate"]> }> {
  let reached = false;
  const result = server.generate(
    { prompt: "a cat", ...args },
    {
      ...(signal === undefined ? {} : { signal }),
      onProgress: (progress) => {
        reached ||= message.test(progress.message ?? "");
      },
    },
  );
  result.catch(() => undefined);
  await waitFor(String(message), () => reached && api.requests.length === requests);
  return { result };
}
