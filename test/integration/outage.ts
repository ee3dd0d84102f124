/** How long tests let a part of the cluster be away. */
import { env } from "node:process";
import { systemClock } from "@innkeeper/core/platform";

const OUTAGE_MS = 3_000;

/** INN_TEST_OUTAGE_MS, for those who want to see a whole minute. */
export function outageMs(): number {
  return Number(env["INN_TEST_OUTAGE_MS"] ?? OUTAGE_MS);
}

/** The outage itself, or a pause of a load: what is tested is that time passes. */
export function passed(durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    systemClock.schedule(durationMs, resolve);
  });
}
