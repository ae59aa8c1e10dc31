/**
 * Stands in for libraries that the SDK imports and this server never uses: ajv and ajv-formats check what a client's
 * user filled in (elicitation), zod/v3 and zod-to-json-schema serve tools whose schemas are written with Zod 3.
 */
module.exports = function unusedLibrary() {
  return undefined;
};
