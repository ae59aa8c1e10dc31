import { readFile } from "node:fs/promises";
import type { Plugin } from "rolldown";
import { type ESTree, parseSync, Visitor } from "rolldown/utils";

const SDK_FILE = /[\\/]@modelcontextprotocol[\\/]sdk[\\/].*\.js$/;

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * The SDK builds its 150 schemas whenever it is loaded, and few of them are needed to answer `initialize`. This makes
 * each of them a function that builds it at its first use, and each use a call; those that nobody uses are then dropped
 * by the bundler. The build fails when the SDK hands one on by its bare name, in an object or an export, which this
 * does not follow.
 */
export function lazySchemas(): Plugin {
  let typesFile: string | undefined;
  let names: ReadonlySet<string> = new Set();
  return {
    name: "lazy-schemas",
    async buildStart() {
      typesFile = (await this.resolve("@modelcontextprotocol/sdk/types.js"))?.id;
      if (typesFile === undefined) throw new Error("The SDK has no types.js.");
      names = new Set(schemasOf(parse(typesFile, await readFile(typesFile, "utf8"))).map(({ name }) => name));
    },
    transform: {
      filter: { id: SDK_FILE },
      handler: (code, id) => {
        const program = parse(id, code);
        const edits = [...usesOf(program, names), ...(id === typesFile ? definitionsOf(program) : [])];
        return edits
          .toSorted((a, b) => b.start - a.start || b.end - a.end)
          .reduce((text, { start, end, text: edit }) => text.slice(0, start) + edit + text.slice(end), code);
      },
    },
  };
}

function parse(file: string, code: string): ESTree.Program {
  return parseSync(file, code).program;
}

interface Schema {
  readonly name: string;
  /** Where the declaration begins, where its value begins and ends. */
  readonly start: number;
  readonly valueStart: number;
  readonly valueEnd: number;
}

/** The constants at the top of a module whose value is made by a call. */
function schemasOf(program: ESTree.Program): Schema[] {
  return program.body.flatMap((statement) => {
    const declaration = statement.type === "ExportNamedDeclaration" ? statement.declaration : statement;
    if (declaration?.type !== "VariableDeclaration") return [];
    return declaration.declarations.flatMap(({ id, init }) =>
      id.type === "Identifier" && init?.type === "CallExpression"
        ? [{ name: id.name, start: statement.start, valueStart: init.start, valueEnd: init.end }]
        : [],
    );
  });
}

function definitionsOf(program: ESTree.Program): Edit[] {
  return schemasOf(program).flatMap(({ name, start, valueStart, valueEnd }) => [
    { start, end: valueStart, text: `let ${name}$value;\nexport function ${name}() { return ${name}$value ??= ` },
    { start: valueEnd, end: valueEnd, text: " }" },
  ]);
}

function usesOf(program: ESTree.Program, names: ReadonlySet<string>): Edit[] {
  const uses = new Map<number, Edit>();
  const declared = new Set<number>();
  new Visitor({
    MemberExpression: ({ computed, property }) => {
      if (!computed) declared.add(property.start);
    },
    Property: ({ computed, key, shorthand }) => {
      if (shorthand && key.type === "Identifier" && names.has(key.name)) {
        throw new Error(`The SDK uses ${key.name} as a shorthand property.`);
      }
      if (!computed) declared.add(key.start);
    },
    ImportSpecifier: ({ local }) => declared.add(local.start),
    VariableDeclarator: ({ id }) => declared.add(id.start),
    Identifier: ({ name, start, end }) => {
      if (names.has(name) && !declared.has(start)) uses.set(start, { start: end, end, text: "()" });
    },
  }).visit(program);
  return [...uses.values()];
}
