import { createHash } from "node:crypto";
import { DEFAULT_STYLE_WEIGHT } from "../constants.ts";
import { requestFields } from "../minimax/request.ts";
import type { ToolInput } from "../schemas.ts";

/**
 * What a call asks for, as a text of fixed length: the same for two inputs exactly when they ask MiniMax for the same
 * and want it saved and returned in the same way. The order of keys, spelled-out defaults and parameters this tool does
 * not have make no difference.
 */
export function callKey(input: ToolInput): string {
  const { style, subject_reference, output_dir, filename, return_images } = input;
  const asked = [
    { ...requestFields(input), style: undefined },
    style === undefined ? null : [style.style_type, style.style_weight ?? DEFAULT_STYLE_WEIGHT],
    subject_reference?.map(({ type, image_file }) => [type, image_file]),
    output_dir,
    filename,
    return_images,
  ];
  return createHash("sha256").update(JSON.stringify(asked)).digest("base64");
}
