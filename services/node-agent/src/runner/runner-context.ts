/** What the runners of all guests on this node share. */
import type {
  AgentJournal,
  BlobStore,
  Clock,
  ControllerClient,
  Engine,
  EngineName,
  Logger,
} from "@innkeeper/core";

export interface RunnerContext {
  readonly engines: ReadonlyMap<EngineName, Engine>;
  readonly journal: AgentJournal;
  readonly blobs: BlobStore;
  readonly controller: ControllerClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** The report of this guest has changed. */
  readonly onChanged: (guestUid: string) => void;
}
