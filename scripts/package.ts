import { execFile } from "node:child_process";
import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { packExtension } from "@anthropic-ai/mcpb";
import { name, version } from "../package.json";
import { BUNDLE_ICON, bundleManifest } from "./package/bundle-manifest.ts";

const DIRECTORY = "build";
const npm = process.env["npm_execpath"];
if (npm === undefined) throw new Error('This script runs npm: start it with "npm run package".');

const tarball = join(DIRECTORY, `${name}-${version}.tgz`);
const bundle = join(DIRECTORY, `${name}-${version}.mcpb`);
const staged = join(DIRECTORY, "package");

await rm(DIRECTORY, { recursive: true, force: true });
await mkdir(DIRECTORY);
await promisify(execFile)(process.execPath, [npm, "pack", "--ignore-scripts", "--pack-destination", DIRECTORY]);
await promisify(execFile)("tar", ["-xzf", tarball, "-C", DIRECTORY]);
await writeFile(join(staged, "manifest.json"), JSON.stringify(bundleManifest(), null, 2));
await copyFile(".github/icon.png", join(staged, BUNDLE_ICON));
const isPacked = await packExtension({ extensionPath: staged, outputPath: bundle, silent: true });
if (!isPacked) throw new Error("The bundle could not be packed.");
await rm(staged, { recursive: true });
console.log(`${tarball}\n${bundle}`);
