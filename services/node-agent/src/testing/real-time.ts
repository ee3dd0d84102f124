/** Waiting for real programs, with a deadline. */
import { systemClock } from "@innkeeper/core/platform";

const WITHIN_MS = 30_000;
const POLL_MS = 10;

/** @throws when the promise has not settled in time. */
export async function withDeadline<T>(promise: Promise<T>): Promise<T> {
  let cancel = (): void => undefined;
  const late = new Promise<never>((_, reject) => {
    cancel = systemClock.schedule(WITHIN_MS, () => reject(new Error("it did not settle in time")));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    cancel();
  }
}

/** @throws naming what did not come true in time. */
export async function waitUntil(
  what: string,
  condition: () => Promise<boolean>,
  within = { ms: WITHIN_MS },
): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + within.ms;
  while (!(await condition())) {
    if (systemClock.monotonicMs() > deadlineMs)
      throw new Error(`${what}: not within ${within.ms} ms`);
    await later(POLL_MS);
  }
}

/** The pause that the engine contract asks for. */
export function later(durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    systemClock.schedule(durationMs, resolve);
  });
}
