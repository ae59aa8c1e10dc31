import { rm } from "node:fs/promises";
import { resolve } from "node:path";
import process from "node:process";
import sharp from "sharp";
import { findBrowser, launchBrowser, NO_BROWSER } from "../stand-in/host/browser.ts";
import { startHost } from "../stand-in/host/server.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";

const PICTURE = ".github/view.webp";
const SIZE = { width: 760, height: 620 };
const PARAMETERS = {
  prompt: "A lighthouse over a calm sea at dawn, wide and quiet",
  filename: "lighthouse",
  aspect_ratio: "16:9",
  n: 4,
  seed: 7,
};

const browserPath = findBrowser();
if (browserPath === undefined) throw new Error(NO_BROWSER);
const outputDirectory = resolve("output", "demo-view-picture");
await rm(outputDirectory, { recursive: true, force: true });
await using api = await startStandIn();
await using host = await startHost({
  command: process.execPath,
  args: [resolve("dist", "index.js")],
  env: { MINIMAX_API_KEY: STAND_IN_KEY, MINIMAX_API_HOST: api.url, MINIMAX_OUTPUT_DIR: outputDirectory },
  stderr: "inherit",
});
const browser = await launchBrowser(browserPath);

/** One half of the picture: light or dark. */
async function screenshot(theme: "light" | "dark"): Promise<Buffer> {
  const page = await browser.newPage({ viewport: SIZE, colorScheme: theme });
  await page.goto(`${host.url}/?bare&theme=${theme}`);
  await page.evaluate(`host.generate(${JSON.stringify(PARAMETERS)})`);
  const view = page.frameLocator("iframe").frameLocator("iframe");
  await view
    .locator(".frame[data-state=shown]")
    .nth(PARAMETERS.n - 1)
    .waitFor();
  await page.waitForFunction("document.querySelector('iframe').getBoundingClientRect().bottom < innerHeight");
  return page.screenshot({ animations: "disabled" });
}

const light = await screenshot("light");
await rm(outputDirectory, { recursive: true, force: true });
const dark = await screenshot("dark");
await browser.close();
await sharp({ create: { width: 2 * SIZE.width, height: SIZE.height, channels: 3, background: "white" } })
  .composite([
    { input: light, left: 0, top: 0 },
    { input: dark, left: SIZE.width, top: 0 },
  ])
  .webp({ quality: 82 })
  .toFile(PICTURE);
console.log(PICTURE);
