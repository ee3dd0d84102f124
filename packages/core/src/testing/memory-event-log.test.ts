import { eventLogContract } from "./contracts/event-log.contract.js";
import { MemoryEventLog } from "./memory-event-log.js";

eventLogContract("memory", async () => {
  const log = new MemoryEventLog();
  return {
    log,
    other: log,
    keep: async (events) => log.forgetAllBut(events),
    close: async () => undefined,
  };
});
