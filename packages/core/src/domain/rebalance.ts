/**
 * A rebalance: some guests are moved while they run so that nodes are loaded alike. What was
 * planned and what became of it is kept with the operation, guest by guest.
 */
import type { DrainEntry } from "./drain.js";

export interface RebalanceEntry extends DrainEntry {
  readonly fromNodeId: string;
}

export interface Rebalance {
  /** In the order in which they are moved. */
  readonly entries: readonly RebalanceEntry[];
}
