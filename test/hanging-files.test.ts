import { readdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { type Behaviour, fallSilent, succeed } from "../stand-in/behaviours.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";
import { bigJpeg } from "./support/big-jpeg.ts";
import { QUICK_SERVER } from "./support/build-quick-server.ts";
import { canMount, mountHangingFileSystem } from "./support/hanging-file-system/index.ts";
import { runServer } from "./support/run-server.ts";
import { EXIT_LIMIT_MS, spawnServer, textOf } from "./support/server.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";
import { waitFor } from "./support/wait-for.ts";

const createImage = (): Promise<Buffer> => Promise.resolve(bigJpeg(5000));

describe.skipIf(!canMount)("a file system that does not answer", () => {
  test("ends the calls that need it at their budget, unpaid, and holds back no other", async () => {
    await using api = await startStandIn({ createImage });
    await using server = await spawnServer({ api, env: { MINIMAX_TIMEOUT_MS: "6000", MINIMAX_RPM: "0" } });
    await using drive = await mountHangingFileSystem(join(server.outputDir, "drive"));
    drive.hang();

    const stuck = Array.from({ length: 6 }, () => server.generate({ prompt: "a cat", output_dir: "drive" }));
    const other = await server.generate({ prompt: "a dog" });
    const ended = await Promise.all(stuck);

    expect(textOf(other)).toContain("Saved 1 of 1 image.");
    for (const result of ended) {
      expect(textOf(result)).toContain("The output directory drive did not answer within the call's 6 s.");
      expect(textOf(result)).toContain("No request was made.");
    }
    expect(api.requests).toHaveLength(1);
    drive.answer();
    await waitFor("nothing left behind", async () => (await readdir(drive.behind)).length === 0);
  });

  test("holds back no other call with references, nor an image for the view, when references are read from it", async () => {
    await using api = await startStandIn({ createImage });
    await using server = await spawnServer({
      api,
      env: { MINIMAX_TIMEOUT_MS: "6000", MINIMAX_RPM: "0" },
      capabilities: { extensions: { "io.modelcontextprotocol/ui": {} } },
    });
    await using drive = await mountHangingFileSystem(join(server.outputDir, "drive"));
    await writeFile(join(drive.behind, "face.jpeg"), bigJpeg(5000));
    await writeFile(join(server.outputDir, "face.jpeg"), bigJpeg(5000));
    drive.hang();
    const refer = (path: string): object => ({ type: "character", image_file: path });
    const face = join(server.outputDir, "drive", "face.jpeg");
    const shown = Array.from({ length: 9 }, () =>
      server.client.readResource({ uri: `minimax-image:///${encodeURIComponent(face)}` }).catch(() => undefined),
    );

    const stuck = server.generate({ prompt: "a cat", subject_reference: Array(5).fill(refer(face)) });
    const other = await server.generate({ prompt: "a dog", subject_reference: [refer("face.jpeg")] });

    expect(textOf(other)).toContain("Saved 1 of 1 image.");
    expect(textOf(await stuck)).toContain(`${face} did not answer within the call's 6 s.`);
    expect(textOf(await stuck)).toContain("No request was made.");
    expect(api.requests).toHaveLength(1);
    drive.answer();
    await Promise.all(shown);
  });

  test("ends a call that is saving soon after its budget, and says that it is paid", async () => {
    let isHanging = false;
    const afterHanging: Behaviour = async (exchange) => {
      await waitFor("the drive to hang", () => isHanging);
      await succeed()(exchange);
    };
    await using api = await startStandIn({ createImage, script: [afterHanging] });
    await using server = await spawnServer({ api, env: { MINIMAX_TIMEOUT_MS: "6000" } });
    await using drive = await mountHangingFileSystem(join(server.outputDir, "drive"));

    const call = server.generate({ prompt: "a cat", output_dir: "drive" });
    await waitFor("the request", () => api.requests.length === 1);
    drive.hang();
    isHanging = true;
    const result = await call;

    expect(result.isError).toBe(true);
    expect(textOf(result)).toMatch(/^MiniMax generated and billed 1 image/);
    expect(api.requests).toHaveLength(1);
  });

  test.each([
    ["while a call waits for it", false],
    ["after the call was ended", true],
  ])("does not keep the process after the end of stdin, %s", async (_, isOver) => {
    await using api = await startStandIn();
    await using server = await spawnServer({ api, env: { MINIMAX_TIMEOUT_MS: isOver ? "1000" : "60000" } });
    await using drive = await mountHangingFileSystem(join(server.outputDir, "drive"));
    drive.hang();
    const call = server.generate({ prompt: "a cat", output_dir: "drive" }).catch(() => undefined);
    if (isOver) await call;
    else await server.client.ping();

    const endedAt = performance.now();
    server.transport.process.stdin.end();
    await server.exited;

    expect(performance.now() - endedAt).toBeLessThan(EXIT_LIMIT_MS);
    expect(api.requests).toHaveLength(0);
    await call;
  });

  test("is reported by --check within its time", async () => {
    await using api = await startStandIn();
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "drive");
    await using drive = await mountHangingFileSystem(path);
    drive.hang();

    const { code, stdout } = await runServer({
      program: resolve(QUICK_SERVER),
      args: ["--check"],
      env: {
        TEST_SPEED: "5",
        MINIMAX_API_KEY: STAND_IN_KEY,
        MINIMAX_API_HOST: api.url,
        MINIMAX_OUTPUT_DIR: path,
      },
    });

    expect(stdout).toContain(`Output directory   ${path} cannot be written: no answer within 10 s`);
    expect(stdout).toContain("accepted by the host");
    expect(code).not.toBe(0);
  });

  test("without hard links gets the images by another way", async () => {
    await using api = await startStandIn({ createImage });
    await using server = await spawnServer({ api });
    await using drive = await mountHangingFileSystem(join(server.outputDir, "drive"));

    const result = await server.generate({ prompt: "a cat", n: 3, output_dir: "drive" });

    expect(textOf(result)).toContain("Saved 3 of 3 images.");
    expect(await readdir(drive.behind)).toHaveLength(3);
    expect(api.requests).toHaveLength(1);
  });
});

test("a call that was sent and cancelled does not keep the process", async () => {
  await using api = await startStandIn({ script: [fallSilent()] });
  await using server = await spawnServer({ api });
  const cancel = new AbortController();
  const call = server.generate({ prompt: "a cat" }, { signal: cancel.signal }).catch(() => undefined);
  await waitFor("the request", () => api.requests.length === 1);
  cancel.abort();
  await call;

  server.transport.process.stdin.end();

  expect(await server.exited).toEqual({ code: 0, signal: null });
});
