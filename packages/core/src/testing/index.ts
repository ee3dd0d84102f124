/**
 * What tests of any workspace use: fakes for the ports, seeded randomness, builders. Contract
 * suites are imported by path.
 */
export {
  aCopyReport,
  aGuest,
  aJournalEntry,
  aNode,
  aNodeReport,
  anAssignment,
  anImage,
  anOperation,
  aPlacement,
  aProject,
  aTransaction,
  type GuestShorthand,
  type Overrides,
} from "./builders.js";
export { FakeClock, ProcessClock } from "./fake-clock.js";
export { MemoryAgentJournal, MemoryJournalDisk } from "./memory-agent-journal.js";
export { MemoryBlobStore, MemoryBlobs } from "./memory-blob-store.js";
export { MemoryDiskStore, MemoryDisks } from "./memory-disk-store.js";
export { MemoryEventLog } from "./memory-event-log.js";
export { MemoryLeaderLease } from "./memory-leader-lease.js";
export {
  MemoryDisk,
  MemoryStateStore,
  type MemoryStateStoreOptions,
} from "./memory-state-store.js";
export { forEachSeed, forEachSeedAsync, Prng } from "./prng.js";
export { SeededIdSource } from "./seeded-id-source.js";
export { silentLogger } from "./silent-logger.js";
