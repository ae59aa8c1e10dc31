import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import type { Finding } from "./live/assumptions.ts";
import { checkAssumptions, tableOf } from "./live/run.ts";
import { bigJpeg } from "./support/big-jpeg.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";
import { startWebServer } from "./support/web-server.ts";

async function keptBy(
  url: string,
  directory: string,
): Promise<{ readonly kept: Finding[]; readonly broken: Finding[] }> {
  const findings = await checkAssumptions(url, STAND_IN_KEY, directory);
  return { kept: findings.filter(({ holds }) => holds), broken: findings.filter(({ holds }) => !holds) };
}

test("the stand-in keeps every assumption, and no body holds a secret", async () => {
  await using api = await startStandIn();
  await using directory = await temporaryDirectory();

  const { kept, broken } = await keptBy(api.url, directory.path);

  expect(broken).toEqual([]);
  expect(kept.length).toBeGreaterThan(20);
  expect(tableOf(kept)).toContain("| the key is judged before the parameters | 2049 | holds |");
  const names = await readdir(directory.path);
  const bodies = await Promise.all(names.map((name) => readFile(join(directory.path, name), "utf8")));
  expect(names.length).toBeGreaterThan(8);
  expect(bodies.join("\n")).not.toContain(STAND_IN_KEY);
  expect(bodies.join("\n")).not.toMatch(/Signature=[^…]|[A-Za-z0-9+/]{200}/);
});

test("an API that keeps no assumption but the time is found out in each", async () => {
  await using api = await startWebServer((_, response) => {
    const image_base64 = [`data:image/jpeg;base64,${bigJpeg(2000).toString("base64")}`];
    const metadata = { success_count: 1, failed_count: 1 };
    response.writeHead(201, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ id: 1, data: { image_base64 }, metadata, base_resp: { status_code: 7 } }));
  });
  await using directory = await temporaryDirectory();

  const { kept, broken } = await keptBy(api.url, directory.path);

  expect(kept.map(({ assumption }) => assumption)).toEqual(["an answer comes within 60 s"]);
  expect(broken.length).toBeGreaterThan(20);
});

test("a probe that cannot be carried out is a finding", async () => {
  await using api = await startWebServer((_, response) => response.destroy());
  await using directory = await temporaryDirectory();

  const { kept, broken } = await keptBy(api.url, directory.path);

  expect(kept).toEqual([]);
  expect(broken[0]).toMatchObject({ assumption: "the probe keyIsJudgedFirst can be carried out" });
});
