const DATA_URL_PREFIX = /^data:[^,]{0,200};\s*base64\s*,/i;

/** Decodes a base64 text, with or without `data:…;base64,` in front. White space is skipped. Never throws. */
export function decodeBase64(
  text: string,
  maxBytes: number,
): { readonly bytes: Uint8Array } | { readonly problem: string } {
  const encoded = text.trim().replace(DATA_URL_PREFIX, "");
  const bytes = decodeWhole(encoded) ?? decodeWhole(encoded.replaceAll(/\s/g, ""));
  if (bytes === undefined) return { problem: "it is not valid base64" };
  if (bytes.length === 0) return { problem: "it is empty" };
  return bytes.length > maxBytes ? { problem: `it is larger than ${maxBytes} bytes` } : { bytes };
}

/**
 * Node skips ASCII characters that are not base64, so a text that holds any gives fewer bytes than its length promises;
 * of other characters it takes the low byte.
 */
function decodeWhole(encoded: string): Buffer | undefined {
  if (Buffer.byteLength(encoded) !== encoded.length) return undefined;
  const padding = encoded.endsWith("==") ? 2 : encoded.endsWith("=") ? 1 : 0;
  const characters = encoded.length - padding;
  if (characters % 4 === 1 || (padding > 0 && encoded.length % 4 !== 0)) return undefined;
  const bytes = Buffer.from(encoded, "base64");
  return bytes.length === Math.floor((characters * 3) / 4) ? bytes : undefined;
}
