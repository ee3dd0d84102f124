/**
 * A drain: all guests of a node are moved away while they run. Its ledger says guest by guest what
 * was done, and is kept with the operation.
 */

/**
 * `waiting`: not begun, `message` says what for. `moving`: its migration runs. `moved`, `gone`:
 * away from the node. `skipped`: cannot move while it runs. `failed`: its migrations failed.
 */
export const DRAIN_ENTRY_STATES = [
  "waiting",
  "moving",
  "moved",
  "gone",
  "skipped",
  "failed",
] as const;
export type DrainEntryState = (typeof DRAIN_ENTRY_STATES)[number];

export interface DrainEntry {
  readonly guestUid: string;
  readonly guestId: string;
  readonly projectId: string;
  readonly state: DrainEntryState;
  /** Where it is or goes; empty while nobody knows. */
  readonly toNodeId: string;
  /** The newest migration; empty when none was begun. */
  readonly operationId: string;
  /** Migrations begun. */
  readonly attempts: number;
  /** Why it waits, was skipped or failed. */
  readonly message: string;
  /** It is on another node, and moves so that one of this node has room. */
  readonly isAside?: true;
}

export interface Drain {
  readonly nodeId: string;
  /** When it gives up what is left; undefined = never. */
  readonly deadlineMs: number | undefined;
  readonly entries: readonly DrainEntry[];
}

export function isAway({ state }: DrainEntry): boolean {
  return state === "moved" || state === "gone";
}

export function isOpen({ state }: DrainEntry): boolean {
  return state === "waiting" || state === "moving";
}
