import type { ToolInput, toolInputSchema } from "../schemas.ts";
import { type ReadReference, resolveReference } from "./references.ts";

type Parameter = keyof typeof toolInputSchema.shape;
type SentAsGiven = Exclude<Parameter, "subject_reference" | "output_dir" | "filename" | "return_images">;

/** The fields that a request takes from a call as they are; undefined ones are not sent. */
type RequestFields = { readonly [P in SentAsGiven]: ToolInput[P] };

/** The body of `POST /v1/image_generation`: documented fields only. */
export interface GenerationRequest extends RequestFields {
  readonly subject_reference: ToolInput["subject_reference"];
}

/**
 * The request body for a call: every default spelled out, and no field that was not given or is not documented.
 *
 * @throws SubjectReferenceError when a reference may not be used, and the errors of `read`
 */
export async function toRequest(input: ToolInput, read: ReadReference): Promise<GenerationRequest> {
  const references = input.subject_reference?.map(async ({ type, image_file }, position) => ({
    type,
    image_file: await resolveReference(image_file, `subject_reference[${position}].image_file`, read),
  }));
  return { ...requestFields(input), subject_reference: references && (await Promise.all(references)) };
}

/** The request body without its references. */
export function requestFields(input: ToolInput): RequestFields {
  const { model, prompt, aspect_ratio, width, height, response_format, n, prompt_optimizer } = input;
  const { seed, style, aigc_watermark } = input;
  return {
    model,
    prompt,
    aspect_ratio: width === undefined ? (aspect_ratio ?? "1:1") : undefined,
    width,
    height,
    response_format,
    n,
    prompt_optimizer,
    seed,
    style,
    aigc_watermark,
  };
}
