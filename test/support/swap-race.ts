import { spawn } from "node:child_process";
import { once } from "node:events";

/** Each is run over and over: `inside` and `outside` are what `face` leads to by turns. */
const SWAPS: Readonly<Record<string, string>> = {
  "a file and a link that leads out": `
    fs.symlinkSync(outside + "/face.png", base + "/next"); fs.renameSync(base + "/next", base + "/faces/face.png"); wait();
    fs.copyFileSync(base + "/kept.png", base + "/next"); fs.renameSync(base + "/next", base + "/faces/face.png"); wait();`,
  "a directory and a link that leads out": `
    fs.renameSync(base + "/faces", base + "/away"); fs.symlinkSync(outside, base + "/faces"); wait();
    fs.unlinkSync(base + "/faces"); fs.renameSync(base + "/away", base + "/faces"); wait();`,
  "a link to a directory inside and a link that leads out": `
    fs.symlinkSync(outside, base + "/next"); fs.renameSync(base + "/next", base + "/link"); wait();
    fs.symlinkSync(base + "/faces", base + "/next"); fs.renameSync(base + "/next", base + "/link"); wait();`,
};

/** Every way to swap. */
export const ALL_SWAPS: readonly string[] = Object.keys(SWAPS);

/**
 * Lets another process swap things as fast as it can while `work` runs. `base` has to hold `kept.png`, `faces/face.png`
 * and a link to `faces` named `link`, and `outside` a `face.png`.
 */
export async function whileSwapping(
  swap: string,
  { base, outside }: { readonly base: string; readonly outside: string },
  work: () => Promise<void>,
): Promise<void> {
  const program = `
    const fs = require("node:fs");
    const [base, outside] = process.argv.slice(1);
    const wait = () => { const until = performance.now() + Math.random() * 0.3; while (performance.now() < until); };
    process.stdin.on("end", () => process.exit()).resume();
    process.stdout.write("started");
    const turn = () => {
      for (let round = 0; round < 50; round++) { ${SWAPS[swap] ?? ""} }
      setImmediate(turn);
    };
    turn();`;
  const child = spawn(process.execPath, ["-e", program, base, outside], { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  await once(child.stdout, "data");
  try {
    await work();
  } finally {
    child.stdin.end();
    await exited;
  }
}
