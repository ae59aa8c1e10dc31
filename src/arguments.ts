import { z } from "zod";
import { ASPECT_RATIO_PIXELS } from "./constants.ts";
import { UserFacingError } from "./errors.ts";
import { type ToolInput, toolInputSchema } from "./schemas.ts";
import { withoutNulls } from "./text/nulls.ts";
import { isPath } from "./text/paths.ts";
import { codePoints, plural, truncate } from "./text/text.ts";

const NESTED_IN_ARGUMENTS = 3;
const QUOTED_CHARACTERS = 60;
const COUNTED_LENGTH = 100_000;
const NAMED_MISTAKES = 10;
const NAMED_KEYS = 10;
const NAMED_KEY_CHARACTERS = 40;
const SAME_SHAPE = 0.01;

/** Keys that clients add on their own; nobody has to hear of them. Gemini CLI sends `wait_for_previous`. */
const CLIENT_KEYS: ReadonlySet<string> = new Set(["wait_for_previous"]);

/** Arguments that the tool does not accept; the message names each bad parameter on a line. Nothing has been sent. */
class InvalidArgumentsError extends UserFacingError {
  override readonly name = "InvalidArgumentsError";
}

/**
 * The arguments of a call, validated. `null` means that a parameter was not given, and so does a style in which
 * nothing is given.
 *
 * @throws InvalidArgumentsError with one reason for each parameter, and what came in its place
 */
export function parseArguments(args: unknown): ToolInput {
  const given = withoutEmptyStyle(withoutNulls(args, NESTED_IN_ARGUMENTS));
  const { success, data, error } = toolInputSchema.safeParse(given);
  if (success) return data;
  const mistakes = new Map<string, string>();
  for (const { path, message } of error.issues) {
    const name = nameOf(path);
    if (!mistakes.has(name)) mistakes.set(name, reasonFor(message, valueAt(given, path)));
  }
  const lines = [...mistakes].slice(0, NAMED_MISTAKES).map(([name, reason]) => `- ${name}: ${reason}`);
  throw new InvalidArgumentsError(["The arguments are not valid.", ...lines].join("\n"), {
    billing: "not requested",
    advice: `${directoryHint(given)}Correct the ${mistakes.size === 1 ? "parameter" : "parameters"} named above, then call again.`,
  });
}

function withoutEmptyStyle(args: unknown): unknown {
  if (typeof args !== "object" || args === null || !("style" in args)) return args;
  const { style, ...others } = args;
  return typeof style === "object" && style !== null && Object.keys(style).length === 0 ? others : args;
}

/** What a person should know of arguments that were accepted but not used as they stand; a sentence each. */
export function warningsOfInput(input: ToolInput): string[] {
  return [ignoredKeys(input), ignoredRatio(input)].filter((warning) => warning !== "");
}

function ignoredKeys(input: ToolInput): string {
  const known = new Set(Object.keys(toolInputSchema.shape));
  const unknown = Object.keys(input).filter((key) => !known.has(key) && !CLIENT_KEYS.has(key));
  if (unknown.length === 0) return "";
  const named = unknown.slice(0, NAMED_KEYS).map((key) => truncate(key, NAMED_KEY_CHARACTERS));
  return `Ignored unknown parameters: ${named.join(", ")}${unknown.length > named.length ? ", …" : ""}.`;
}

/** Sides are multiples of 8, so that a shape can be met to within a hundredth only. */
function ignoredRatio({ width, height, aspect_ratio }: ToolInput): string {
  if (width === undefined || height === undefined || aspect_ratio === undefined) return "";
  const shape = ASPECT_RATIO_PIXELS[aspect_ratio];
  const difference = (width / height) * (shape.height / shape.width) - 1;
  return Math.abs(difference) <= SAME_SHAPE
    ? ""
    : `aspect_ratio ${aspect_ratio} was not used: the size ${width}x${height} was given.`;
}

function reasonFor(message: string, value: unknown): string {
  return message.startsWith("expected ") ? `${message}; got ${shown(value)}` : message;
}

/** A value from outside in a few words, bounded, with its kind where that is the mistake. */
function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (typeof value === "string") return shownText(value);
  if (Array.isArray(value)) return `a list of ${plural(value.length, "item")}`;
  return typeof value === "object" ? "an object" : `${JSON.stringify(value)} (${typeof value})`;
}

function shownText(text: string): string {
  if (text.length <= QUOTED_CHARACTERS) return `"${truncate(text)}" (text)`;
  if (text.length > COUNTED_LENGTH) return `text of more than ${COUNTED_LENGTH / 2} characters`;
  return `text of ${codePoints(text).length} characters: "${truncate(text, QUOTED_CHARACTERS)}"`;
}

/** `subject_reference[0].image_file`; what is wrong as a whole is called `arguments`. */
function nameOf(path: readonly PropertyKey[]): string {
  return path.length === 0 ? "arguments" : z.core.toDotPath(path);
}

function valueAt(args: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === "object" && value !== null
        ? Object.entries(value).find(([name]) => name === String(key))?.[1]
        : undefined,
    args,
  );
}

/** For a filename that is a path: how it is said with both parameters. */
function directoryHint(args: unknown): string {
  const filename = valueAt(args, ["filename"]);
  if (typeof filename !== "string" || !isPath(filename)) return "";
  const cut = Math.max(filename.lastIndexOf("/"), filename.lastIndexOf("\\"));
  const [directory, name] = [filename.slice(0, cut), filename.slice(cut + 1).replace(/\.\w+$/, "")].map((part) =>
    truncate(part, QUOTED_CHARACTERS),
  );
  return `Use output_dir "${directory === "" ? "." : directory}" and filename "${name}". `;
}
