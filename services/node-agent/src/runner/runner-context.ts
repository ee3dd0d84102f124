/** What the runners of all guests on this node share. */
import type {
  AgentJournal,
  BlobStore,
  Clock,
  ControllerClient,
  DiskStore,
  Engine,
  EngineName,
  Logger,
} from "@innkeeper/core";

export interface RunnerContext {
  readonly engines: ReadonlyMap<EngineName, Engine>;
  readonly journal: AgentJournal;
  readonly blobs: BlobStore;
  readonly disks: DiskStore;
  readonly controller: ControllerClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** The report of this guest has changed. */
  readonly onChanged: (guestUid: string) => void;
}
