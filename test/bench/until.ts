/** Waits for a condition, looking every millisecond, with a deadline. */
import { systemClock } from "@innkeeper/core/platform";

const TIMEOUT_MS = 60_000;

export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
): Promise<void> {
  const deadlineMs = performance.now() + TIMEOUT_MS;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`${what}: not within ${TIMEOUT_MS} ms`);
    await new Promise<void>((resolve) => {
      systemClock.schedule(1, resolve);
    });
  }
}
