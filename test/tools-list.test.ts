import { format, resolveConfig } from "prettier";
import { expect, test } from "vitest";
import { z } from "zod";
import { ask } from "./support/raw-requests.ts";
import { spawnServer } from "./support/server.ts";

/** What every model API takes; Gemini refuses a whole turn for any other. */
const PORTABLE_KEYWORDS =
  "type description enum items properties required default minimum maximum minItems maxItems minLength maxLength";
const BOUNDS = ["minimum", "maximum", "minItems", "maxItems", "maxLength"];

const schemaObject = z.record(z.string(), z.unknown());
const toolsAnswer = z.looseObject({
  tools: z.tuple([z.looseObject({ description: z.string(), inputSchema: schemaObject, outputSchema: schemaObject })]),
});

type Schema = z.infer<typeof schemaObject>;

async function listTools(): Promise<unknown> {
  await using server = await spawnServer({ api: { url: "http://127.0.0.1:8" } });
  return (await ask(server, "tools/list", {})).result;
}

/** A schema and all that are in it, each with the name of the parameter or field that it is of. */
function withinSchema(schema: Schema, name = ""): { readonly name: string; readonly schema: Schema }[] {
  const properties = Object.entries(schemaObject.parse(schema["properties"] ?? {}));
  const items = schema["items"] === undefined ? [] : [["items", schema["items"]] as const];
  const inner = [...properties, ...items].flatMap(([key, part]) => withinSchema(schemaObject.parse(part), key));
  return [{ name, schema }, ...inner];
}

const listed = await listTools();
const [{ description, inputSchema, outputSchema }] = toolsAnswer.parse(listed).tools;
const input = withinSchema(inputSchema);
const all = [...input, ...withinSchema(outputSchema)];

test("tools/list is the one that was last agreed on", async () => {
  const config = await resolveConfig("test/tools-list.json");

  const text = await format(JSON.stringify(listed), { ...config, parser: "json" });

  await expect(text).toMatchFileSnapshot("tools-list.json");
});

test("tools/list stays under 7 kB, which every conversation pays for", () => {
  expect(Buffer.byteLength(JSON.stringify(listed))).toBeLessThan(7000);
});

test("tools/list uses only keywords that every model API takes", () => {
  const keywords = new Set(all.flatMap(({ schema }) => Object.keys(schema)));

  expect([...keywords].filter((keyword) => !PORTABLE_KEYWORDS.split(" ").includes(keyword))).toEqual([]);
});

test.each(input.filter(({ name }) => !["", "items"].includes(name)))(
  "tools/list says every range of $name in words, too",
  ({ schema }) => {
    const ranges = BOUNDS.map((keyword) => schema[keyword]).filter((bound) => typeof bound === "number");

    for (const bound of ranges) expect(schema["description"]).toContain(String(bound));
    expect(schema["description"]).toMatch(/\S/);
  },
);

test("tools/list says the essential in its first 150 characters", () => {
  const start = description.slice(0, 150);

  for (const word of ["Generate", "image", "text prompt", "save", "Costs money"]) expect(start).toContain(word);
});

test("tools/list gives every integer exact bounds", () => {
  const integers = all.filter(({ schema }) => schema["type"] === "integer");

  expect(integers).not.toHaveLength(0);
  for (const { schema } of integers) {
    for (const bound of ["minimum", "maximum"]) {
      expect(schema[bound]).toBeTypeOf("number");
      expect(Math.abs(Number(schema[bound]))).toBeLessThan(Number.MAX_SAFE_INTEGER);
    }
  }
});
