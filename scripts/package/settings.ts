import { variables } from "../../src/config/config.ts";

/** One variable that a client asks for when it installs the server. */
export interface Setting {
  readonly variable: string;
  /** Its name in the bundle's manifest. */
  readonly key: string;
  readonly title: string;
  readonly description: string;
  readonly type: "string" | "directory";
  readonly isRequired: boolean;
  readonly isSecret: boolean;
  readonly preset?: string;
}

type Question = Omit<Setting, "description" | "isRequired"> & {
  /** Follows the variable's own description. */
  readonly addition?: string;
};

const QUESTIONS: readonly Question[] = [
  {
    variable: "MINIMAX_API_KEY",
    key: "api_key",
    title: "MiniMax API key",
    addition: "Create one at platform.minimax.io, or at platform.minimax.cn in mainland China.",
    type: "string",
    isSecret: true,
  },
  {
    variable: "MINIMAX_OUTPUT_DIR",
    key: "output_directory",
    title: "Where images are saved",
    addition:
      "Left empty: output in the directory the server is started in or, where that cannot be used, Pictures/minimax-image-mcp in your home directory.",
    type: "directory",
    isSecret: false,
  },
  {
    variable: "MINIMAX_API_HOST",
    key: "api_host",
    title: "Region of the key",
    type: "string",
    isSecret: false,
    preset: "global",
  },
];

/**
 * The settings that clients ask for: few, because some turn each into a question and pass empty answers on. The source
 * of the bundle's manifest and of the registry entry.
 */
export function settings(): readonly Setting[] {
  return QUESTIONS.map(({ addition, ...setting }) => {
    const known = variables().find(({ name }) => name === setting.variable);
    if (known === undefined) throw new Error(`There is no variable ${setting.variable}.`);
    const description = addition === undefined ? known.description : `${known.description} ${addition}`;
    return { ...setting, description, isRequired: known.fallback === "required" };
  });
}
