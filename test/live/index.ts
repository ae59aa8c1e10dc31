import process from "node:process";
import { API_HOSTS } from "../../src/constants.ts";
import { IMAGES_ASKED_FOR } from "./assumptions.ts";
import { checkAssumptions, tableOf } from "./run.ts";

const DOLLARS_AN_IMAGE = 0.0035;
const ACCEPT = "--accept-cost";
const DIRECTORY = "build/live";

const { MINIMAX_API_KEY: apiKey, MINIMAX_API_HOST: host = "global" } = process.env;
const cost = `${IMAGES_ASKED_FOR} images, about $${(IMAGES_ASKED_FOR * DOLLARS_AN_IMAGE).toFixed(3)}`;
const origin = host === "global" || host === "cn" ? API_HOSTS[host] : host;

if (apiKey === undefined || !process.argv.includes(ACCEPT)) {
  console.log(
    `This asks the real MiniMax API at ${origin} for ${cost}. Nothing was asked. Set MINIMAX_API_KEY and run: npm run test:live -- ${ACCEPT}`,
  );
} else {
  console.log(`Asking ${origin} for ${cost}. Bodies are written to ${DIRECTORY}, cut and without secrets.\n`);
  const findings = await checkAssumptions(origin, apiKey, DIRECTORY);
  console.log(tableOf(findings));
  const differing = findings.filter(({ holds }) => !holds).length;
  console.log(
    differing === 0
      ? "\nEvery assumption of the stand-in holds."
      : `\n${differing} of ${findings.length} assumptions differ: correct the stand-in by the bodies that were written.`,
  );
  if (differing > 0) process.exitCode = 1;
}
