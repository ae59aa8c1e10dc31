const CLOCK_WORDS = /-32001|time[ds]?[-_ ]?out|deadline[-_ ]?(?:has )?(?:exceeded|elapsed)/i;

/**
 * Whether the reason of a cancellation has the words of a clock. Clients write the same notification when their time
 * limit strikes and when a person stops the call, and the reason is all that tells them apart: TypeScript, Python, Go
 * and Rust SDKs, and `AbortSignal.timeout`. Any other reason, or none, is a person's stop.
 */
export function isClientTimeout(reason: unknown): boolean {
  return typeof reason === "string" && CLOCK_WORDS.test(reason);
}
