/** What the runners of all guests on this node share. */
import type {
  AgentJournal,
  BlobPeers,
  BlobStore,
  Clock,
  ControllerClient,
  DiskStore,
  Engine,
  EngineName,
  Logger,
} from "@innkeeper/core";

export interface ImageCache {
  /** More than this is not kept once no guest needs it. */
  readonly bytesMax: number;
  /** sha256 of every blob that a guest of this node needs. */
  inUse(): ReadonlySet<string>;
}

export interface RunnerContext {
  readonly engines: ReadonlyMap<EngineName, Engine>;
  readonly journal: AgentJournal;
  readonly blobs: BlobStore;
  /** Undefined: blobs come from controllers only. */
  readonly blobPeers?: BlobPeers;
  /** Undefined: the blobs are shared with a controller, which needs all of them. */
  readonly imageCache?: ImageCache;
  readonly nodeId: string;
  readonly disks: DiskStore;
  readonly controller: ControllerClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** The report of this guest has changed. */
  readonly onChanged: (guestUid: string) => void;
}
