import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 5;

/**
 * Resolves with the first value of `probe` that is not undefined, null or false. Fails after `limitMs`, naming what was
 * waited for.
 */
export async function waitFor<T>(
  what: string,
  probe: () => T | Promise<T>,
  limitMs = 30_000,
): Promise<Exclude<T, undefined | null | false>> {
  const deadlineMs = performance.now() + limitMs;
  for (;;) {
    const value = await probe();
    if (isThere(value)) return value;
    if (performance.now() > deadlineMs) throw new Error(`Waited ${limitMs} ms in vain for ${what}.`);
    await sleep(POLL_MS);
  }
}

function isThere<T>(value: T): value is Exclude<T, undefined | null | false> {
  return value !== undefined && value !== null && value !== false;
}
