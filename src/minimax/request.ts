import type { GenerationRequest, ToolInput } from "../schemas.ts";
import { type ReadReference, resolveReference } from "./references.ts";

/**
 * The request body for a call: every default spelled out, nothing in it that was not given or is not documented.
 *
 * @throws SubjectReferenceError when a reference may not be used, and what `read` throws
 */
export async function toRequest(input: ToolInput, read: ReadReference): Promise<GenerationRequest> {
  const { subject_reference } = input;
  if (subject_reference === undefined) return requestFields(input);
  return { ...requestFields(input), subject_reference: await resolveAll(subject_reference, read) };
}

/** The request body without its references. */
export function requestFields(input: ToolInput): GenerationRequest {
  const { model, prompt, aspect_ratio, width, height, response_format, n, prompt_optimizer } = input;
  const { seed, style, aigc_watermark } = input;
  return {
    model,
    prompt,
    ...(width !== undefined && height !== undefined ? { width, height } : { aspect_ratio: aspect_ratio ?? "1:1" }),
    response_format,
    n,
    prompt_optimizer,
    ...(seed === undefined ? {} : { seed }),
    ...(style === undefined ? {} : { style }),
    ...(aigc_watermark === undefined ? {} : { aigc_watermark }),
  };
}

async function resolveAll(
  references: NonNullable<ToolInput["subject_reference"]>,
  read: ReadReference,
): Promise<NonNullable<GenerationRequest["subject_reference"]>> {
  return Promise.all(
    references.map(async ({ type, image_file }, position) => ({
      type,
      image_file: await resolveReference(image_file, `subject_reference[${position}].image_file`, read),
    })),
  );
}
