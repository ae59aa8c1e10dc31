import { readFile, writeFile } from "node:fs/promises";
import process from "node:process";
import { format, resolveConfig } from "prettier";
import { z } from "zod";
import { variables as environmentVariables } from "../../src/config/config.ts";
import { API_CODES, type ApiCode } from "../../src/constants.ts";
import { toolInputSchema, toolOutputSchema } from "../../src/schemas.ts";
import { serverJson } from "../package/server-json.ts";
import { clients, standardConfiguration } from "./clients.ts";

const README = "README.md";
const REGISTRY_ENTRY = "server.json";
const RETRIED: Readonly<Record<ApiCode["outcome"], string>> = {
  refused: "no",
  transient: "yes",
  unknown: "never: may have been billed",
};

const jsonSchemaNode = z.object({
  type: z.string().optional(),
  description: z.string().optional(),
  items: z.object({ type: z.string() }).optional(),
  default: z.union([z.string(), z.number(), z.boolean()]).optional(),
  enum: z.array(z.string()).optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  multipleOf: z.number().optional(),
});
const jsonSchemaObject = z.object({
  properties: z.record(z.string(), jsonSchemaNode),
  required: z.array(z.string()).default([]),
});

function parameters(): string {
  const { properties, required } = jsonSchemaObject.parse(z.toJSONSchema(toolInputSchema, { io: "input" }));
  return table(
    ["Parameter", "Type", "Default", "Description"],
    Object.entries(properties).map(([name, node]) => [
      code(name),
      typeOf(node),
      required.includes(name) ? "required" : node.default === undefined ? "" : code(String(node.default)),
      node.description ?? "",
    ]),
  );
}

function output(): string {
  const { properties, required } = jsonSchemaObject.parse(z.toJSONSchema(toolOutputSchema, { io: "output" }));
  return table(
    ["Field", "Type", "Always present", "Description"],
    Object.entries(properties).map(([name, node]) => [
      code(name),
      typeOf(node),
      required.includes(name) ? "yes" : "",
      node.description ?? "",
    ]),
  );
}

function variables(): string {
  return table(
    ["Variable", "Default", "Description"],
    environmentVariables().map((variable) => [code(variable.name), variable.fallback, variable.description]),
  );
}

/** Codes that are retried alike and have the same recovery share a row. */
function codes(): string {
  const rows = new Map<string, { numbers: string[]; meanings: Set<string>; retried: string; recovery: string }>();
  for (const [number, { meaning, outcome, minimumWaitMs, recovery }] of Object.entries(API_CODES)) {
    const retried = minimumWaitMs === undefined ? RETRIED[outcome] : `yes, after ${minimumWaitMs / 1000} s`;
    const row = rows.get(retried + recovery) ?? { numbers: [], meanings: new Set<string>(), retried, recovery };
    row.numbers.push(number);
    row.meanings.add(meaning);
    rows.set(retried + recovery, row);
  }
  return table(
    ["Code", "Meaning", "Retried", "What to do"],
    [...rows.values()].map(({ numbers, meanings, retried, recovery }) => [
      numbers.join(", "),
      [...meanings].join(", "),
      retried,
      recovery,
    ]),
  );
}

function typeOf({ type, items, enum: values, minimum, maximum, multipleOf }: z.infer<typeof jsonSchemaNode>): string {
  if (items !== undefined) return `list of ${items.type}s`;
  if (values !== undefined) return values.map(code).join(" ");
  if (multipleOf !== undefined) return `${type ?? ""} ${minimum}–${maximum}, multiple of ${multipleOf}`;
  return minimum === undefined ? (type ?? "") : `${type ?? ""} ${minimum}–${maximum}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function code(text: string): string {
  return `\`${text}\``;
}

function insert(document: string, name: string, content: string): string {
  const [before, rest] = split(document, `<!-- ${name}:start -->`);
  const [, after] = split(rest, `<!-- ${name}:end -->`);
  return `${before}<!-- ${name}:start -->\n\n${content}\n\n<!-- ${name}:end -->${after}`;
}

function split(text: string, mark: string): [string, string] {
  const position = text.indexOf(mark);
  if (position === -1) throw new Error(`${README} lacks the mark ${mark}`);
  return [text.slice(0, position), text.slice(position + mark.length)];
}

async function readme(): Promise<string> {
  const parts = {
    clients: clients(),
    configuration: standardConfiguration(),
    variables: variables(),
    parameters: parameters(),
    output: output(),
    codes: codes(),
  };
  return Object.entries(parts).reduce(
    (document, [name, content]) => insert(document, name, content),
    await readFile(README, "utf8"),
  );
}

const documents = { [README]: await readme(), [REGISTRY_ENTRY]: JSON.stringify(serverJson()) };
const isCheck = process.argv.includes("--check");
for (const [file, content] of Object.entries(documents)) {
  const generated = await format(content, { ...(await resolveConfig(file)), filepath: file });
  if (!isCheck) {
    await writeFile(file, generated);
  } else if (generated !== (await readFile(file, "utf8"))) {
    console.error(`${file} differs from the source: run "npm run docs".`);
    process.exitCode = 1;
  }
}
