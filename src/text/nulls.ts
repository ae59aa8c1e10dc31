/**
 * The same value without members that are `null`: several clients and models fill in all that is optional.
 *
 * @param depth - how many objects and lists inside one another are looked into; deeper values stay as they are
 */
export function withoutNulls(value: unknown, depth: number): unknown {
  if (depth === 0 || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((entry: unknown) => withoutNulls(entry, depth - 1));
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== null)
      .map(([key, member]) => [key, withoutNulls(member, depth - 1)]),
  );
}
