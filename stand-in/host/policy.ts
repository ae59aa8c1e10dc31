const ORIGIN_OR_SCHEME = /^[\w.:/*-]+$/;

/**
 * The policy of a view's frame, as the specification of MCP Apps builds it.
 *
 * @param declared - the `resourceDomains` of the view
 * @param isStrict - for a host that allows no image that the view does not declare, as MCP Inspector 2.12
 */
export function policyOf(declared: readonly string[], isStrict: boolean): string {
  const sources = declared.filter((source) => ORIGIN_OR_SCHEME.test(source)).join(" ");
  const images = isStrict ? sources || "'none'" : `'self' data: ${sources}`;
  return [
    "default-src 'none'",
    `script-src 'self' 'unsafe-inline' ${sources}`,
    `style-src 'self' 'unsafe-inline' ${sources}`,
    `img-src ${images}`,
    `font-src 'self' ${sources}`,
    `media-src ${images}`,
    "connect-src 'none'",
    "object-src 'none'",
    "base-uri 'self'",
  ].join("; ");
}
