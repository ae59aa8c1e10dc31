import { resolve } from "node:path";
import process from "node:process";
import { startHost } from "../stand-in/host/server.ts";
import { STAND_IN_KEY, startStandIn } from "../stand-in/server.ts";

const GENERATION_MS = 3000;

const api = await startStandIn({ generationMs: GENERATION_MS });
const host = await startHost({
  command: process.execPath,
  args: [resolve("dist", "index.js")],
  env: {
    MINIMAX_API_KEY: STAND_IN_KEY,
    MINIMAX_API_HOST: api.url,
    MINIMAX_OUTPUT_DIR: resolve("output", "demo-view"),
  },
  stderr: "inherit",
});
console.log(
  `Open ${host.url} in a browser: a page that shows the images in the conversation as clients do.\n` +
    "It runs the built server over stdio. No key is used and MiniMax is not called: a stand-in on this machine answers.\n" +
    "Add ?theme=dark or ?width=490 for another look, and ?resources=refused, ?structure=null, ?content=text,\n" +
    "?clipboard=off or ?policy=strict for clients that do less. End with Ctrl+C.",
);
