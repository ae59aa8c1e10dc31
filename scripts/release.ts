import { readFile } from "node:fs/promises";
import process from "node:process";
import { version } from "../package.json";

const [command, tag] = process.argv.slice(2);
const notes = notesOf(await readFile("CHANGELOG.md", "utf8"));

if (command === "notes") {
  console.log(notes);
} else if (tag !== `v${version}`) {
  throw new Error(`The tag is ${tag ?? "missing"}, but package.json says ${version}.`);
}

/** The section of this version. */
function notesOf(changelog: string): string {
  const section = changelog.split(/^## /m).find((part) => part.startsWith(`[${version}]`));
  const text =
    section
      ?.split("\n")
      .slice(1)
      .join("\n")
      .replace(/^\[.*\]: .*$/gm, "")
      .trim() ?? "";
  if (text === "") throw new Error(`CHANGELOG.md says nothing about ${version}.`);
  return text;
}
