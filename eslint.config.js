import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import jsdoc from "eslint-plugin-jsdoc";
import importSort from "eslint-plugin-simple-import-sort";
import { configs as typescript } from "typescript-eslint";

const NO_FILES = { group: ["node:fs", "node:fs/*", "fs", "fs/*"], message: "Only src/utils touches files." };
const NO_FETCH = { name: "fetch", message: "Only src/client.ts talks HTTP." };
const NO_ENVIRONMENT = {
  selector: "MemberExpression[object.name='process'][property.name='env']",
  message: "Only src/index.ts and src/launch.ts use the environment.",
};
const NO_EXIT = {
  selector: "MemberExpression[object.name='process'][property.name=/^exit(Code)?$/]",
  message: "Only src/index.ts and src/launch.ts end the process.",
};

/** @type {import("eslint").Rule.RuleModule} */
const jsdocOnly = {
  meta: {
    type: "suggestion",
    messages: { comment: "Only JSDoc comments: say it in a name or in the contract." },
    schema: [],
  },
  create: (context) => ({
    Program() {
      for (const comment of context.sourceCode.getAllComments()) {
        /** @type {string} */
        const type = comment.type;
        const isAllowed = type === "Shebang" || (type === "Block" && comment.value.startsWith("*"));
        if (!isAllowed && comment.loc) context.report({ loc: comment.loc, messageId: "comment" });
      }
    },
  }),
};

export default defineConfig(
  globalIgnores(["dist", "build", "coverage", "output"]),
  js.configs.recommended,
  typescript.strictTypeChecked,
  typescript.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { jsdoc, "import-sort": importSort, house: { rules: { "jsdoc-only": jsdocOnly } } },
    rules: {
      "house/jsdoc-only": "error",
      "import-sort/imports": ["error", { groups: [["^node:", "^@?\\w", "^"]] }],
      "max-len": ["error", { code: 10_000, comments: 120 }],
      "no-console": "error",
      "no-restricted-syntax": ["error", NO_ENVIRONMENT, NO_EXIT],
      "@typescript-eslint/consistent-type-assertions": ["error", { assertionStyle: "never" }],
      "@typescript-eslint/explicit-module-boundary-types": "error",
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      curly: ["error", "multi-line"],
      "@typescript-eslint/prefer-promise-reject-errors": ["error", { allowThrowingAny: true }],
      "jsdoc/require-jsdoc": ["error", { publicOnly: true, require: { ClassDeclaration: true } }],
    },
  },
  {
    files: ["src/**"],
    rules: {
      "max-lines": ["error", { max: 200, skipBlankLines: true, skipComments: true }],
      "max-lines-per-function": ["error", { max: 40, skipBlankLines: true, skipComments: true }],
      "no-restricted-imports": ["error", { patterns: [NO_FILES] }],
      "no-restricted-globals": ["error", NO_FETCH],
    },
  },
  {
    files: ["src/schemas.ts"],
    rules: { "max-lines": ["error", { max: 250, skipBlankLines: true, skipComments: true }] },
  },
  {
    files: ["src/**/*.test.ts"],
    rules: {
      "max-lines": "off",
      "max-lines-per-function": "off",
      "no-restricted-imports": "off",
      "no-restricted-globals": "off",
    },
  },
  { files: ["src/client.ts"], rules: { "no-restricted-globals": "off" } },
  { files: ["src/utils/**"], rules: { "no-restricted-imports": "off" } },
  { files: ["src/index.ts", "src/launch.ts"], rules: { "no-restricted-syntax": "off" } },
  { files: ["src/view/page/copy-text.ts"], rules: { "@typescript-eslint/no-deprecated": "off" } },
  {
    files: ["scripts/**", "bench/**", "test/**", "stand-in/**", "**/*.test.ts"],
    rules: { "jsdoc/require-jsdoc": "off", "no-restricted-syntax": "off" },
  },
  { files: ["scripts/**", "bench/index.ts", "test/live/index.ts"], rules: { "no-console": "off" } },
  { files: ["bench/baseline.js"], rules: { "no-undef": "off", "@typescript-eslint/no-unsafe-assignment": "off" } },
  { files: ["scripts/**/*.cjs"], languageOptions: { globals: { module: "writable" } } },
  {
    files: ["*.js"],
    rules: { "jsdoc/require-jsdoc": "off", "@typescript-eslint/explicit-module-boundary-types": "off" },
  },
);
