/**
 * An operation: a durable record of long work on a guest, or on all guests of a node. Ends exactly
 * once and says truthfully what was done (I6).
 */
import type { MigrationProgress } from "./copy.js";
import type { Drain } from "./drain.js";
import type { ErrorDetail } from "./errors.js";
import type { MigrationForecast } from "./migration-forecast.js";
import type { Rebalance } from "./rebalance.js";

export const OPERATION_KINDS = [
  "create",
  "delete",
  "start",
  "stop",
  "pause",
  "resume",
  "migrate",
  "resize",
  "drain",
  "rebalance",
  "return",
  "take-snapshot",
  "remove-snapshot",
  "restore",
  "clone",
] as const;
export type OperationKind = (typeof OPERATION_KINDS)[number];

export const OPERATION_STATES = ["running", "succeeded", "failed", "cancelled"] as const;
export type OperationState = (typeof OPERATION_STATES)[number];

export interface Operation {
  /** UUID. */
  readonly id: string;
  readonly kind: OperationKind;
  readonly projectId: string;
  readonly guestId: string;
  readonly guestUid: string;
  /** Of a drain; its project and guest are empty. */
  readonly drain?: Drain | undefined;
  /** Of a rebalance; likewise. */
  readonly rebalance?: Rebalance | undefined;
  readonly state: OperationState;
  readonly error: ErrorDetail | undefined;
  /** One sentence: what it waits for or what it did. */
  readonly message: string;
  readonly migration: MigrationProgress | undefined;
  /** Of a migration: what was expected; absent in records of old. */
  readonly forecast?: MigrationForecast;
  readonly isCancelRequested: boolean;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export function isDone(operation: Operation): boolean {
  return operation.state !== "running";
}
