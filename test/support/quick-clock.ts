import process from "node:process";
import type { Clock } from "../../src/timing/clock.ts";
import { fastClock } from "./fast-clock.ts";

/** Takes the place of the system's clock in the quick server. */
export const systemClock: Clock = fastClock(Number(process.env["TEST_SPEED"]));
