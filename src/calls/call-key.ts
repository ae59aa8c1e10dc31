import { DEFAULT_STYLE_WEIGHT } from "../constants.ts";
import { requestFields } from "../minimax/request.ts";
import type { ToolInput } from "../schemas.ts";
import { baseNameOf } from "../utils/file-names.ts";

/**
 * The meaning of a call, as a text of fixed length: the same for two inputs exactly when they ask MiniMax for the same
 * and want it saved and returned in the same way. The order of keys, spelled-out defaults, the spelling of a path, and
 * parameters this tool does not have make no difference. The first call loads `node:crypto`, which the start has no use
 * for: 3 ms.
 *
 * @param directory - where the call saves, as an absolute path
 */
export function callKey(input: ToolInput, directory: string | undefined): string {
  const { prompt, style, subject_reference, filename, return_images } = input;
  const asked = [
    { ...requestFields(input), prompt: prompt.trim(), style: undefined },
    style === undefined ? null : [style.style_type, style.style_weight ?? DEFAULT_STYLE_WEIGHT],
    subject_reference?.map(({ type, image_file }) => [type, image_file]),
    directory,
    filename === undefined ? undefined : baseNameOf(filename),
    return_images,
  ];
  const { createHash } = process.getBuiltinModule("node:crypto");
  return createHash("sha256").update(JSON.stringify(asked)).digest("base64");
}
