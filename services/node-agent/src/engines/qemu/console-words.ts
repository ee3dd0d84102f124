/** Waits for what a guest says on its console. */
import type { Clock, EngineCopy } from "@innkeeper/core";

const POLL_MS = 2;
const READ_BYTES = 64 * 1024;

export interface AwaitedWords {
  readonly text: string;
  readonly withinMs: number;
  /** Nobody waits for it any longer. */
  readonly signal?: AbortSignal;
}

/** True when the text is among the first that it says; false when it does not come in time. */
export async function saysInTime(
  copy: EngineCopy,
  clock: Clock,
  { text, withinMs, signal }: AwaitedWords,
): Promise<boolean> {
  let hasEnded = false;
  void copy.ended.then(() => {
    hasEnded = true;
  });
  const deadlineMs = clock.monotonicMs() + withinMs;
  for (;;) {
    const isLast = hasEnded || signal?.aborted === true || clock.monotonicMs() > deadlineMs;
    const { bytes } = await copy.readConsole(0, READ_BYTES);
    if (Buffer.from(bytes).includes(text)) return true;
    if (isLast) return false;
    await new Promise<void>((resolve) => {
      clock.schedule(POLL_MS, resolve);
    });
  }
}
