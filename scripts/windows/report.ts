import { z } from "zod";

/** Symlinks and junctions, which Wine 10 cannot make. */
const FAIL_UNDER_WINE: readonly string[] = [
  "whether a directory can be written is no for a link that leads nowhere",
  "a reference image is read in a base that is itself behind a link",
  "nothing is read through a link to a directory outside",
  "with the kernel's word a file inside is opened, directly and through a link that stays inside",
  "with the kernel's word a file outside is not opened, directly or through a link that leads out",
  "without the kernel's word a file inside is opened, directly and through a link that stays inside",
  "without the kernel's word a file outside is not opened, directly or through a link that leads out",
  "a path that the kernel calls outside is refused, whatever the name says now",
  "a path that the kernel spells in other letters is the same file when its number says so",
];

/** What counts of Vitest's JSON report. A file that could not even be loaded has a message and no tests. */
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

/** What a run under Wine came to. */
export interface Verdict {
  readonly passed: number;
  readonly skipped: number;
  /** The tests that Wine cannot do, and that failed as they must. */
  readonly notCounted: readonly string[];
  /** One line each; none when all is well. */
  readonly problems: string[];
}

/** Judges Vitest's JSON report: the tests that fail have to be exactly those that Wine cannot do. */
export function judgeReport(json: string): Verdict {
  const { testResults } = reportSchema.parse(JSON.parse(json));
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  const count = (wanted: string): number => tests.filter(({ status }) => status === wanted).length;
  const failed = tests.filter(({ status }) => status === "failed");
  const unloaded = testResults.filter(
    ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
  );
  const notCounted = FAIL_UNDER_WINE.filter((name) => failed.some(({ fullName }) => fullName === name));
  return {
    passed: count("passed"),
    skipped: count("skipped") + count("pending") + count("todo"),
    notCounted,
    problems: [
      ...failed
        .filter(({ fullName }) => !FAIL_UNDER_WINE.includes(fullName))
        .map(({ fullName, failureMessages }) => `Failed: ${fullName}\n${indent(failureMessages?.[0] ?? "")}`),
      ...unloaded.map(({ name, message }) => `Not loaded: ${name}\n${indent(message)}`),
      ...FAIL_UNDER_WINE.filter((name) => !notCounted.includes(name)).map(
        (name) => `No longer fails under Wine, so take it off the list in scripts/windows/report.ts: ${name}`,
      ),
    ],
  };
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "    ");
}
