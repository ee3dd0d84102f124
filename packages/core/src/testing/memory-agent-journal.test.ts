import { agentJournalContract } from "./contracts/agent-journal.contract.js";
import { MemoryAgentJournal, MemoryJournalDisk } from "./memory-agent-journal.js";

agentJournalContract("memory", async () => {
  const disk = new MemoryJournalDisk();
  let journal = new MemoryAgentJournal(disk);
  return {
    get journal() {
      return journal;
    },
    reopen: async () => {
      await journal.close();
      journal = new MemoryAgentJournal(disk);
    },
    close: () => journal.close(),
  };
});
