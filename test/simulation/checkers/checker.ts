/**
 * What all checkers share. A checker looks at the truth (store, engines, journals), never at what a
 * process believes.
 */
import type { CopyRef } from "@innkeeper/core";
import type { MemoryJournalDisk } from "@innkeeper/core/testing";
import type { SimGuest } from "../../../services/node-agent/src/engines/sim/sim-guest.js";
import type { ObservedCommit, Records } from "../records.js";

export interface CopyOnNode extends CopyRef {
  readonly nodeId: string;
  readonly run: SimGuest["run"];
  /** What it may use. */
  readonly cpuMillis: number;
  readonly memoryMib: number;
}

export interface DisksOnNode {
  readonly nodeId: string;
  readonly guestUid: string;
}

export interface World {
  /** Guests are killed from outside in this run. */
  readonly guestsDie: boolean;
  readonly records: Records;
  /** Every copy that exists on any node now, whoever knows of it. */
  copies(): readonly CopyOnNode[];
  /** Every guest whose disks are on a node now. */
  disks(): readonly DisksOnNode[];
  journals(): ReadonlyMap<string, MemoryJournalDisk>;
}

export interface Checker {
  /** Called for each commit, with the records as they are right after it. */
  onCommit?(commit: ObservedCommit): void;
  /** Called after each event. */
  onEvent?(): void;
}

/** A broken promise of ARCHITECTURE.md, named by its number. */
export class Violation extends Error {
  override readonly name = "Violation";

  constructor(
    readonly invariant: string,
    message: string,
  ) {
    super(`${invariant} is violated: ${message}`);
  }
}
