import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type Browser, chromium } from "playwright-core";

/** Names the browser's program, where it is not in one of the usual places. */
const BROWSER_VARIABLE = "CHROME_PATH";

/** What to tell a person who has none. */
export const NO_BROWSER = `No Chromium or Chrome was found: install one, or name its program in ${BROWSER_VARIABLE}.`;

const PROGRAM_FILES = ["ProgramFiles", "ProgramFiles(x86)", "LOCALAPPDATA"].flatMap((name) => process.env[name] ?? []);
const USUAL_PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/usr/bin/google-chrome-stable",
  "/snap/bin/chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  ...PROGRAM_FILES.map((directory) => join(directory, "Google", "Chrome", "Application", "chrome.exe")),
];

/** The path of a Chromium or Chrome on this machine; undefined when there is none. Nothing is ever downloaded. */
export function findBrowser(): string | undefined {
  return process.env[BROWSER_VARIABLE] ?? USUAL_PLACES.find((path) => existsSync(path));
}

/** Starts a browser without a window. Its own sandbox needs a user that is not root. */
export function launchBrowser(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, chromiumSandbox: process.platform !== "linux" || process.getuid?.() !== 0 });
}
