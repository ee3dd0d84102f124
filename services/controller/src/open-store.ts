/** The store that the settings name, with the leader lease beside it. */
import path from "node:path";
import type { Clock, DomainError, LeaderLease, Logger, StateStore } from "@innkeeper/core";
import type { ControllerSettings } from "./config.js";
import { createEmbeddedLeaderLease } from "./store/embedded-leader-lease.js";
import { createEmbeddedStore } from "./store/embedded-state-store.js";

export interface OpenedStore {
  readonly store: StateStore;
  readonly lease: LeaderLease;
  close(): Promise<void>;
}

export interface OpenStoreParts {
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** The store can no longer be used by this process. */
  readonly onFailure: (error: DomainError) => void;
}

/** @throws `unavailable`, `precondition` when somebody else has the embedded store open, `corrupt`. */
export async function openStore(
  settings: ControllerSettings,
  { directory, clock, onFailure }: OpenStoreParts,
): Promise<OpenedStore> {
  const store = createEmbeddedStore({
    directory: path.join(directory, "store"),
    clock,
    changesKeptMax: settings.changesKeptMax,
    onFailure,
  });
  return { store, lease: createEmbeddedLeaderLease(store), close: () => store.close() };
}
