import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { bigJpeg, smallImage } from "./support/big-jpeg.ts";
import { missingForMounts, mountHangingFileSystem } from "./support/hanging-file-system/index.ts";
import { begin, hold } from "./support/pending-call.ts";
import { EXIT_LIMIT_MS, outputOf, runServer, spawnServer, textOf } from "./support/server.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";
import { waitFor } from "./support/wait-for.ts";

const isSkipped = missingForMounts !== undefined && process.env["FUSE_TESTS"] !== "required";
const why = missingForMounts === undefined ? "" : ` (${missingForMounts} is missing here)`;

describe.skipIf(isSkipped).concurrent(`a file system that does not answer${why}`, () => {
  test("ends calls at their budget, unpaid, and holds back no other", async () => {
    await using api = await startStandIn({ createImage: smallImage });
    await using server = await spawnServer({
      api,
      env: { MINIMAX_TIMEOUT_MS: "8000", MINIMAX_RPM: "0" },
      capabilities: { extensions: { "io.modelcontextprotocol/ui": {} } },
    });
    await using drive = await mountHangingFileSystem(join(server.outputDir, "drive"));
    for (const directory of [drive.behind, server.outputDir]) {
      await writeFile(join(directory, "face.jpeg"), bigJpeg(5000));
    }
    await drive.hang();
    const face = join(server.outputDir, "drive", "face.jpeg");
    const asking = (image_file: string) => ({ prompt: "a", subject_reference: [{ type: "character", image_file }] });
    const uri = `minimax-image:///${encodeURIComponent(face)}`;
    const shown = server.client.readResource({ uri }).catch(() => undefined);

    const saving = server.generate({ prompt: "a cat", output_dir: "drive" });
    const reading = server.generate(asking(face));
    const other = await server.generate(asking("face.jpeg"));

    expect(outputOf(other).saved_count).toBe(1);
    expect(textOf(await saving)).toMatch(/The output directory "?drive"? did not \w+ within the call's .*8 s/);
    expect(textOf(await reading)).toMatch(/face\.jpeg"? did not \w+ within the call's .*8 s/);
    for (const result of [saving, reading]) expect(textOf(await result)).toContain("No request was made.");
    expect(api.requests).toHaveLength(1);
    drive.answer();
    await shown;
    await waitFor("nothing left behind", async () => (await readdir(drive.behind)).join() === "face.jpeg");
  });

  test("ends a call that is saving soon after its budget, as paid", async () => {
    const held = hold();
    await using api = await startStandIn({ createImage: smallImage, script: [held.behaviour] });
    await using server = await spawnServer({ api, env: { MINIMAX_TIMEOUT_MS: "4000" } });
    await using drive = await mountHangingFileSystem(join(server.outputDir, "drive"));

    const call = server.generate({ prompt: "a cat", output_dir: "drive" });
    await waitFor("the request", () => api.requests.length === 1);
    await drive.hang();
    held.release();
    const result = await call;

    expect(result.isError).toBe(true);
    expect(textOf(result)).toMatch(/^MiniMax generated and billed 1 image/);
    expect(api.requests).toHaveLength(1);
  });

  test.each([
    ["while a call waits for it", false],
    ["after the call was ended", true],
  ])("does not keep the process %s", async (_, isOver) => {
    await using api = await startStandIn();
    await using server = await spawnServer({ api, env: { MINIMAX_TIMEOUT_MS: isOver ? "1000" : "60000" } });
    await using drive = await mountHangingFileSystem(join(server.outputDir, "drive"));
    await drive.hang();
    const call = begin(server, { output_dir: "drive" });
    if (isOver) await call.result;
    else await call.reaches(/^checking/);

    const endedAt = performance.now();
    server.transport.process.stdin.end();
    await server.exited;

    expect(performance.now() - endedAt).toBeLessThan(EXIT_LIMIT_MS);
    expect(api.requests).toHaveLength(0);
  });

  test("is reported by --check within its time", async () => {
    await using api = await startStandIn();
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "drive");
    await using drive = await mountHangingFileSystem(path);
    await drive.hang();

    const { code, stdout } = await runServer({
      speed: 5,
      args: ["--check"],
      env: { MINIMAX_API_KEY: STAND_IN_KEY, MINIMAX_API_HOST: api.url, MINIMAX_OUTPUT_DIR: path },
    });

    expect(stdout).toContain(`Output directory   ${path} cannot be written: no answer within 10 s`);
    expect(stdout).toContain("accepted by the host");
    expect(code).not.toBe(0);
  });

  test("without hard links gets the images by another way", async () => {
    await using api = await startStandIn({ createImage: smallImage });
    await using server = await spawnServer({ api });
    await using drive = await mountHangingFileSystem(join(server.outputDir, "drive"));

    expect(outputOf(await server.generate({ prompt: "a cat", n: 3, output_dir: "drive" })).saved_count).toBe(3);

    expect(await readdir(drive.behind)).toHaveLength(3);
    expect(api.requests).toHaveLength(1);
  });
});
