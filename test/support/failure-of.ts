import { UserFacingError } from "../../src/errors.ts";

/** What an operation fails with; fails when it succeeds or throws anything but a sentence for the person. */
export async function failureOf(operation: Promise<unknown>): Promise<UserFacingError> {
  try {
    await operation;
  } catch (error) {
    if (error instanceof UserFacingError) return error;
    throw error;
  }
  throw new Error("It succeeded.");
}
