/** What the journal remembers of a guest's starts. */
import type { CopyExit, JournalEntry, RestartMemory } from "@innkeeper/core";

/** A copy was launched by an earlier agent process and is no longer there. */
export const LOST_COPY: CopyExit = {
  reason: "killed",
  message: "it ended while no agent was watching",
};

export function memoryOf(entry: JournalEntry): RestartMemory {
  const { startCount, restartCount, restartsInARow, startedAtMs } = entry;
  const { lastExit, failure, restartAtMs } = entry;
  return { startCount, restartCount, restartsInARow, startedAtMs, lastExit, failure, restartAtMs };
}
