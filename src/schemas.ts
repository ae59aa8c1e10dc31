import { z } from "zod";
import {
  ASPECT_RATIOS,
  IMAGES_MAX,
  PROMPT_MAX_CHARACTERS,
  REFERENCE_MAX_BYTES,
  REFERENCES_MAX,
  SEED_MAX,
  SIDE_PIXELS,
  STYLE_TYPES,
} from "./constants.ts";
import { mistakeInForm } from "./text/mistakes.ts";
import { isWindowsName } from "./text/paths.ts";
import { hasAtMost } from "./text/text.ts";

const FILE_NAME_MAX_CHARACTERS = 60;
const FILE_NAME_MAX_BYTES = 120;
const PATH_MAX_LENGTH = 4096;
const URL_MAX_LENGTH = 8192;
const DATA_URL_MAX_LENGTH = Math.ceil(REFERENCE_MAX_BYTES / 3) * 4 + 100;
const ENTRIES_MAX = 1_000_000;
const ODD_FILE_NAME = /^[.\- ]|[\p{Cf}\p{Cs}]/u;
const FILE_NAME_RULE =
  'expected a plain file name of at most 60 characters and 120 bytes, without / \\ : * ? " < > |, no dot, dash or space at the start, no dot or space at the end, and no Windows device name';

const integerBetween = (minimum: number, maximum: number) => {
  const error = `expected an integer from ${minimum} to ${maximum}`;
  return z.int({ error }).min(minimum, { error }).max(maximum, { error });
};

const oneOf = <const T extends readonly string[]>(values: T) =>
  z.enum(values, { error: `expected ${values.map((value) => `"${value}"`).join(" or ")}` });

const flag = () => z.boolean({ error: "expected true or false" });

const prompt = z
  .string({ error: `expected text of 1 to ${PROMPT_MAX_CHARACTERS} characters` })
  .refine((text) => hasAtMost(text, PROMPT_MAX_CHARACTERS), {
    error: `expected at most ${PROMPT_MAX_CHARACTERS} characters`,
    abort: true,
  })
  .refine((text) => text.trim() !== "", { error: "expected text that is not blank" })
  .meta({
    minLength: 1,
    maxLength: PROMPT_MAX_CHARACTERS,
    description: `What to generate, 1 to ${PROMPT_MAX_CHARACTERS} characters: subject, style, light, composition.`,
  });

const IMAGE_FILE_RULE = "expected an https:// URL, an image data URL or a file path";
const subjectReference = z.object(
  {
    type: oneOf(["character"]).describe("The only kind there is."),
    image_file: z
      .string({ error: IMAGE_FILE_RULE })
      .min(1, { error: IMAGE_FILE_RULE })
      .refine((text) => text.length <= (/^data:/i.test(text) ? DATA_URL_MAX_LENGTH : URL_MAX_LENGTH), {
        error: `expected a data URL of an image of less than ${REFERENCE_MAX_BYTES / 1_000_000} MB, or a path or URL of at most ${URL_MAX_LENGTH} characters`,
      })
      .describe("https:// URL, data:image/…;base64 URL, or a local file (absolute, file://, or relative to the base)."),
  },
  { error: 'expected an object {"type": "character", "image_file": "…"}' },
);

const SIDE_RULE = `expected a multiple of ${SIDE_PIXELS.multipleOf}`;
const side = integerBetween(SIDE_PIXELS.minimum, SIDE_PIXELS.maximum).refine(
  (pixels) => pixels % SIDE_PIXELS.multipleOf === 0,
  { error: SIDE_RULE },
);

const filename = z
  .string({ error: FILE_NAME_RULE })
  .refine(isPlainFileName, { error: FILE_NAME_RULE })
  .meta({ minLength: 1, maxLength: FILE_NAME_MAX_CHARACTERS });

const WEIGHT_RULE = "expected a number above 0 up to 1";
const REFERENCES_RULE = `expected a list of 1 to ${REFERENCES_MAX} references`;
const DIRECTORY_RULE = `expected a path of 1 to ${PATH_MAX_LENGTH} characters`;

/**
 * The tool's input. Unknown keys are kept, so that they can be named in `warnings`. Messages that begin with
 * "expected" are completed by what came; only keywords that every model API takes reach the client.
 */
export const toolInputSchema = z
  .looseObject(
    {
      prompt,
      aspect_ratio: oneOf(ASPECT_RATIOS)
        .optional()
        .meta({ default: "1:1", description: "Shape of the images; width and height override it." }),
      n: integerBetween(1, IMAGES_MAX)
        .default(1)
        .describe("How many images, 1 to 9: one call with n is much faster than n calls, at the same price."),
      seed: integerBetween(0, SEED_MAX)
        .optional()
        .describe("0 to 4294967295; the same seed and parameters give the same images."),
      response_format: oneOf(["base64", "url"])
        .default("base64")
        .describe("How MiniMax delivers; files are saved either way. url also returns links that expire in 24 h."),
      prompt_optimizer: flag().default(false).describe("Let MiniMax rewrite the prompt."),
      subject_reference: z
        .array(subjectReference, { error: REFERENCES_RULE })
        .min(1, { error: REFERENCES_RULE })
        .max(REFERENCES_MAX, { error: REFERENCES_RULE })
        .optional()
        .describe(`1 to ${REFERENCES_MAX} images of a character to keep in the new scene.`),
      output_dir: z
        .string({ error: DIRECTORY_RULE })
        .min(1, { error: DIRECTORY_RULE })
        .refine((text) => text.length <= PATH_MAX_LENGTH, { error: DIRECTORY_RULE, abort: true })
        .refine((text) => mistakeInForm(text) === undefined, {
          error: ({ input }) => `the path ${mistakeInForm(String(input)) ?? ""}`,
        })
        .optional()
        .describe("Where to save: absolute, or relative to the allowed base directory, and inside it."),
      width: side
        .optional()
        .describe("Exact size, with height, in place of aspect_ratio: 512 to 2048, multiple of 8; image-01 only."),
      height: side.optional().describe("512 to 2048, multiple of 8; with width."),
      filename: filename
        .optional()
        .describe(
          "Name without directory and extension, 1 to 60 characters: hero gives hero.jpeg, several give hero-1.jpeg …; never overwrites.",
        ),
      model: oneOf(["image-01", "image-01-live"])
        .default("image-01")
        .describe("image-01 for anything; image-01-live for a style."),
      style: z
        .object(
          {
            style_type: oneOf(STYLE_TYPES).describe("Comic, lively, medieval, watercolour."),
            style_weight: z
              .number({ error: WEIGHT_RULE })
              .refine((weight) => weight > 0, { error: WEIGHT_RULE })
              .max(1, { error: WEIGHT_RULE })
              .optional()
              .meta({ minimum: 0, description: "Strength, above 0 up to 1; 0.8 unless given." }),
          },
          { error: "expected an object with style_type" },
        )
        .optional()
        .describe("image-01-live only."),
      aigc_watermark: flag().optional().describe("Mark the images as made by AI."),
      return_images: flag().default(false).describe("Also return the images inline, up to 700 kB in total."),
    },
    { error: "expected an object" },
  )
  .superRefine((input, context) => {
    const refuse = (key: string, message: string): void => {
      context.addIssue({ code: "custom", path: [key], message });
    };
    if ((input.width === undefined) !== (input.height === undefined)) {
      refuse(input.width === undefined ? "width" : "height", "missing: give width and height together, or neither");
    }
    if (input.model === "image-01-live") {
      if (input.width !== undefined) refuse("width", "not allowed with image-01-live: use aspect_ratio");
      if (input.aspect_ratio === "21:9") refuse("aspect_ratio", "21:9 is not allowed with image-01-live");
    } else if (input.style !== undefined) {
      refuse("style", "not allowed with image-01: set model to image-01-live");
    }
  });

/** The tool's input after validation. */
export type ToolInput = z.infer<typeof toolInputSchema>;

/**
 * The tool's input as it is listed. It lets everything through, so that our own words refuse what is not allowed; the
 * clients are shown what `toolInputSchema` says, which is worked out when they ask: the start would take 4 ms longer.
 */
export const toolArgumentsSchema = z.looseObject({}).meta({
  get properties() {
    return z.toJSONSchema(toolInputSchema, { io: "input" }).properties;
  },
  get required() {
    return z.toJSONSchema(toolInputSchema, { io: "input" }).required;
  },
  additionalProperties: undefined,
  $schema: undefined,
});

const listed = { additionalProperties: undefined, $schema: undefined };

const savedImage = z
  .object({
    path: z.string().describe("absolute"),
    width: z.int().min(1).max(4_294_967_295),
    height: z.int().min(1).max(4_294_967_295),
    bytes: z.int().min(1).max(1_000_000_000),
    mime_type: z.enum(["image/jpeg", "image/png", "image/webp"]),
  })
  .meta(listed);

/** The tool's output; the text of a result says the same. */
export const toolOutputSchema = z
  .object({
    id: z.string().optional().describe("MiniMax's request id"),
    image_count: z.int().min(0).max(IMAGES_MAX).describe("images taken from MiniMax's answer"),
    saved_count: z.int().min(0).max(IMAGES_MAX).describe("images written to disk"),
    file_paths: z.array(z.string()).describe("absolute paths, in the order of the images"),
    failures: z
      .array(z.object({ index: z.int().min(0).max(ENTRIES_MAX), error: z.string() }).meta(listed))
      .optional()
      .describe("images that could not be saved; index is the position in MiniMax's answer, from 0"),
    metadata: z
      .object({ failed_count: z.string(), success_count: z.string() })
      .meta({ ...listed, description: "MiniMax's own counts" }),
    images: z.array(savedImage).describe("read from the saved files"),
    image_urls: z.array(z.string()).optional().describe("links, valid for 24 h"),
    seed: z.int().min(0).max(SEED_MAX).optional().describe("the seed that was given"),
    warnings: z.array(z.string()).optional().describe("what the user should know, such as fewer images than asked for"),
  })
  .meta(listed);

/** The facts of one successful call. */
export type ToolOutput = z.infer<typeof toolOutputSchema>;

/** One image as it was written to disk. */
export type SavedImage = z.infer<typeof savedImage>;

const readableCount = z
  .union([z.string().regex(/^\d{1,9}$/), z.int().min(0)])
  .transform(String)
  .optional();

const count = readableCount.catch(undefined);

/** A count of generated images that cannot be read is not taken for none: it becomes a text that is no number. */
const successCount = readableCount.catch(({ value }) => (holdsSomething(value) ? "?" : undefined));

const statusCode = z.union([
  z.int(),
  z
    .string()
    .regex(/^-?\d{1,9}$/)
    .transform(Number),
]);

const text = z.string().optional().catch(undefined);

/**
 * MiniMax's reply, as live bodies have it: any part may be missing, and an empty array or null counts as an empty
 * object; `data` of another form becomes one entry that is no image. Unknown fields are ignored. Images are bounded and
 * judged one by one where they are taken out.
 */
export const upstreamReplySchema = z.object({
  id: text,
  data: z
    .object({ image_base64: z.unknown().optional(), image_urls: z.unknown().optional(), success_count: successCount })
    .catch(({ value }) => ({ image_base64: holdsSomething(value) ? [[value]] : [], success_count: undefined })),
  metadata: z.object({ failed_count: count, success_count: successCount }).optional().catch(undefined),
  base_resp: z
    .object({ status_code: statusCode.optional().catch(undefined), status_msg: text })
    .optional()
    .catch(undefined),
  error: z
    .union([z.object({ message: text }), z.string().transform((message) => ({ message }))])
    .optional()
    .catch(undefined),
  message: text,
});

/** MiniMax's reply after validation. */
export type UpstreamReply = z.infer<typeof upstreamReplySchema>;

function isPlainFileName(name: string): boolean {
  const fits = hasAtMost(name, FILE_NAME_MAX_CHARACTERS) && Buffer.byteLength(name) <= FILE_NAME_MAX_BYTES;
  return fits && isWindowsName(name) && !ODD_FILE_NAME.test(name);
}

function holdsSomething(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}
