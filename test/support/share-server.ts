import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { succeed } from "../../stand-in/behaviours.ts";
import { linkServes } from "../../stand-in/object-store.ts";
import { type StandIn, type StandInOptions, startStandIn } from "../../stand-in/server.ts";
import { bigJpeg } from "./big-jpeg.ts";
import { type SpawnedServer, type SpawnOptions, spawnServer } from "./server.ts";

/** How the stand-in behaves in one test. */
type Play = Pick<StandInOptions, "script" | "otherwise" | "linkScript" | "linkOtherwise" | "createImage">;

/** What one test sees of the shared parts: only what belongs to it. */
interface Visit {
  readonly api: Pick<StandIn, "url" | "requests" | "downloads" | "deliveredImages">;
  readonly server: SpawnedServer;
}

/**
 * A stand-in and a server that all tests of one group use, one after the other. Each test begins with no request, no
 * image and an empty base directory, and fails when it leaves a half-written file. What comes in late falls to the next
 * test, which did not ask for it.
 *
 * @param options - how the server is started, once; it does not pace its requests unless told
 * @returns `begin`, which each test calls once; the stand-in creates small images of 1024 by 1024 pixels
 *   unless told otherwise
 */
export function shareServer(options: SpawnOptions = {}): {
  readonly begin: (play?: Play) => Visit;
} {
  let api: StandIn | undefined;
  let server: SpawnedServer | undefined;
  let actor = act({});

  beforeAll(async () => {
    api = await startStandIn({
      otherwise: (exchange) => actor.otherwise(exchange),
      linkOtherwise: (exchange) => {
        actor.linkOtherwise(exchange);
      },
      createImage: (description) => actor.createImage(description),
    });
    server = await spawnServer({ api, ...options, env: { MINIMAX_RPM: "0", ...options.env } });
  });

  afterEach(async () => {
    if (server === undefined) return;
    const names = await readdir(server.outputDir, { recursive: true });
    await empty(server.outputDir);
    expect(names.filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await api?.[Symbol.asyncDispose]();
  });

  return {
    begin: (play = {}) => {
      actor = act(play);
      return { api: fromNowOn(started(api)), server: started(server) };
    },
  };
}

function act({
  script = [],
  otherwise = succeed(),
  linkScript = [],
  linkOtherwise = linkServes(),
  createImage = () => Promise.resolve(bigJpeg(5000)),
}: Play): Required<Pick<Play, "otherwise" | "linkOtherwise" | "createImage">> {
  const [planned, plannedLinks] = [[...script], [...linkScript]];
  return {
    otherwise: (exchange) => (planned.shift() ?? otherwise)(exchange),
    linkOtherwise: (exchange) => {
      (plannedLinks.shift() ?? linkOtherwise)(exchange);
    },
    createImage,
  };
}

function fromNowOn(api: StandIn): Visit["api"] {
  const { length: requests } = api.requests;
  const { length: downloads } = api.downloads;
  const { length: deliveredImages } = api.deliveredImages;
  return {
    get requests() {
      return api.requests.slice(requests);
    },
    get downloads() {
      return api.downloads.slice(downloads);
    },
    get deliveredImages() {
      return api.deliveredImages.slice(deliveredImages);
    },
    url: api.url,
  };
}

async function empty(directory: string): Promise<void> {
  for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true });
}

function started<T>(part: T | undefined): T {
  if (part === undefined) throw new Error("It is there only while tests run.");
  return part;
}
