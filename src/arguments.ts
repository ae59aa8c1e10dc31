import { z } from "zod";
import { ASPECT_RATIO_PIXELS, SIDE_PIXELS } from "./constants.ts";
import { UserFacingError } from "./errors.ts";
import { type ToolInput, toolInputSchema } from "./schemas.ts";
import { isPath } from "./text/paths.ts";
import { codePoints, plural, shown, truncate } from "./text/text.ts";

const NESTED_IN_ARGUMENTS = 3;
const QUOTED_CHARACTERS = 60;
const COUNTED_LENGTH = 100_000;
const NAMED_MISTAKES = 10;
const NAMED_KEYS = 10;
const NAMED_KEY_CHARACTERS = 40;
const SAME_SHAPE = 0.01;

/** Keys that clients add on their own; they are not worth a warning. Gemini CLI sends `wait_for_previous`. */
const CLIENT_KEYS: ReadonlySet<string> = new Set(["wait_for_previous"]);

const NESTED_NAMES = ["type", "image_file", "style_type", "style_weight"];
const NAMES: ReadonlyMap<string, string> = new Map(
  [...Object.keys(toolInputSchema.shape), ...NESTED_NAMES].map((name) => [plainForm(name), name]),
);

/** Parameters of other image servers that would change the images, in plain form, with their names here. */
const FOREIGN_PARAMETERS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    "width and height, or aspect_ratio": ["size", "imagesize", "resolution", "dimensions"],
    aspect_ratio: ["ratio"],
    n: ["count", "numimages", "numberofimages", "imagecount", "numoutputs", "numsamples", "batchsize"],
    subject_reference: [
      ...["image", "images", "imageurl", "imagefile", "initimage", "inputimage"],
      ...["referenceimage", "referenceimages"],
    ],
    style: ["styletype", "styleweight"],
    output_dir: ["outputpath", "outputdirectory", "outputfolder", "savepath", "savedir", "directory", "folder", "dir"],
    filename: ["outputfilename"],
    "output_dir and filename": ["outputfile", "filepath", "path"],
  }).flatMap(([ours, foreign]) => foreign.map((name) => [name, ours] as const)),
);

/** Arguments that the tool does not accept; the message names each bad parameter on a line. Nothing has been sent. */
class InvalidArgumentsError extends UserFacingError {
  override readonly name = "InvalidArgumentsError";

  constructor(mistakes: readonly string[], hint = "") {
    super(
      ["The arguments are not valid.", ...mistakes.slice(0, NAMED_MISTAKES).map((line) => `- ${line}`)].join("\n"),
      {
        billing: "not requested",
        advice: `${hint}Correct the ${mistakes.length === 1 ? "parameter" : "parameters"} named above, then call again.`,
      },
    );
  }
}

/**
 * The arguments of a call, validated. Clients and models rewrite them: `null` and an empty style mean that a parameter
 * was not given, a key may be spelled in another way (`outputDir`), and white space around names and paths is dropped.
 *
 * @throws InvalidArgumentsError with one reason for each parameter, and the value that came
 */
export function parseArguments(args: unknown): ToolInput {
  const given = withoutEmptyStyle(tidied(args, NESTED_IN_ARGUMENTS));
  const foreign = foreignParameters(given);
  if (foreign.length > 0) throw new InvalidArgumentsError(foreign);
  const { success, data, error } = toolInputSchema.safeParse(given);
  if (success) return data;
  const mistakes = new Map<string, string>();
  for (const { path, message } of error.issues) {
    const name = nameOf(path);
    if (!mistakes.has(name)) mistakes.set(name, reasonFor(message, valueAt(given, path)));
  }
  const lines = [...mistakes].map(([name, reason]) => `${name}: ${reason}`);
  throw new InvalidArgumentsError(lines, `${directoryHint(given)}${referenceHint(given)}${sizeHint(given)}`);
}

/** Keys in our spelling, no nulls, no white space around any text but the prompt; deeper values stay as they are. */
function tidied(value: unknown, depth: number): unknown {
  if (typeof value === "string") return value.trim();
  if (depth === 0 || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((entry: unknown) => tidied(entry, depth - 1));
  const members = Object.entries(value).filter(([, member]) => member !== null);
  const given = new Set(members.map(([key]) => key));
  return Object.fromEntries(
    members.map(([key, member]) => {
      const ours = NAMES.get(plainForm(key)) ?? key;
      const name = given.has(ours) ? key : ours;
      return [name, name === "prompt" ? member : tidied(member, depth - 1)];
    }),
  );
}

/** The letters of a key without case, `_` and `-`, in which clients differ. */
function plainForm(key: string): string {
  return key.replaceAll(/[_-]/g, "").toLowerCase();
}

function foreignParameters(args: unknown): string[] {
  if (typeof args !== "object" || args === null) return [];
  return Object.keys(args).flatMap((key) => {
    const ours = FOREIGN_PARAMETERS.get(plainForm(key));
    const named = truncate(key, NAMED_KEY_CHARACTERS);
    return ours === undefined ? [] : [`${named}: not a parameter of this tool: use ${ours}`];
  });
}

function withoutEmptyStyle(args: unknown): unknown {
  if (typeof args !== "object" || args === null || !("style" in args)) return args;
  const { style, ...others } = args;
  return typeof style === "object" && style !== null && Object.keys(style).length === 0 ? others : args;
}

/** Warnings about arguments that were accepted but not used as they stand. */
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
  return message.startsWith("expected ") ? `${message}; got ${describeValue(value)}` : message;
}

/** A value from outside in a few words, bounded, with its kind where that is the mistake. */
function describeValue(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (typeof value === "string") return describeText(value);
  if (Array.isArray(value)) return `a list of ${plural(value.length, "item")}`;
  return typeof value === "object" ? "an object" : `${JSON.stringify(value)} (${typeof value})`;
}

function describeText(text: string): string {
  if (text.length <= QUOTED_CHARACTERS) return `${shown(text)} (text)`;
  if (text.length > COUNTED_LENGTH) return `text of more than ${COUNTED_LENGTH / 2} characters`;
  return `text of ${codePoints(text).length} characters: ${shown(text, QUOTED_CHARACTERS)}`;
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

/** For references in a form that other APIs take. */
function referenceHint(args: unknown): string {
  const references = valueAt(args, ["subject_reference"]);
  const first: unknown = Array.isArray(references) ? references[0] : references;
  if (typeof first !== "object" || first === null || (Array.isArray(references) && "image_file" in first)) return "";
  return 'Use subject_reference [{"type": "character", "image_file": "…"}], a list, with the path or URL as image_file. ';
}

/** For a size that MiniMax cannot draw: the nearest that it can. */
function sizeHint(args: unknown): string {
  const [width, height] = [valueAt(args, ["width"]), valueAt(args, ["height"])];
  if (typeof width !== "number" || typeof height !== "number" || !(width > 0 && height > 0)) return "";
  const { minimum, maximum, multipleOf } = SIDE_PIXELS;
  const fit = Math.min(Math.max(1, minimum / Math.min(width, height)), maximum / Math.max(width, height));
  const [nearestWidth, nearestHeight] = [width, height].map((side) =>
    Math.min(maximum, Math.max(minimum, Math.round((side * fit) / multipleOf) * multipleOf)),
  );
  return nearestWidth === width && nearestHeight === height
    ? ""
    : `The nearest size is ${nearestWidth}x${nearestHeight}. `;
}
