import { z } from "zod";

/** Wine 10 can make neither symlinks nor junctions: a test that needs one fails with these words. */
const NO_LINKS = /ENOTSUP: .*, symlink /;

/** The part of Vitest's JSON report that is judged. A file that could not be loaded has a message and no tests. */
const reportSchema = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string(),
      assertionResults: z.array(
        z.object({ fullName: z.string(), status: z.string(), failureMessages: z.array(z.string()).nullish() }),
      ),
    }),
  ),
});

/** The outcome of a run under Wine. */
export interface Verdict {
  readonly passed: number;
  readonly skipped: number;
  /** The tests that failed because Wine makes no links. */
  readonly notCounted: readonly string[];
  /** One line each; none when all is well. */
  readonly problems: string[];
}

/** Judges Vitest's JSON report: no test may fail but for want of a link. */
export function judgeReport(json: string): Verdict {
  const { testResults } = reportSchema.parse(JSON.parse(json));
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  const count = (wanted: string): number => tests.filter(({ status }) => status === wanted).length;
  const failed = tests
    .filter(({ status }) => status === "failed")
    .map(({ fullName, failureMessages }) => ({ fullName, message: failureMessages?.[0] ?? "" }));
  const unloaded = testResults.filter(
    ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
  );
  return {
    passed: count("passed"),
    skipped: count("skipped") + count("pending") + count("todo"),
    notCounted: failed.filter(({ message }) => NO_LINKS.test(message)).map(({ fullName }) => fullName),
    problems: [
      ...failed
        .filter(({ message }) => !NO_LINKS.test(message))
        .map(({ fullName, message }) => `Failed: ${fullName}\n${indent(message)}`),
      ...unloaded.map(({ name, message }) => `Not loaded: ${name}\n${indent(message)}`),
    ],
  };
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "    ");
}
