import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { z } from "zod";
import { renderImage } from "../stand-in/image.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { checkAssumptions, tableOf } from "./live/run.ts";
import { bigJpeg } from "./support/big-jpeg.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";

const requestSchema = z.looseObject({
  model: z.string().optional(),
  prompt: z.string().optional(),
  n: z.number().optional(),
  width: z.number().optional(),
  aspect_ratio: z.string().optional(),
});
type Asked = z.infer<typeof requestSchema> & { readonly path: string; readonly key: string };

interface Reply {
  status: number;
  headers: Record<string, string>;
  body: string;
}

const SUCCESS = { status_code: 0, status_msg: "success" };
const REFUSAL = JSON.stringify({ base_resp: { status_code: 2013, status_msg: "invalid params" } });
const SMALL_JPEG = bigJpeg(5000);
const ENCODED = SMALL_JPEG.toString("base64");

const generated = new Map<string, Promise<Buffer>>();

/** Renders each image once for all tests of this file. */
function createImage(description: Parameters<typeof renderImage>[0]): Promise<Buffer> {
  const key = JSON.stringify(description);
  const image = generated.get(key) ?? renderImage(description);
  generated.set(key, image);
  return image;
}

/** Stands between the check and the stand-in, and changes what comes back. */
async function startChanging(
  target: string,
  change: (reply: Reply, asked: Asked) => void,
): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((request, response) => {
    const pass = async (): Promise<void> => {
      const body = await text(request);
      const { authorization = "" } = request.headers;
      const answer = await fetch(`${target}${request.url ?? ""}`, {
        method: request.method ?? "GET",
        headers: { authorization, "content-type": "application/json" },
        ...(request.method === "POST" ? { body } : {}),
      });
      const reply: Reply = {
        status: answer.status,
        headers: {
          "content-type": answer.headers.get("content-type") ?? "",
          "trace-id": answer.headers.get("trace-id") ?? "",
        },
        body: await answer.text(),
      };
      const parsed = requestSchema.parse(body === "" ? {} : JSON.parse(body));
      change(reply, { ...parsed, path: request.url ?? "", key: authorization.replace("Bearer ", "") });
      response.writeHead(reply.status, reply.headers).end(reply.body);
    };
    pass().catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port.");
  return {
    url: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function success(data: object, counts: object = { success_count: "1", failed_count: "0" }): string {
  return JSON.stringify({ id: "1", data, metadata: counts, base_resp: SUCCESS });
}

const isGenerated = ({ model, key }: Asked): boolean => model === "image-01" && key === STAND_IN_KEY;
const isBase64 = (asked: Asked): boolean => isGenerated(asked) && asked.aspect_ratio === "1:1";

const BREAKS: readonly (readonly [assumption: string, change: (reply: Reply, asked: Asked) => void])[] = [
  ["a wrong key is refused", (reply, { key }) => key !== STAND_IN_KEY && (reply.body = REFUSAL)],
  ["a refusal comes with HTTP 200", (reply, { key }) => key !== STAND_IN_KEY && (reply.status = 401)],
  ["the key is judged before", (reply, { model }) => model === "no-such-model" && (reply.body = REFUSAL)],
  [
    "a good key with an unknown model",
    (reply, { model }) => model === "no-such-model" && (reply.body = success({ image_base64: [ENCODED] })),
  ],
  [
    "a refusal carries no image",
    (reply, { model }) => model === "no-such-model" && (reply.body = success({ image_base64: [ENCODED] })),
  ],
  ["a prompt of 1501", (reply, { prompt }) => prompt?.length === 1501 && (reply.body = success({}))],
  ["ten images", (reply, { n }) => n === 10 && (reply.body = success({}))],
  ["a width of 511", (reply, { width }) => width === 511 && (reply.body = success({}))],
  ["an unknown path", (reply, { path }) => path.endsWith("no_such_endpoint") && (reply.status = 400)],
  ["success is HTTP 200", (reply, asked) => isBase64(asked) && (reply.status = 201)],
  [
    "the id is a string",
    (reply, asked) => isBase64(asked) && (reply.body = reply.body.replace(/"id":"[^"]*"/, '"id":1')),
  ],
  ["the answer has a Trace-Id", (reply) => delete reply.headers["trace-id"]],
  [
    "counts are strings",
    (reply, asked) => isBase64(asked) && (reply.body = reply.body.replace('"success_count":"1"', '"success_count":1')),
  ],
  [
    "one image is counted",
    (reply, asked) => isBase64(asked) && (reply.body = reply.body.replace('"failed_count":"0"', '"failed_count":"1"')),
  ],
  [
    "base64 comes without",
    (reply, asked) =>
      isBase64(asked) && (reply.body = success({ image_base64: [`data:image/jpeg;base64,${ENCODED}`] })),
  ],
  ["1:1 is a JPEG", (reply, asked) => isBase64(asked) && (reply.body = success({ image_base64: ["AAAA"] }))],
  [
    "the same seed",
    (reply, asked) => {
      const encoded = Buffer.concat([SMALL_JPEG, Buffer.from(String(performance.now()))]).toString("base64");
      if (isBase64(asked)) reply.body = success({ image_base64: [encoded] });
    },
  ],
  ["url mode delivers", (reply, { n }) => n === 2 && (reply.body = success({ image_urls: [] }))],
  ["a link is fetched", (reply, { n }) => n === 2 && (reply.body = success({ image_base64: [ENCODED] }))],
  ["width and height", (reply, { width }) => width === 512 && (reply.body = success({ image_base64: [ENCODED] }))],
  ["aspect_ratio wins", (reply, { width }) => width === 512 && (reply.body = success({ image_base64: [ENCODED] }))],
  ["a prompt of exactly 1500", (reply, { prompt }) => prompt?.length === 1500 && (reply.body = REFUSAL)],
];

test("the stand-in keeps every assumption, and no body holds a secret", async () => {
  await using api = await startStandIn({ createImage });
  await using directory = await temporaryDirectory();

  const findings = await checkAssumptions(api.url, STAND_IN_KEY, directory.path);

  expect(findings.filter(({ holds }) => !holds)).toEqual([]);
  expect(findings.length).toBeGreaterThanOrEqual(BREAKS.length);
  expect(tableOf(findings)).toContain("| the key is judged before the parameters | 2049 | holds |");
  const names = await readdir(directory.path);
  const bodies = await Promise.all(names.map((name) => readFile(join(directory.path, name), "utf8")));
  expect(names.length).toBeGreaterThan(8);
  expect(bodies.join("\n")).not.toContain(STAND_IN_KEY);
  expect(bodies.join("\n")).not.toMatch(/Signature=[^…]|[A-Za-z0-9+/]{200}/);
});

test.each(BREAKS)("an API is found out without this: %s", async (assumption, change) => {
  await using api = await startStandIn({ createImage });
  await using changed = await startChanging(api.url, change);
  await using directory = await temporaryDirectory();

  const findings = await checkAssumptions(changed.url, STAND_IN_KEY, directory.path);

  expect(findings.find((finding) => finding.assumption.startsWith(assumption))).toMatchObject({ holds: false });
});

test("every assumption but the time of an answer is broken once", async () => {
  await using api = await startStandIn({ createImage });
  await using directory = await temporaryDirectory();

  const findings = await checkAssumptions(api.url, STAND_IN_KEY, directory.path);
  const unbroken = findings.filter(({ assumption }) => !BREAKS.some(([broken]) => assumption.startsWith(broken)));

  expect(unbroken.map(({ assumption }) => assumption)).toEqual(["an answer comes within 60 s"]);
});
