/** An agent's journal in memory. Whoever opens the same disk again sees what was put before. */
import type { AgentJournal, JournalEntry } from "../ports/agent-journal.js";

/** What survives the agent process. */
export class MemoryJournalDisk {
  readonly entries = new Map<string, JournalEntry>();
  leaderEpoch = 0;
}

export class MemoryAgentJournal implements AgentJournal {
  readonly #disk: MemoryJournalDisk;

  constructor(disk: MemoryJournalDisk = new MemoryJournalDisk()) {
    this.#disk = disk;
  }

  load(): ReturnType<AgentJournal["load"]> {
    const { leaderEpoch, entries } = this.#disk;
    return Promise.resolve({ leaderEpoch, entries: [...entries.values()] });
  }

  put(entries: readonly JournalEntry[]): Promise<void> {
    for (const entry of entries) this.#disk.entries.set(entry.assignment.guestUid, entry);
    return Promise.resolve();
  }

  putLeaderEpoch(leaderEpoch: number): Promise<void> {
    this.#disk.leaderEpoch = Math.max(this.#disk.leaderEpoch, leaderEpoch);
    return Promise.resolve();
  }

  drop(guestUids: readonly string[]): Promise<void> {
    for (const uid of guestUids) this.#disk.entries.delete(uid);
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
