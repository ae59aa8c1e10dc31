import { LiveApi } from "./api.ts";
import { type Finding, PROBES } from "./assumptions.ts";

/**
 * Holds every assumption of the stand-in against an API.
 *
 * @param directory - where the bodies are written that were seen
 * @returns one finding an assumption; a probe that could not be carried out is a finding that does not hold
 */
export async function checkAssumptions(host: string, apiKey: string, directory: string): Promise<Finding[]> {
  const api = new LiveApi(host, apiKey, directory);
  const findings: Finding[] = [];
  for (const probe of PROBES) {
    try {
      findings.push(...(await probe(api)));
    } catch (error) {
      findings.push({ assumption: `the probe ${probe.name} can be carried out`, seen: String(error), holds: false });
    }
  }
  return findings;
}

/** The findings as a table in Markdown. */
export function tableOf(findings: readonly Finding[]): string {
  const rows = findings.map(
    ({ assumption, seen, holds }) => `| ${assumption} | ${seen} | ${holds ? "holds" : "DIFFERS"} |`,
  );
  return ["| Assumption | Seen | |", "| --- | --- | --- |", ...rows].join("\n");
}
