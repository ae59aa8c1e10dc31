import { format, resolveConfig } from "prettier";
import { expect, test } from "vitest";
import { z } from "zod";
import { spawnServer } from "./support/server.ts";
import { waitFor } from "./support/wait-for.ts";

/** What every model API takes; Gemini refuses a whole turn for any other. */
const PORTABLE_KEYWORDS: readonly string[] = [
  "type",
  "description",
  "enum",
  "items",
  "properties",
  "required",
  "default",
  "minimum",
  "maximum",
  "minItems",
  "maxItems",
  "minLength",
  "maxLength",
];

const schemaObject = z.record(z.string(), z.unknown());
const toolsAnswer = z.object({
  id: z.literal("list"),
  result: z.looseObject({
    tools: z.array(z.looseObject({ name: z.string(), inputSchema: schemaObject, outputSchema: schemaObject })),
  }),
});

type Schema = z.infer<typeof schemaObject>;

async function listTools(): Promise<z.infer<typeof toolsAnswer>["result"]> {
  await using server = await spawnServer({ api: { url: "http://127.0.0.1:8" } });
  server.transport.write(`${JSON.stringify({ jsonrpc: "2.0", id: "list", method: "tools/list" })}\n`);
  const line = await waitFor("the answer to tools/list", () =>
    server.transport.stdout
      .split("\n")
      .slice(0, -1)
      .find((text) => text.includes('"id":"list"')),
  );
  return toolsAnswer.parse(JSON.parse(line)).result;
}

function withinSchema(schema: Schema): Schema[] {
  const properties = Object.values(schemaObject.parse(schema["properties"] ?? {}));
  const inner = [...properties, schema["items"]];
  return [schema, ...inner.flatMap((part) => (typeof part === "object" ? withinSchema(schemaObject.parse(part)) : []))];
}

const listed = await listTools();

test("tools/list is the one that was last agreed on", async () => {
  const text = JSON.stringify(listed, null, 2);
  const config = await resolveConfig("test/tools-list.json");

  await expect(await format(text, { ...config, parser: "json" })).toMatchFileSnapshot("tools-list.json");
});

test("tools/list stays under 7 kB, which every conversation pays for", () => {
  expect(Buffer.byteLength(JSON.stringify(listed))).toBeLessThan(7000);
});

test("tools/list uses only keywords that every model API takes", () => {
  const schemas = listed.tools.flatMap(({ inputSchema, outputSchema }) => [inputSchema, outputSchema]);
  const keywords = schemas.flatMap(withinSchema).flatMap(Object.keys);
  expect([...new Set(keywords)].filter((keyword) => !PORTABLE_KEYWORDS.includes(keyword))).toEqual([]);
});

test("tools/list says every range in words, too: some clients strip keywords", () => {
  const parameters = listed.tools.flatMap(({ inputSchema }) =>
    withinSchema(inputSchema).flatMap((schema) => Object.entries(schemaObject.parse(schema["properties"] ?? {}))),
  );
  const BOUNDS = ["minimum", "maximum", "minItems", "maxItems", "maxLength"];
  const unsaid = parameters.flatMap(([parameter, part]) => {
    const schema = schemaObject.parse(part);
    const description = z.string().parse(schema["description"]);
    const bounds = BOUNDS.flatMap((keyword) => (typeof schema[keyword] === "number" ? [String(schema[keyword])] : []));
    return bounds.filter((bound) => !description.includes(bound)).map((bound) => `${parameter} ${bound}`);
  });
  expect(parameters).not.toHaveLength(0);
  expect(unsaid).toEqual([]);
});

test("tools/list says the essential in its first 150 characters", () => {
  const start = listed.tools.map(({ description }) => z.string().parse(description).slice(0, 150)).join("");
  for (const word of ["Generate", "image", "text prompt", "save", "Costs money"]) expect(start).toContain(word);
});

test("tools/list describes every parameter", () => {
  const parameters = listed.tools.flatMap(({ inputSchema }) =>
    Object.entries(schemaObject.parse(inputSchema["properties"])),
  );
  const undescribed = parameters.filter(([, schema]) => schemaObject.parse(schema)["description"] === undefined);
  expect(parameters).not.toHaveLength(0);
  expect(undescribed.map(([parameter]) => parameter)).toEqual([]);
});

test("tools/list gives every integer exact bounds", () => {
  const schemas = listed.tools.flatMap(({ inputSchema, outputSchema }) => [inputSchema, outputSchema]);
  const integers = schemas.flatMap(withinSchema).filter((schema) => schema["type"] === "integer");
  const exact = z.int().gt(Number.MIN_SAFE_INTEGER).lt(Number.MAX_SAFE_INTEGER);
  const bounds = z.object({ minimum: exact, maximum: exact });
  expect(integers).not.toHaveLength(0);
  expect(integers.filter((schema) => !bounds.safeParse(schema).success)).toEqual([]);
});
